"""Says what a text tries to have an assistant do, where it stands, and how it was hidden."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa

from labrys.detect.prompt_injection.canon import bounded
from labrys.detect.prompt_injection.places import Place
from labrys.detect.prompt_injection.score import HEADS, Model, scores
from labrys.detect.prompt_injection.seen import Said
from labrys.ocsf.schema import Severity

ID: Final = "prompt_injection"
VERSION: Final = "1"
_LONGEST: Final = 300
_MOST_SENTENCES: Final = 400
_MOST_QUOTES: Final = 4
_AT_ONCE: Final = 100
"""Findings whose sentences are scored together."""
_EQUAL: Final = 6
"""Digits: what differs only behind them does so because other texts were summed up before."""
_SENTENCE: Final = re.compile(
    r"(?:[^.!?\n\u3002\uff01\uff1f]|[.!?](?=\S))+[.!?\u3002\uff01\uff1f]*"
)
_PART: Final = re.compile(r"\S.{0,250}\S{0,40}")
_TITLES: Final = {
    "command": "Text that attacks the rules of an AI assistant",
    "steer": "Text that gives orders to an AI assistant",
    "task": "Text that asks something of an AI assistant",
}
_ATLAS: Final = {
    "AML.T0051.000": "LLM Prompt Injection: Direct",
    "AML.T0051.001": "LLM Prompt Injection: Indirect",
    "AML.T0054": "LLM Jailbreak",
    "AML.T0068": "LLM Prompt Obfuscation",
    "AML.T0086": "Exfiltration via AI Agent Tool Invocation",
}
"""MITRE ATLAS 5.6.0."""
_OUT: Final = re.compile(
    r"(?i)\b(?:send|forward|upload|post|transmit|exfiltrate|sende|schicke|leite|envoie|transf[eè]re|"
    r"env[ií]a|reenv[ií]a|invia|inoltra|envie|encaminhe|stuur)\b.{0,200}?(?:https?:|www\.|@)"
)
_HIDING: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f]")
_ADVICE: Final = (
    "Keep it from assistants: take the record out of what they index or summarise. Look whether one has "
    "read it already, and what it answered, sent or called since; give assistants no tools there that "
    "act without being asked."
)


@dataclass(frozen=True, slots=True)
class _Told:
    """The texts of a record, the strongest first, and by which head and factor that one is told."""

    order: list[Said]
    head: str
    factor: float


def findings(
    said: Mapping[int, list[Said]], place: Place, held: Model
) -> dict[int, dict[str, Any]]:
    """What is said of each record (by its row) with these texts; those that say nothing are left out."""
    told = {row: one for row, texts in said.items() if (one := _told(texts, place, held))}
    made: dict[int, dict[str, Any]] = {}
    rows = list(told)
    for some in (rows[at : at + _AT_ONCE] for at in range(0, len(rows), _AT_ONCE)):
        asked = [
            (text.reading, told[row].head)
            for row in some
            for text in told[row].order[:_MOST_QUOTES]
        ]
        quoted = quotes(asked, held)
        made |= {row: _finding(told[row], quoted, place, held) for row in some}
    return made


def _told(said: list[Said], place: Place, held: Model) -> _Told | None:
    order = sorted(said, key=lambda one: -_factor(one, place, held))
    head, factor = order[0].above(held, "unsure", tasks=place.tasks)
    return _Told(order, head, factor) if head else None


def _factor(one: Said, place: Place, held: Model) -> float:
    return round(one.above(held, "unsure", tasks=place.tasks)[1], _EQUAL)


def _finding(
    told: _Told, quoted: Mapping[tuple[str, str], str], place: Place, held: Model
) -> dict[str, Any]:
    first, head = told.order[0], told.head
    sure = any(one.above(held, "likely", tasks=False)[0] for one in told.order)
    concealed = bool(first.how) or first.column in ("text_hidden", "text_markup")
    severity = _severity(head, sure=sure, concealed=concealed)
    atlas = _atlas(first, head, place)
    shows, *more = (
        _reason(one.place, quoted[one.reading, head], one.score[HEADS.index(head)])
        for one in told.order[:_MOST_QUOTES]
    )
    undone = [_reason(f"undone: {way}", first.text, 1.0) for way in _undone(first)]
    known = [_reason("ATLAS", f"{uid} {_ATLAS[uid]}", 0.0) for uid in atlas]
    where = f", {first.place}" if concealed else ""
    return {
        "detector": ID,
        "version": VERSION,
        "rule_uid": f"{ID}.{head}",
        "title": f"{'' if sure else 'Suspicious: '}{_TITLES[head]}{where}",
        "author": "labrys",
        "severity_id": int(severity),
        "confidence": _confidence(told.factor, sure=sure),
        "techniques": [*atlas, *place.techniques, *(["T1027"] if first.how else [])],
        "tactics": list(place.tactics),
        "reasons": [shows, *undone, *more, *known],
        "advice": _ADVICE,
    }


def _severity(head: str, *, sure: bool, concealed: bool) -> Severity:
    """A request is little; what is sure and hidden from people besides is meant."""
    if head == "task" and not sure:
        return Severity.LOW if concealed else Severity.INFORMATIONAL
    if sure:
        return Severity.HIGH if concealed else Severity.MEDIUM
    return Severity.MEDIUM if concealed and head == "command" else Severity.LOW


def _confidence(factor: float, *, sure: bool) -> int:
    return int(np.clip(round(25 + 25 * factor), 30, 95 if sure else 60))


def _atlas(said: Said, head: str, place: Place) -> list[str]:
    """Indirect wherever records are read: direct only to who types it. Jailbreaks, hiding, and what
    sends data away have ids of their own."""
    made = ["AML.T0051.001" if place.tasks or head != "command" else "AML.T0051.000"]
    made += ["AML.T0054"] if head == "command" else []
    made += ["AML.T0068"] if _undone(said) else []
    return made + (["AML.T0086"] if _OUT.search(said.reading) else [])


def _undone(said: Said) -> list[str]:
    """The ways of hiding that were undone."""
    made = [said.how] if said.how else []
    made += ["look-alike letters"] if said.disguised else []
    made += ["unseen characters"] if _HIDING.search(said.text) and not said.how else []
    return made


def quotes(asked: Iterable[tuple[str, str]], held: Model) -> dict[tuple[str, str], str]:
    """For each text and head the sentence that speaks most to an assistant, the first of equal ones.

    A sentence of several texts is scored once: the parts of one mail say the same.
    """
    asked = dict.fromkeys(asked)
    parts = {text: _sentences(text) for text, _ in asked}
    number = {one: at for at, one in enumerate(dict.fromkeys(chain.from_iterable(parts.values())))}
    value, _ = scores(bounded(pa.array(number, pa.string())), held)
    value = np.round(value, _EQUAL)
    made = {}
    for text, head in asked:
        at = [number[one] for one in parts[text]]
        best = int(value[at, HEADS.index(head)].argmax()) if at else -1
        made[text, head] = shown(parts[text][best] if at else text)
    return made


def _sentences(text: str) -> list[str]:
    whole = (each.strip() for each in _SENTENCE.findall(text)[:_MOST_SENTENCES])
    return [part for each in whole for part in _PART.findall(each)]


def shown(text: str) -> str:
    """A text on one line, cut where it is long, without what cannot be seen."""
    line = " ".join(_HIDING.sub("", text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _reason(feature: str, value: str, weight: float) -> dict[str, Any]:
    return {"feature": feature, "value": shown(value), "weight": round(weight, 3)}

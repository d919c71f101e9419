"""Says why a line is held to be disguised: what was written, what it means, what was undone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from labrys.detect.evasion.canon import Canon
from labrys.ocsf.attack import techniques
from labrys.ocsf.schema import Severity

ID: Final = "evasion"
VERSION: Final = "1"
OBFUSCATED: Final = "evasion.obfuscated"
LIKE_ATTACK: Final = "evasion.model"
RENAMED: Final = "a renamed program"
_LONGEST: Final = 512
_OBFUSCATION: Final = "T1027.010"
_RENAMING: Final = "T1036.003"
_ADVICE: Final = (
    "Read the command as it runs, see who started it and what it started, and look for the same "
    "disguise elsewhere in the case."
)

Reason = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One record's command: as written, as the shells read it, and how much it is like attacks."""

    raw: str
    canon: Canon
    score: float
    program: str = ""
    """What the program is called by its authors, where the file is called otherwise."""
    guessed: bool = False
    """Whether only its arguments say so."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The disguises that were undone."""
        return (*self.canon.steps, *((RENAMED,) if self.program else ()))


def escaped(line: Line, rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule that matches what runs but not what is written; `rule` is the finding it would give."""
    sure = line.canon.strength >= 0.5
    severity = max(rule["severity_id"], int(Severity.MEDIUM)) if sure else rule["severity_id"]
    return {
        **_of_rule(line, rule),
        "title": f"{rule['title']} (disguised: {_listed(line.steps)})",
        "severity_id": severity,
        "confidence": min(90, rule["confidence"] + (10 if sure else 0)),
        "reasons": [_reason("rule escaped", rule["title"], 1.0), *_reading(line)],
    }


def loosely(
    line: Line, rule: Mapping[str, Any], others: Sequence[str], words: Sequence[tuple[str, float]]
) -> dict[str, Any]:
    """A rule that would match if words counted and not how they are written or arranged."""
    confidence = round(min(75, 40 + 5 * line.score))
    reasons = [_reason("rule all but matched", rule["title"], 1.0), *_reading(line)]
    reasons += [_reason("also all but matched", title, 0.5) for title in others]
    reasons += [_reason("word of attacks", word, weight) for word, weight in words]
    return {
        **_of_rule(line, rule),
        "title": f"{rule['title']} (a variant that the rule misses)",
        "severity_id": rule["severity_id"],
        "confidence": min(confidence, rule["confidence"]),
        "reasons": reasons,
    }


def obfuscated(line: Line) -> dict[str, Any]:
    """A line so disguised that no ordinary software writes it, whatever it does."""
    return {
        "rule_uid": OBFUSCATED,
        "title": f"Command disguised by {_listed(line.steps)}",
        "author": "labrys",
        "severity_id": int(Severity.MEDIUM),
        "confidence": 60,
        "techniques": [_OBFUSCATION],
        "tactics": list(_tactics([_OBFUSCATION])),
        "reasons": [_reason("disguise", f"{line.canon.strength:.2f}", 1.0), *_reading(line)],
        "advice": _ADVICE,
    }


def like_attack(line: Line, words: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """A line that no rule comes near, in the words of attacks."""
    reasons = [_reason("likeness to attacks", f"{line.score:.2f}", 1.0), *_reading(line)]
    return {
        "rule_uid": LIKE_ATTACK,
        "title": "Command in the words of known attacks",
        "author": "labrys",
        "severity_id": int(Severity.LOW),
        "confidence": 40,
        "techniques": ["T1059"],
        "tactics": list(_tactics(["T1059"])),
        "reasons": [
            *reasons,
            *(_reason("word of attacks", word, weight) for word, weight in words),
        ],
        "advice": _ADVICE,
    }


def _of_rule(line: Line, rule: Mapping[str, Any]) -> dict[str, Any]:
    more = [_RENAMING] if line.program else []
    more += [_OBFUSCATION] if line.canon.steps else []
    named = list(dict.fromkeys([*rule["techniques"], *more]))
    return {
        "rule_uid": rule["rule_uid"],
        "author": rule["author"],
        "techniques": named,
        "tactics": list(dict.fromkeys([*rule["tactics"], *_tactics(more)])),
        "advice": rule["advice"] or _ADVICE,
    }


def _reading(line: Line) -> list[Reason]:
    reasons = [_reason("as written", line.raw, 1.0)]
    if line.canon.text != line.raw:
        reasons.append(_reason("as it runs", line.canon.text, 1.0))
    if line.program:
        reasons.append(_reason("program", line.program, 1.0))
    return [*reasons, *(_reason("undone", step, 0.5) for step in line.steps)]


def _reason(feature: str, value: str, weight: float) -> Reason:
    return {"feature": feature, "value": value[:_LONGEST], "weight": float(weight)}


def _listed(steps: Sequence[str]) -> str:
    return ", ".join(steps[:3]) or "its wording"


def _tactics(uids: Sequence[str]) -> tuple[str, ...]:
    known = techniques()
    return tuple(tactic for uid in uids if uid in known for tactic in known[uid].tactics)

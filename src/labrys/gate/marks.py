"""What the gate writes into a message's header, and what it takes out because others forged it.

Sources: RFC 8601 (Authentication-Results; a method of one's own begins with `x-`), RFC 5322 (the
length of lines), RFC 2047 (nothing of it: what is written is plain ASCII).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from labrys.gate.judge import Judgement
from labrys.gate.policy import Action
from labrys.ocsf.schema import Severity

PREFIX: Final = "x-labrys-"
_PLAIN: Final = re.compile(r"[^ -~]")
_WIDTH: Final = 76
_MOST: Final = 6


def added(judged: Judgement | None, action: Action, host: str) -> list[tuple[str, str]]:
    """The fields to add, as name and folded value (line ends are `\\n` and a blank)."""
    if judged is None:
        return [
            ("X-Labrys-Verdict", "inconclusive"),
            ("Authentication-Results", f"{host}; x-labrys=temperror (not judged)"),
        ]
    verdict = _verdict(judged)
    result = {"clean": "pass", "inconclusive": "neutral"}.get(verdict, "fail")
    fields = [
        ("X-Labrys-Verdict", f"{verdict}; action={action}"),
        (
            "Authentication-Results",
            _folded([host, *judged.checked, f"x-labrys={result}{_why(judged)}"]),
        ),
    ]
    if judged.reasons:
        fields.append(("X-Labrys-Level", f"{judged.severity}; confidence={judged.confidence}"))
        said = [_plain(f"{each.title} ({each.rule})") for each in judged.reasons[:_MOST]]
        fields.append(("X-Labrys-Reasons", _folded(said)))
    if judged.problems:
        problems = [_plain(each) for each in judged.problems[:_MOST]]
        fields.append(("X-Labrys-Unread", _folded(problems)))
    return fields


def forged(names: Sequence[str], values: Sequence[str], host: str) -> Iterator[tuple[str, int]]:
    """(name, which of that name from 1) of the fields that only this gate may write.

    Given are all names and values of the header, in their order. Last ones come first, so that
    taking one out does not change the number of another.
    """
    counts: dict[str, int] = {}
    found = []
    for name, value in zip(names, values, strict=True):
        low = name.strip().lower()
        counts[low] = counts.get(low, 0) + 1
        ours = low == "authentication-results" and _server(value) == host.lower()
        if low.startswith(PREFIX) or ours:
            found.append((name, counts[low]))
    yield from reversed(found)


def _server(value: str) -> str:
    """Who says that it wrote these results (RFC 8601, 2.2)."""
    bare = re.sub(r"\([^()]*\)", " ", value[:2000])
    return bare.partition(";")[0].strip().partition(" ")[0].lower()


def _verdict(judged: Judgement) -> str:
    if judged.severity >= Severity.LOW:
        return Severity(judged.severity).name.lower()
    return "inconclusive" if judged.problems else "clean"


def _why(judged: Judgement) -> str:
    comment = re.sub(r"[()\\]", "", _plain(judged.title))[:60]
    return f" ({comment})" if comment else ""


def _plain(text: str) -> str:
    """Text of a rule or of the message as ASCII that fits a header: what was found may be hostile."""
    return _PLAIN.sub("?", text.replace("\n", " "))[:200]


def _folded(parts: Sequence[str]) -> str:
    lines = [""]
    for part in parts:
        for word in f"{part};".split(" "):
            if lines[-1] and len(lines[-1]) + len(word) >= _WIDTH:
                lines.append("")
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n\t".join(lines).rstrip(";")

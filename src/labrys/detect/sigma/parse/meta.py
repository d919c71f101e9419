"""Reads what a rule says of itself; slips there are noted and never keep a rule from loading."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from labrys.detect.sigma.ir import LogSource
from labrys.detect.sigma.parse.errors import Unusable

LEVELS: Final = ("informational", "low", "medium", "high", "critical")
STATUSES: Final = ("stable", "test", "experimental", "deprecated", "unsupported")
_TIMESPAN: Final = re.compile(r"(\d{1,9})([smhdwMy])")
_UNIT_MS: Final = {
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "M": 2_629_746_000,
    "y": 31_556_952_000,
}


@dataclass(frozen=True, slots=True)
class Meta:
    """What the rule's head says; `slips` are what is wrong with it."""

    uid: str
    name: str
    title: str
    level: str
    status: str
    author: str
    description: str
    tags: tuple[str, ...]
    falsepositives: tuple[str, ...]
    references: tuple[str, ...]
    license: str
    advice: str
    slips: tuple[str, ...]

    def shared(self) -> dict[str, Any]:
        """The fields that rules and correlations both have, by their names there."""
        names = (
            "uid name title level status author description tags falsepositives references "
            "license advice"
        )
        return {name: getattr(self, name) for name in names.split()}


def meta(content: Mapping[Any, Any]) -> Meta:
    """The head of a rule; a rule without an id gets a stable hash of its text as one."""
    slips: list[str] = []
    title = _text(content.get("title"), "title", slips)
    if not title:
        slips.append("has no title")
    return Meta(
        uid=_text(content.get("id"), "id", slips) or fingerprint(content),
        name=_text(content.get("name"), "name", slips),
        title=title or "untitled",
        level=_one_of(content.get("level"), LEVELS, "level", slips),
        status=_one_of(content.get("status"), STATUSES, "status", slips),
        author=_text(content.get("author"), "author", slips),
        description=_text(content.get("description"), "description", slips),
        tags=tuple(tag.strip().lower() for tag in _texts(content.get("tags"))),
        falsepositives=_texts(content.get("falsepositives")),
        references=_texts(content.get("references")),
        license=_text(content.get("license"), "license", slips),
        advice=_text(content.get("advice"), "advice", slips),
        slips=tuple(slips),
    )


def fingerprint(content: Any) -> str:
    """A stable hash of what a document says, whatever its layout."""
    text = orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:32]


def logsource(value: Any) -> LogSource:
    """The log source of a rule or filter; raises `Unusable` where it names nothing."""
    if not isinstance(value, Mapping):
        raise Unusable("has no log source")
    parts = {name: value.get(name) for name in ("category", "product", "service")}
    wrong = [name for name, part in parts.items() if part is not None and not isinstance(part, str)]
    if wrong:
        raise Unusable(f"log source: {', '.join(wrong)} must be text")
    made = LogSource(**{name: (part or "").strip().lower() for name, part in parts.items()})
    if made == LogSource():
        raise Unusable("log source names no category, product or service")
    return made


def timespan_ms(value: Any) -> int:
    """A span such as `30s`, `5m`, `1h`, `1d`, `1w`, `1M` or `1y` in milliseconds."""
    found = _TIMESPAN.fullmatch(str(value).strip())
    if found is None or int(found[1]) == 0:
        raise Unusable(f"time span `{value}` is not a number and one of s, m, h, d, w, M, y")
    return int(found[1]) * _UNIT_MS[found[2]]


def _text(value: Any, name: str, slips: list[str]) -> str:
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value).strip()
    slips.append(f"{name} is not text")
    return ""


def _texts(value: Any) -> tuple[str, ...]:
    entries = value if isinstance(value, list) else [value]
    return tuple(str(entry).strip() for entry in entries if isinstance(entry, str | int) and entry)


def _one_of(value: Any, known: tuple[str, ...], name: str, slips: list[str]) -> str:
    text = _text(value, name, slips).lower()
    if text and text not in known:
        slips.append(f"{name} `{text}` is none of {', '.join(known)}")
        return ""
    return text

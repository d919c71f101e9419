"""What is known of a pickle: names, what is done with them, code that it carries.

Values are texts, small numbers, names, and marks for everything else; nothing large is kept.
"""

import re
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

LONGEST_TEXT: Final = 1_000
MOST_ITEMS: Final = 24
_DEEPEST: Final = 12


@dataclass(frozen=True, slots=True)
class Name:
    """Something that is looked up: `module` and the dotted `name` in it; "?" where it is not known."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True)
class Use:
    """A name, where it is first looked up, and what is done with it.

    `how`: `named` only, `called`, `made` (an object without its constructor: NEWOBJ), `state` (what
    was made is given a state).
    """

    name: Name
    offset: int
    how: set[str] = field(default_factory=set)
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Stream:
    """One pickle: from `offset` to `end`; `stopped` where it came to its STOP."""

    offset: int
    end: int = 0
    protocol: int = 0
    steps: int = 0
    stopped: bool = False
    uses: dict[Name, Use] = field(default_factory=dict)
    code: list["Code"] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Code:
    """Python code that a pickle carries: the names that it uses, and its constants that are text."""

    offset: int
    names: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """What a call would have returned."""

    by: Name
    arguments: tuple[Any, ...] = ()


class _Opaque:
    """Whatever is no matter."""


class _Mark:
    """Where a run of items begins."""


OPAQUE: Final = _Opaque()
MARK: Final = _Mark()
UNKNOWN: Final = Name("?", "?")
_ELEMENT: Final = re.compile(r"[<>=|]?([A-Za-z?])([0-9]{1,9})(?:\[[a-zA-Z]{1,2}\])?")
"""A dtype as NumPy writes it: kind and width."""


class Broken(Exception):
    """The stream makes no sense here."""


def array_bytes(state: Any) -> int | None:
    """How many bytes an array takes; -1 for objects, None where that is not known."""
    shape, kind = (state.get("shape"), state.get("dtype")) if isinstance(state, dict) else (0, 0)
    if not isinstance(shape, tuple) or not isinstance(kind, Made) or not kind.arguments:
        return None
    said = _ELEMENT.fullmatch(kind.arguments[0]) if isinstance(kind.arguments[0], str) else None
    whole = all(type(each) is int and each >= 0 for each in shape)
    if said is None or not whole:
        return None
    return -1 if said[1] == "O" else prod(shape) * int(said[2]) * (4 if said[1] == "U" else 1)


def shown(given: tuple[Any, ...]) -> str:
    """Arguments as far as they are texts, numbers or names."""
    return ", ".join(_said(each, 0) for each in given[:MOST_ITEMS])[:LONGEST_TEXT]


def _said(value: Any, depth: int) -> str:
    if isinstance(value, str | bytes | bool | int | float) or value is None:
        return repr(value)[:200]
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, Made):
        return f"{value.by}(…)"
    if isinstance(value, tuple | list) and depth < 3:
        return "(" + ", ".join(_said(each, depth + 1) for each in value[:MOST_ITEMS]) + ")"
    return "…"


def carried(given: tuple[Any, ...], here: int) -> Code:
    """What the parts of a code object name: tuples of words are its names, single texts constants."""
    names: list[str] = []
    texts: list[str] = []

    def gather(value: Any, depth: int) -> None:
        if isinstance(value, str):
            (names if value.isidentifier() else texts).append(value)
        elif isinstance(value, bytes):
            texts.append(value.decode("latin-1"))
        elif isinstance(value, tuple | list) and depth < _DEEPEST:
            for each in value[:200]:
                gather(each, depth + 1)

    gather(given, 0)
    return Code(here, tuple(dict.fromkeys(names))[:500], tuple(dict.fromkeys(texts))[:200])

"""Reads the condition of an extended temporal correlation: `a and (b or not c)` over rule names.

Negation is pushed down to the names, so that "is there" and "is absent" are the only questions
left; each has its own window (see `kinds.py`). Text is bounded, for a rule file may be hostile.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

_TOKEN: Final = re.compile(r"[()]|[^\s()]+")
_MAX_TOKENS: Final = 500
_MAX_DEPTH: Final = 40
_MAX_BRANCHES: Final = 64


@dataclass(frozen=True, slots=True)
class Name:
    """Whether the rule called `name` matched, or, when not `there`, did not."""

    name: str
    there: bool = True


@dataclass(frozen=True, slots=True)
class Join:
    """All of the parts (`and`) or at least one of them (`or`)."""

    op: Literal["and", "or"]
    parts: tuple["Expression", ...]


Expression = Name | Join
Branch = tuple[tuple[str, ...], tuple[str, ...]]
"""One way to be true: the names that must be there and those that must be absent."""


def parse(text: str) -> Expression:
    """The expression in `text`, negation at the names only; ValueError says what is wrong."""
    tokens = _TOKEN.findall(text)
    if not tokens:
        raise ValueError("the condition is empty")
    if len(tokens) > _MAX_TOKENS:
        raise ValueError(f"the condition has more than {_MAX_TOKENS} words")
    node, rest = _any(tokens, 0, True, 0)
    if rest != len(tokens):
        raise ValueError(f"{tokens[rest]!r} is out of place in the condition")
    return node


def names(node: Expression) -> tuple[str, ...]:
    """Every name in it, in the order of appearance, each once."""
    if isinstance(node, Name):
        return (node.name,)
    return tuple(dict.fromkeys(name for part in node.parts for name in names(part)))


def branches(node: Expression) -> tuple[Branch, ...]:
    """The ways it can be true; ValueError when there are too many to follow."""
    if isinstance(node, Name):
        return (((node.name,), ()) if node.there else ((), (node.name,)),)
    found: tuple[Branch, ...] = ()
    if node.op == "or":
        found = tuple(branch for part in node.parts for branch in branches(part))
    else:
        found = (((), ()),)
        for part in node.parts:
            found = tuple(_both(one, other) for one in found for other in branches(part))
            _check(found)
    _check(found)
    return found


def _check(found: tuple[Branch, ...]) -> None:
    if len(found) > _MAX_BRANCHES:
        raise ValueError(f"the condition has more than {_MAX_BRANCHES} ways to be true")


def _both(one: Branch, other: Branch) -> Branch:
    return (
        tuple(dict.fromkeys(one[0] + other[0])),
        tuple(dict.fromkeys(one[1] + other[1])),
    )


def _any(tokens: list[str], at: int, there: bool, depth: int) -> tuple[Expression, int]:
    parts = []
    while True:
        part, at = _all(tokens, at, there, depth)
        parts.append(part)
        if at == len(tokens) or tokens[at].lower() != "or":
            return _joined("or" if there else "and", parts), at
        at += 1


def _all(tokens: list[str], at: int, there: bool, depth: int) -> tuple[Expression, int]:
    parts = []
    while True:
        part, at = _one(tokens, at, there, depth)
        parts.append(part)
        if at == len(tokens) or tokens[at].lower() != "and":
            return _joined("and" if there else "or", parts), at
        at += 1


def _one(tokens: list[str], at: int, there: bool, depth: int) -> tuple[Expression, int]:
    while at < len(tokens) and tokens[at].lower() == "not":
        there, at = not there, at + 1
    if at == len(tokens):
        raise ValueError("the condition ends too early")
    word = tokens[at]
    if word == "(":
        if depth == _MAX_DEPTH:
            raise ValueError(f"the condition is nested deeper than {_MAX_DEPTH}")
        node, at = _any(tokens, at + 1, there, depth + 1)
        if at == len(tokens) or tokens[at] != ")":
            raise ValueError("a parenthesis is not closed in the condition")
        return node, at + 1
    if word == ")" or word.lower() in ("and", "or"):
        raise ValueError(f"{word!r} is out of place in the condition")
    return Name(word, there), at + 1


def _joined(op: Literal["and", "or"], parts: list[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else Join(op, tuple(parts))

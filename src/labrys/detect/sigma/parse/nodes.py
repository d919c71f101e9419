"""Builds conditions in their simplest form over one table of atoms."""

from collections.abc import Iterable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.sigma.ir import All, Any_, Atom, Leaf, Node, Not

TRUE: Final[Node] = All(())
FALSE: Final[Node] = Any_(())
_WORDED: Final = frozenset(["eq", "starts", "ends", "contains", "glob"])


class Atoms:
    """Every distinct atom once; those that differ only in the case of what ignores case are one."""

    def __init__(self) -> None:
        self._numbers: dict[Atom, int] = {}
        self._atoms: list[Atom] = []

    def leaf(self, atom: Atom) -> Node:
        """The condition that one atom holds."""
        key = atom
        if atom.op in _WORDED and not atom.cased:
            key = Atom(atom.field, atom.op, lower(atom.value))
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._atoms)
            self._atoms.append(atom)
        return Leaf(number)

    def all(self) -> tuple[Atom, ...]:
        """The atoms in the order of their numbers."""
        return tuple(self._atoms)


def lower(text: str) -> str:
    """Simple lower-casing by code point, as the compiled form defines it."""
    return text.lower() if text.isascii() else str(pc.utf8_lower(pa.scalar(text)).as_py())


def both(parts: Iterable[Node]) -> Node:
    """True where every part is: nested conjunctions laid flat, each part once."""
    flat: dict[Node, None] = {}
    for part in parts:
        if part == FALSE:
            return FALSE
        flat.update(dict.fromkeys(part.parts if isinstance(part, All) else (part,)))
    return next(iter(flat)) if len(flat) == 1 else All(tuple(flat))


def either(parts: Iterable[Node]) -> Node:
    """True where some part is: nested disjunctions laid flat, each part once."""
    flat: dict[Node, None] = {}
    for part in parts:
        if part == TRUE:
            return TRUE
        flat.update(dict.fromkeys(part.parts if isinstance(part, Any_) else (part,)))
    return next(iter(flat)) if len(flat) == 1 else Any_(tuple(flat))


def negated(part: Node) -> Node:
    """True where the part is not."""
    if part == TRUE:
        return FALSE
    if part == FALSE:
        return TRUE
    return part.part if isinstance(part, Not) else Not(part)

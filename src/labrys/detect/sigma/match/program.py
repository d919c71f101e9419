"""A rule's condition, rewritten for matching by columns.

Atoms of one field that are joined by `or` become one `Group`, decided together on the field's
distinct values; the parts of an `and` are ordered so that what is cheap and rare comes first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labrys.detect.sigma.ir import All, Any_, Atom, Leaf, Node, Not

EXACT = ("eq", "starts", "ends", "contains")
ROWWISE = ("null", "exists", "fieldref")


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """True where any of its atoms holds; all of one field, none of them row-wise."""

    field: str | None
    atoms: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class RowTest:
    """One atom that looks at the row itself: `null`, `exists`, `fieldref`."""

    atom: int


@dataclass(frozen=True, slots=True, eq=False)
class Both:
    """Conjunction."""

    parts: tuple["Step", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Either:
    """Disjunction."""

    parts: tuple["Step", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Negated:
    """Negation."""

    part: "Step"


Step = Group | RowTest | Both | Either | Negated


class Builder:
    """Builds programs over one atom table; equal groups are one object, so that they share work."""

    def __init__(self, atoms: Sequence[Atom]) -> None:
        self._atoms = atoms
        self._groups: dict[tuple[str | None, frozenset[int]], Group] = {}

    def build(self, node: Node) -> Step:
        """The program of a condition."""
        if isinstance(node, Leaf):
            if self._atoms[node.atom].op in ROWWISE:
                return RowTest(node.atom)
            return self._group(self._atoms[node.atom].field, frozenset([node.atom]))
        if isinstance(node, Not):
            return Negated(self.build(node.part))
        parts = tuple(_spread(node))
        if isinstance(node, Any_):
            return self._either(parts)
        built = sorted((self.build(part) for part in parts), key=_cost)
        if len(built) == 1:
            return built[0]
        return Both(tuple(built))

    def _either(self, parts: Sequence[Node]) -> Step:
        by_field: dict[str | None, set[int]] = {}
        others: list[Step] = []
        for part in parts:
            if isinstance(part, Leaf) and self._atoms[part.atom].op not in ROWWISE:
                by_field.setdefault(self._atoms[part.atom].field, set()).add(part.atom)
            else:
                others.append(self.build(part))
        steps: list[Step] = [self._group(name, frozenset(ids)) for name, ids in by_field.items()]
        steps += others
        return steps[0] if len(steps) == 1 else Either(tuple(steps))

    def _group(self, name: str | None, atoms: frozenset[int]) -> Group:
        key = (name, atoms)
        if key not in self._groups:
            self._groups[key] = Group(name, atoms)
        return self._groups[key]


def _spread(node: All | Any_) -> Iterator[Node]:
    """The parts of a conjunction (or disjunction), nested ones of the same kind laid flat."""
    for part in node.parts:
        if type(part) is type(node):
            yield from _spread(part)
        else:
            yield part


def _cost(step: Step) -> int:
    if isinstance(step, Group):
        return 0 if step.field is not None else 3  # a keyword is looked for in every column
    order = {RowTest: 1, Either: 2, Both: 2, Negated: 4}
    return order[type(step)]


def pinned(node: Node, atoms: Sequence[Atom], name: str) -> frozenset[str] | None:
    """The values to which a condition pins a field: no row with another can match; None if free."""
    if isinstance(node, Leaf):
        atom = atoms[node.atom]
        return frozenset([atom.value]) if atom.field == name and atom.op == "eq" else None
    if isinstance(node, Not):
        return None
    choices = [pinned(part, atoms, name) for part in node.parts]
    if isinstance(node, Any_):
        known = [choice for choice in choices if choice is not None]
        return frozenset().union(*known) if len(known) == len(choices) else None
    pins = [choice for choice in choices if choice is not None]
    return frozenset.intersection(*pins) if pins else None

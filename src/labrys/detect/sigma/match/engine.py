"""Runs every rule that applies to a shape over a table of that shape.

The order of work is what makes thousands of rules cheap: distinct values are scanned once for all
literals of a field; a rule dies as soon as one conjunct has no hit in the whole batch; only what
survives is looked at row by row, and expensive atoms only on the values of surviving rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labrys.detect.sigma.ir import Atom, RuleSet
from labrys.detect.sigma.match import verify
from labrys.detect.sigma.match.column import Bools, Column, Ints, texts
from labrys.detect.sigma.match.literals import Literals, pattern
from labrys.detect.sigma.match.program import (
    EXACT,
    Both,
    Builder,
    Either,
    Group,
    Negated,
    RowTest,
    Step,
    pinned,
)

Resolve = Callable[[str], pa.Array | pa.ChunkedArray | None]
"""A rule's field name → the column of the batch it means, derived where needed; None if absent."""

_HOT_FROM_BYTES: Final = 4 << 20
_HOT_SHARE: Final = 16
_HOT_PER_VALUE: Final = 0.04
"""A literal found more often than this in a large column is looked up on survivors instead."""

_SHORTEST: Final = 2
"""Patterns shorter than this are found nearly everywhere; they too are looked up on survivors."""
_COSTLY: Final = 1e6
_PINS: Final = "pins"
"""Name of the rules' event ids among the fields' automata in the cache."""


class FieldLiterals:
    """The literal automaton of one field, and which atoms each pattern speaks for."""

    def __init__(self, kept: "Kept") -> None:
        self._patterns = kept.patterns
        self.owners = kept.owners
        self.searched = frozenset().union(*kept.owners)
        """Atoms whose values are all found by the automaton (if exact, they are decided by it)."""
        self.literals = Literals(kept.patterns, kept.compiled or None)
        self._measured = False

    def leave_out_hot(self, column: Column) -> None:
        """Once, on the first large column: stop searching literals that nearly every value has."""
        if self._measured or column.size < _HOT_FROM_BYTES:
            return
        self._measured = True
        numbers, _ = self.literals.scan(column.sample(_HOT_SHARE))
        counts = np.bincount(numbers, minlength=len(self.owners))
        hot = counts > _HOT_PER_VALUE * column.count / _HOT_SHARE
        if not hot.any():
            return
        lost = {atom for number in np.flatnonzero(hot) for atom in self.owners[number]}
        self.searched -= lost
        self.owners = [
            [atom for atom in owners if atom not in lost]
            for number, owners in enumerate(self.owners)
            if not hot[number]
        ]
        self._patterns = [text for i, text in enumerate(self._patterns) if not hot[i]]
        self.literals = Literals(self._patterns)


class Kept(msgspec.Struct, array_like=True):
    """One field's patterns, the atoms each speaks for, and the automaton compiled from them."""

    patterns: list[bytes]
    owners: list[list[int]]
    compiled: bytes


def _prepared(atoms: Mapping[int, Atom]) -> Kept:
    owners: dict[bytes, list[int]] = {}
    for number, atom in atoms.items():
        op = atom.op if atom.op in EXACT else "contains"
        patterns = [pattern(op, text.encode()) for text in verify.required(atom)]
        if patterns and min(map(len, patterns)) >= _SHORTEST:
            for text in patterns:
                owners.setdefault(text, []).append(number)
    return Kept(list(owners), list(owners.values()), b"")


@dataclass(frozen=True, slots=True)
class Matches:
    """Which rows (ascending) each matching rule found: rule number in the rule set → rows."""

    rows: dict[int, Ints]


class Batch:
    """A table to match, with what has been found out about its columns so far.

    `searched` gives the columns that keywords are looked for in, when there are keywords.
    """

    def __init__(
        self, rows: int, searched: Callable[[], Sequence[pa.Array | pa.ChunkedArray]]
    ) -> None:
        self.rows = rows
        self._searched = searched
        self._columns: dict[int, tuple[Any, Column]] = {}

    @cached_property
    def searched(self) -> Sequence[pa.Array | pa.ChunkedArray]:
        """The columns that keywords are looked for in."""
        return self._searched()

    @cached_property
    def together(self) -> Column:
        """The distinct values of all searched columns as one, to see at once what is in none."""
        pieces = [piece for array in self.searched for piece in texts(array)]
        return Column(pa.concat_arrays(pieces) if pieces else pa.array([], pa.string()))

    def column(self, array: pa.Array | pa.ChunkedArray) -> Column:
        """An array by its distinct values; the same array gives the same column."""
        known = self._columns.get(id(array))
        if known is None:
            # The array is kept too, so that its id stays its own.
            known = self._columns[id(array)] = (array, Column(array))
        return known[1]


class Engine:
    """A compiled rule set, ready to match; holds no state of the data but learnt hot literals.

    `compiled` is what `compiled()` of the same rules gave an earlier run.
    """

    def __init__(self, rules: RuleSet, compiled: bytes | None = None) -> None:
        self._atoms = rules.atoms
        self._rules = rules.rules
        self._builder = Builder(rules.atoms)
        self._programs: dict[int, Step] = {}
        self._pins: dict[int, frozenset[str] | None] = {}
        self._kept: dict[str, msgspec.Raw] = {}
        if compiled is not None:
            self._kept = msgspec.msgpack.decode(compiled, type=dict[str, msgspec.Raw])
            pins = msgspec.msgpack.decode(self._kept.pop(_PINS), type=list[frozenset[str] | None])
            self._pins = dict(enumerate(pins))
        self._literals: dict[str | None, FieldLiterals] = {}

    @cached_property
    def _by_field(self) -> dict[str | None, dict[int, Atom]]:
        by_field: dict[str | None, dict[int, Atom]] = {}
        for number, atom in enumerate(self._atoms):
            if atom.op in EXACT or atom.op in ("re", "glob"):
                by_field.setdefault(atom.field, {})[number] = atom
        return by_field

    def pinned_event_ids(self, rule: int) -> frozenset[str] | None:
        """The event ids outside of which the rule cannot match; None when it names none."""
        if rule not in self._pins:
            self._pins[rule] = pinned(self._rules[rule].when, self._atoms, "EventID")
        return self._pins[rule]

    def compiled(self) -> bytes:
        """Every field's automaton, for the cache."""
        made = {}
        for name, atoms in self._by_field.items():
            kept = _prepared(atoms)
            kept.compiled = Literals(kept.patterns).compiled()
            made[_cache_name(name)] = kept
        pins = [self.pinned_event_ids(number) for number in range(len(self._rules))]
        return msgspec.msgpack.encode({**made, _PINS: pins})

    def match(self, rules: Iterable[int], batch: Batch, resolve: Resolve) -> Matches:
        """Match rules by number on a batch, whose columns `resolve` finds by a rule's field name."""
        run = _Run(self, batch, resolve)
        found: dict[int, Ints] = {}
        for number in rules:
            program = self._programs.get(number)
            if program is None:
                program = self._programs[number] = self._builder.build(self._rules[number].when)
            hits = run.rows_of(program)
            if hits is not None and len(hits):
                found[number] = hits
        return Matches(found)

    def atom(self, number: int) -> Atom:
        """An atom by its number."""
        return self._atoms[number]

    def _field(self, name: str | None) -> FieldLiterals:
        made = self._literals.get(name)
        if made is None:
            raw = self._kept.get(_cache_name(name))
            if raw is not None:
                kept = msgspec.msgpack.decode(raw, type=Kept)
            else:
                kept = _prepared(self._by_field.get(name, {}))
            made = self._literals[name] = FieldLiterals(kept)
        return made

    def literals_for(self, name: str | None, column: Column) -> FieldLiterals:
        """The field's automaton, fit for a column of this size."""
        made = self._field(name)
        made.leave_out_hot(column)
        return made


def _cache_name(name: str | None) -> str:
    return "keyword" if name is None else f"field:{name}"


def _merged(parts: Sequence[Ints]) -> Ints:
    """Sorted numbers of several such arrays, each once; not by np.unique, whose hashing is slow."""
    if len(parts) == 1:
        return parts[0]
    every: Ints = np.sort(np.concatenate(parts))
    merged: Ints = every[np.diff(every, prepend=-1) != 0]
    return merged


@dataclass(slots=True)
class _Seen:
    """A column under one field's automaton: which atoms occur, and in which distinct values."""

    column: Column
    literals: FieldLiterals
    postings: dict[int, Ints]
    hit: frozenset[int]


class _Run:
    """One batch: columns by rule field, and what has been found out about them."""

    def __init__(self, engine: Engine, batch: Batch, resolve: Resolve) -> None:
        self._engine = engine
        self._batch = batch
        self._rows = batch.rows
        self._resolve = resolve
        self._fields: dict[str | None, list[_Seen]] = {}
        self._masks: dict[tuple[Group, int], Bools] = {}
        self._keywords: _Seen | None = None
        self._spreads: dict[Group, float] = {}

    def rows_of(self, program: Step) -> Ints | None:
        """The rows where a program is true; None where it is quickly seen to be true nowhere."""
        if self._dead(program):
            return None
        found: Ints = np.flatnonzero(self._holds(program, None)).astype(np.int64)
        return found

    def _seen(self, name: str | None) -> list[_Seen]:
        known = self._fields.get(name)
        if known is not None:
            return known
        self._fields[name] = [self._look(name, column) for column in self._columns(name)]
        return self._fields[name]

    def _columns(self, name: str | None) -> list[Column]:
        """The columns that a field means, not yet searched."""
        if name is None:
            return [self._batch.column(array) for array in self._batch.searched]
        array = self._resolve(name)
        return [] if array is None else [self._batch.column(array)]

    def _anywhere(self) -> _Seen:
        """All columns that keywords are looked for in, as one: mostly they are in none."""
        if self._keywords is None:
            self._keywords = self._look(None, self._batch.together)
        return self._keywords

    def _look(self, name: str | None, column: Column) -> _Seen:
        literals = self._engine.literals_for(name, column)
        found: dict[int, list[Ints]] = {}
        for number, codes in column.scan(literals.literals).items():
            for atom in literals.owners[number]:
                found.setdefault(atom, []).append(codes)
        postings = {atom: _merged(parts) for atom, parts in found.items()}
        return _Seen(column, literals, postings, frozenset(postings))

    def _dead(self, step: Step) -> bool:
        """Whether the automata alone show that no row can satisfy the step."""
        if isinstance(step, Group):
            atoms = step.atoms
            everywhere = [self._anywhere()] if step.field is None else self._seen(step.field)
            return all(
                atoms <= seen.literals.searched and atoms.isdisjoint(seen.hit)
                for seen in everywhere
            )
        if isinstance(step, Both):
            return any(self._dead(part) for part in step.parts)
        if isinstance(step, Either):
            return all(self._dead(part) for part in step.parts)
        return False

    def _holds(self, step: Step, rows: Ints | None) -> Bools:
        """For each of `rows` (all when None), whether the step is true."""
        if isinstance(step, Group):
            return self._group(step, rows)
        if isinstance(step, RowTest):
            return self._row_test(self._engine.atom(step.atom), rows)
        if isinstance(step, Negated):
            return ~self._holds(step.part, rows)
        if isinstance(step, Either):
            return self._either(step, rows)
        return self._both(step, rows)

    def _length(self, rows: Ints | None) -> int:
        return self._rows if rows is None else len(rows)

    def _both(self, step: Both, rows: Ints | None) -> Bools:
        answer = np.zeros(self._length(rows), np.bool_)
        alive: Ints | None = None  # positions in `rows` still true
        for part in self._by_rarity(step):
            here = rows if alive is None else alive if rows is None else rows[alive]
            mask = self._holds(part, here)
            alive = np.flatnonzero(mask) if alive is None else alive[mask]
            if not len(alive):
                return answer
        if alive is None:
            answer[:] = True
        else:
            answer[alive] = True
        return answer

    def _by_rarity(self, step: Both) -> list[Step]:
        """The parts, those with the fewest matching values first, costly ones last."""
        return sorted(step.parts, key=self._spread)

    def _spread(self, step: Step) -> float:
        """About the share of values a step leaves; large where finding out is itself costly."""
        if isinstance(step, Group):
            return self._group_spread(step)
        if isinstance(step, Either):
            return sum(self._spread(part) for part in step.parts)
        if isinstance(step, Both):
            return min((self._spread(part) for part in step.parts), default=1.0)
        return 0.5 if isinstance(step, RowTest) else 2 * _COSTLY

    def _group_spread(self, group: Group) -> float:
        known = self._spreads.get(group)
        if known is None:
            known = 0.0
            for seen in self._seen(group.field):
                if not group.atoms <= seen.literals.searched:
                    known += _COSTLY
                hits = sum(len(seen.postings[a]) for a in group.atoms & seen.hit)
                known += hits / max(seen.column.count, 1)
            self._spreads[group] = known
        return known

    def _either(self, step: Either, rows: Ints | None) -> Bools:
        answer = np.zeros(self._length(rows), np.bool_)
        for part in step.parts:
            if self._dead(part):
                continue
            answer |= self._holds(part, rows)
            if answer.all():
                break
        return answer

    def _group(self, group: Group, rows: Ints | None) -> Bools:
        answer: Bools | None = None
        for position, seen in enumerate(self._seen(group.field)):
            codes = seen.column.codes if rows is None else seen.column.codes[rows]
            part = self._mask(group, seen, position, codes)[codes]
            answer = part if answer is None else answer | part
        return np.zeros(self._length(rows), np.bool_) if answer is None else answer

    def _mask(self, group: Group, seen: _Seen, position: int, codes: npt.NDArray[Any]) -> Bools:
        """A mask over distinct values (and false for null), right at least for `codes`."""
        key = (group, position)
        known = self._masks.get(key)
        if known is not None:
            return known
        mask = np.zeros(seen.column.count + 1, np.bool_)
        atoms = self._engine.atom
        lazy: list[int] = []
        for number in group.atoms:
            atom = atoms(number)
            searched = number in seen.literals.searched
            if searched and atom.op in EXACT and not atom.cased:
                if number in seen.hit:
                    mask[seen.postings[number]] = True
            elif not searched or number in seen.hit:
                lazy.append(number)
        if not lazy:
            self._masks[key] = mask
            return mask
        asked = self._distinct(codes, seen.column.count)
        for number in lazy:
            open_codes = asked[~mask[asked]]
            if not len(open_codes):
                break
            candidates = seen.postings.get(number)
            if number in seen.literals.searched and candidates is not None:
                open_codes = np.intersect1d(open_codes, candidates, assume_unique=True)
            mask[open_codes[seen.column.decide(atoms(number), open_codes, candidates)]] = True
        return mask

    @staticmethod
    def _distinct(codes: npt.NDArray[Any], count: int) -> Ints:
        """The distinct codes among these, nulls left out."""
        present = np.zeros(count + 1, np.bool_)
        present[codes] = True
        present[count] = False
        return np.flatnonzero(present)

    def _row_test(self, atom: Atom, rows: Ints | None) -> Bools:
        columns = self._columns(atom.field)  # no literal is asked for: nothing need be searched
        missing = np.ones(self._length(rows), np.bool_)
        for column in columns:
            missing &= column.null_rows if rows is None else column.null_rows[rows]
        if atom.op == "null":
            return missing
        if atom.op == "exists":
            return ~missing if atom.value == "true" else missing
        return self._same_fields(atom, columns, rows)

    def _same_fields(self, atom: Atom, columns: list[Column], rows: Ints | None) -> Bools:
        others = self._columns(atom.value)
        answer = np.zeros(self._length(rows), np.bool_)
        if not columns or not others:
            return answer
        left, right = columns[0], others[0]
        first = left.codes if rows is None else left.codes[rows]
        second = right.codes if rows is None else right.codes[rows]
        both = np.flatnonzero((first != left.count) & (second != right.count))
        pairs = first[both].astype(np.int64) * (right.count + 1) + second[both]
        distinct, inverse = np.unique(pairs, return_inverse=True)
        here, there = np.divmod(distinct, right.count + 1)
        mine = left.values.take(pa.array(here)).to_pylist()
        theirs = right.values.take(pa.array(there)).to_pylist()
        op = atom.flags or "eq"
        decided = np.fromiter(
            (
                any(
                    verify.test(Atom(None, op, wanted, atom.cased))(value)  # type: ignore[arg-type]
                    for wanted in other.split("\x1e")
                )
                for value, other in zip(mine, theirs, strict=True)
            ),
            np.bool_,
            len(distinct),
        )
        answer[both] = decided[inverse]
        return answer

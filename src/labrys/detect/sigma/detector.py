"""The Sigma row detector: binds rules to shapes, matches them, reports findings."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa

from labrys.detect.sigma.correlate.plan import needed_fields
from labrys.detect.sigma.fields import Column, Field, derive
from labrys.detect.sigma.findings import MATCH, SIGMA, VERSION, Hits, Labels, Values, build, labels
from labrys.detect.sigma.ir import All, Any_, Leaf, LogSource, Node, RuleSet
from labrys.detect.sigma.logsource import FieldMap, Guard, bind, negated, shapes
from labrys.detect.sigma.match.column import Ints
from labrys.detect.sigma.match.engine import Batch, Engine
from labrys.detect.sigma.part import part
from labrys.evidence.records import LEADING
from labrys.ocsf.schema import FINDING

_MOST_FIELDS: Final = 8
_OURS: Final = frozenset([*LEADING.names, "_shape"])


class SigmaDetector:
    """A compiled rule set as a row detector (`labrys.detect.contract.RowDetector`)."""

    id = SIGMA
    version = VERSION
    emits = (SIGMA, MATCH)

    def __init__(
        self,
        rules: RuleSet,
        compiled: bytes | None = None,
        needed: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._rules = rules
        self._engine = Engine(rules, compiled)
        self.digest = f"{VERSION}:{rules.digest}"
        self._needed = needed_fields(rules) if needed is None else needed
        self._labels: dict[int, Labels] = {}
        self._fields: dict[int, tuple[str, ...]] = {}
        self._bound: dict[str, list[tuple[FieldMap, list[int]]]] = {}
        self._by_source: dict[LogSource, list[int]] = {}
        self._by_place: dict[str, list[LogSource]] | None = None
        for number, rule in enumerate(rules.rules):
            self._by_source.setdefault(rule.logsource, []).append(number)

    def detect(self, shape: str, batch: pa.Table) -> pa.Table:
        """The findings in a table of one shape; matches that correlations need are among them."""
        groups = self._rules_for(shape)
        if not groups or not batch.num_rows:
            return FINDING.empty_table()
        columns = _Columns(batch)
        hits: list[Hits] = []
        for fields, rules in groups:
            resolve = columns.through(fields)
            matches = self._engine.match(rules, columns.batch, resolve)
            rows = _guarded(matches.rows, fields.where, columns)
            hits.extend(self._hits(rows, resolve))
        return build(shape, batch, hits)

    def for_shape(self, shape: str) -> "SigmaDetector | None":
        """A detector of the rules that apply to a shape, a fraction of the whole set."""
        numbers = sorted({number for _, rules in self._rules_for(shape) for number in rules})
        if not numbers:
            return None
        rules = part(self._rules, numbers)
        own = {rule.uid for rule in rules.rules}
        needed = {uid: fields for uid, fields in self._needed.items() if uid in own}
        return SigmaDetector(rules, Engine(rules).compiled(), needed)

    def _hits(self, found: Mapping[int, Ints], resolve: Values) -> Iterator[Hits]:
        for number, rows in found.items():
            rule = self._rules.rules[number]
            if number not in self._labels:
                self._labels[number] = labels(rule)
                self._fields[number] = tuple(self._named(rule.when))[:_MOST_FIELDS]
            said = self._labels[number]
            if not self._rules.alone or self._rules.alone[number]:
                yield Hits(said, rows, self._fields[number], resolve)
            if rule.uid in self._needed:
                yield Hits(said, rows, self._needed[rule.uid], resolve, MATCH)

    def _named(self, node: Node) -> dict[str, None]:
        """The fields a condition looks at, leaving out what only its negations look at."""
        if isinstance(node, Leaf):
            name = self._engine.atom(node.atom).field
            return {} if name is None else {name: None}
        if isinstance(node, All | Any_):
            return {name: None for inner in node.parts for name in self._named(inner)}
        return {}

    def _rules_for(self, shape: str) -> list[tuple[FieldMap, list[int]]]:
        """The rules that apply to a shape, by the field map they see it through."""
        known = self._bound.get(shape)
        if known is not None:
            return known
        event = _event_id(shape)
        groups: list[tuple[FieldMap, list[int]]] = []
        for source in self._candidates(shape):
            numbers = self._by_source[source]
            fields = bind(source, shape)
            if fields is None:
                continue
            live = [
                number
                for number in numbers
                if self._may_match(number, event) and not self._excludes(number, fields)
            ]
            if live:
                groups.append((fields, live))
        self._bound[shape] = groups
        return groups

    def _candidates(self, shape: str) -> Iterator[LogSource]:
        """The log sources that may read a shape, by its family and what follows that."""
        if self._by_place is None:
            self._by_place = {}
            for source in self._by_source:
                for place in {_place(pattern) for pattern in shapes(source)}:
                    self._by_place.setdefault(place, []).append(source)
        named = (*self._by_place.get(_place(shape), ()), *self._by_place.get("*", ()))
        return iter(dict.fromkeys(named))

    def _may_match(self, rule: int, event: str | None) -> bool:
        """Whether the rule is not pinned to other event ids than the shape's."""
        if event is None:
            return True
        pinned = self._engine.pinned_event_ids(rule)
        return pinned is None or event in pinned

    def _excludes(self, rule: int, fields: FieldMap) -> bool:
        """Whether the rule excludes by a field that the shape never has."""
        if not fields.lacks:
            return False
        return bool(fields.lacks & negated(self._rules.rules[rule].when, self._rules.atoms))


def _place(pattern: str) -> str:
    """The first two parts of a shape, or `*` for a pattern in which these are not plain."""
    place = ".".join(pattern.split(".")[:2])
    return "*" if any(mark in place for mark in "*?[") else place


def _event_id(shape: str) -> str | None:
    """The event id that every record of a Windows shape has."""
    family, _, event = shape.rpartition(".")
    return event if family.startswith("windows.") and event.isdigit() else None


class _Columns:
    """A batch's columns by what rules call them, each made once."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._made: dict[Field, Column | None] = {}
        # Nothing that refers back to this object: a cycle would hold its memory until the collector
        # runs, and that counts objects, not the bytes of Arrow behind them.
        self.batch = Batch(table.num_rows, partial(_searched, table, self._made))

    def get(self, field: Field) -> Column | None:
        """The column that a field stands for; None where the table has none of its columns."""
        if field not in self._made:
            self._made[field] = derive(field, self._table)
        return self._made[field]

    def through(self, fields: FieldMap) -> Values:
        """Rule field name → column, as one log source sees them."""
        return lambda name: self.get(fields.column(name))


def _searched(table: pa.Table, made: dict[Field, Column | None]) -> list[Column]:
    """The source's own columns, the same objects as those in `made`."""
    names = [name for name in table.column_names if name not in _OURS]
    return [
        column
        for name in names
        if (column := made.setdefault(name, table.column(name))) is not None
    ]


def _guarded(found: Mapping[int, Ints], where: Guard, columns: _Columns) -> dict[int, Ints]:
    """Only rows that a log source is about, where it is not about the whole shape."""
    if not where or not found:
        return dict(found)
    keep = np.ones(columns.batch.rows, np.bool_)
    for group in where:
        any_of = np.zeros(columns.batch.rows, np.bool_)
        for atom in group:
            array = columns.get(atom.field or "")
            if array is not None:
                seen = columns.batch.column(array)
                decided = seen.decide(atom, np.arange(seen.count), None)
                any_of |= np.append(decided, False)[seen.codes]
        keep &= any_of
    return {number: rows[keep[rows]] for number, rows in found.items()}

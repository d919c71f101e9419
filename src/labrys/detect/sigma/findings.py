"""Turns matched rows into findings: what the rule says, whom the record names, why it matched.

Matches of rules that correlations refer to are findings too, of detector `MATCH`: their reasons
hold the fields that the correlations group and count by. Triage never shows those.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.sigma.ir import Correlation, Rule
from labrys.detect.sigma.match.column import Ints
from labrys.ocsf.attack import techniques
from labrys.ocsf.entities import entities
from labrys.ocsf.schema import EVIDENCE, FINDING, REASON, Severity

SIGMA: Final = "sigma"
MATCH: Final = "sigma.match"
VERSION: Final = "1"

_LEVELS: Final = {
    "informational": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_CONFIDENCE: Final = {"stable": 80, "test": 65, "experimental": 50, "": 60}
_LONGEST_VALUE: Final = 512

Values = Callable[[str], pa.Array | pa.ChunkedArray | None]


@dataclass(frozen=True, slots=True)
class Labels:
    """What is the same for every finding of a rule."""

    uid: str
    title: str
    author: str
    severity: int
    confidence: int
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    advice: str


def labels(rule: Rule | Correlation) -> Labels:
    """A rule's own statements in OCSF terms; tactics follow from techniques where none is tagged."""
    named, steps = [], []
    for tag in rule.tags:
        space, _, value = tag.lower().partition(".")
        if space != "attack":
            continue
        if value[:1] == "t" and value[1:5].isdigit():
            named.append(value.upper())
        elif value[:1] not in ("g", "s") or not value[1:].isdigit():
            steps.append(value.replace("_", "-"))
    if not steps:
        known = techniques()
        steps = [tactic for uid in named if uid in known for tactic in known[uid].tactics]
    return Labels(
        uid=rule.uid,
        title=rule.title,
        author=rule.author,
        severity=int(_LEVELS.get(rule.level, Severity.LOW)),
        confidence=_CONFIDENCE.get(rule.status, 60),
        techniques=tuple(dict.fromkeys(named)),
        tactics=tuple(dict.fromkeys(steps)),
        advice=rule.advice,
    )


@dataclass(frozen=True, slots=True)
class Hits:
    """Rows found by one rule, and the fields whose values say why.

    `values` gives a rule field's column (as long as the table), None where it has none.
    """

    labels: Labels
    rows: Ints
    fields: Sequence[str]
    values: Values
    detector: str = SIGMA


def build(shape: str, table: pa.Table, hits: Sequence[Hits]) -> pa.Table:
    """The findings of `hits` on a table of one shape, in the order given."""
    hits = [hit for hit in hits if len(hit.rows)]
    if not hits:
        return FINDING.empty_table()
    rows = np.concatenate([hit.rows for hit in hits])
    which = pa.array(np.repeat(np.arange(len(hits)), [len(hit.rows) for hit in hits]))
    distinct, inverse = np.unique(rows, return_inverse=True)
    # Each record once; then spread over its findings.
    records = table.take(pa.array(distinct))
    spread = pa.array(inverse)
    ids = _text(records, "_id").take(spread)
    evidence = pa.StructArray.from_arrays(
        [ids, _text(records, "_source").take(spread), _plain(records, "_offset").take(spread)],
        fields=list(EVIDENCE),
    )
    one_each = pa.array(np.arange(len(rows) + 1, dtype=np.int32))
    times = _plain(records, "_time").take(spread)
    said = _Constants([hit.labels for hit in hits], which)
    detectors = pa.array([hit.detector for hit in hits])
    detector = detectors.take(which)
    columns = {
        "uid": pc.binary_join_element_wise(detector, said.text("uid"), ids, ":"),
        "detector": detector,
        "version": pa.repeat(pa.scalar(VERSION), len(rows)),
        "rule_uid": said.text("uid"),
        "title": said.text("title"),
        "author": said.text("author"),
        "time_start": times,
        "time_end": times,
        "severity_id": said.number("severity"),
        "confidence": said.number("confidence"),
        "techniques": said.texts("techniques"),
        "tactics": said.texts("tactics"),
        "entities": entities(shape, records).take(spread),
        "evidence": pa.ListArray.from_arrays(one_each, evidence),
        "reasons": _reasons(hits, distinct, inverse),
        "shape": pa.repeat(pa.scalar(shape), len(rows)),
        "advice": said.text("advice"),
    }
    return pa.table(columns, schema=FINDING)


class _Constants:
    """Per-rule statements, spread over rows."""

    def __init__(self, said: Sequence[Labels], which: pa.Array) -> None:
        self._said, self._which = said, which

    def text(self, name: str) -> pa.Array:
        return pa.array([getattr(one, name) for one in self._said], pa.string()).take(self._which)

    def number(self, name: str) -> pa.Array:
        return pa.array([getattr(one, name) for one in self._said], pa.int8()).take(self._which)

    def texts(self, name: str) -> pa.Array:
        made = [list(getattr(one, name)) for one in self._said]
        return pa.array(made, pa.list_(pa.string())).take(self._which)


def _plain(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _text(table: pa.Table, name: str) -> pa.Array:
    return _plain(table, name).cast(pa.string())


def _reasons(hits: Sequence[Hits], distinct: Ints, inverse: Ints) -> pa.ListArray:
    """For each finding, the fields its rule looks at and what the record has there."""
    cells: dict[int, tuple[Any, list[str | None]]] = {}
    taken = pa.array(distinct)

    def texts(column: pa.Array | pa.ChunkedArray | None) -> list[str | None]:
        if column is None:
            return []
        if id(column) not in cells:
            made = column.take(taken).cast(pa.string()).to_pylist()
            cells[id(column)] = (column, made)
        return cells[id(column)][1]

    features: list[str] = []
    shown: list[str] = []
    ends = [0]
    for hit, positions in _positions(hits, inverse):
        present = [(name, have) for name in hit.fields if (have := texts(hit.values(name)))]
        for position in positions:
            for name, column_cells in present:
                value = column_cells[position]
                if value is not None:
                    features.append(name)
                    shown.append(value[:_LONGEST_VALUE])
            ends.append(len(features))
    struct = pa.StructArray.from_arrays(
        [pa.array(features, pa.string()), pa.array(shown, pa.string()), _ones(len(features))],
        fields=list(REASON),
    )
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), struct)


def _ones(count: int) -> pa.Array:
    return pa.repeat(pa.scalar(1.0, pa.float64()), count)


def _positions(hits: Sequence[Hits], inverse: Ints) -> Iterator[tuple[Hits, list[int]]]:
    begin = 0
    for hit in hits:
        yield hit, inverse[begin : begin + len(hit.rows)].tolist()
        begin += len(hit.rows)


def severities() -> Mapping[str, int]:
    """Sigma level → OCSF severity_id."""
    return {level: int(severity) for level, severity in _LEVELS.items()}

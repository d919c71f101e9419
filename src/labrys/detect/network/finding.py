"""How a detector of network behaviour says what it found: signals with weights, joined, explained.

Signals of one entity are joined by noisy-or: each weight is how likely it is, by judgement, that
the signal alone means what the finding says. More signals never lower the sum.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from labrys.ocsf.attack import tactics_of
from labrys.ocsf.schema import FINDING, Severity

VERSION: Final = "1"
MOST_FINDINGS: Final = 500
"""So many findings of one detector, the strongest: what floods is told by the first of it."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that speaks for a finding: `weight` in 0 … 1, negative where it speaks against."""

    name: str
    value: str
    weight: float


@dataclass(frozen=True, slots=True)
class Found:
    """A finding before it is a row; `key` (with the detector) makes its uid."""

    rule: str
    title: str
    severity: Severity
    confidence: int
    key: tuple[str, ...]
    start: int
    end: int
    entities: Sequence[tuple[str, str | None, str]]
    signals: Sequence[Signal]
    techniques: tuple[str, ...]
    advice: str
    records: Sequence[Row] = field(default_factory=tuple)


def joined(signals: Iterable[Signal]) -> float:
    """Noisy-or of the weights; what speaks against takes its share of what is left."""
    doubt, against = 1.0, 1.0
    for signal in signals:
        if signal.weight >= 0:
            doubt *= 1 - min(signal.weight, 0.99)
        else:
            against *= 1 + max(signal.weight, -0.99)
    return (1 - doubt) * against


def grouped(rows: pa.Table, keys: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """The rows of each entity, in order of time: `with_samples` gives one for each record."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    for key in sorted(groups, key=repr):
        yield sorted(groups[key], key=lambda row: (row["_time"], row["_id"]))


def weighed(
    rows: pa.Table,
    keys: Sequence[str],
    judge: Callable[[Row], Iterable[Signal]],
    shown: float,
    told: Callable[[Row, Sequence[Signal], float, Sequence[dict[str, Any]]], Found],
) -> Iterator[Found]:
    """What is told of each entity whose signals, joined, reach `shown`."""
    for records in grouped(rows, keys):
        signals = list(judge(records[0]))
        total = joined(signals)
        if total >= shown:
            yield told(records[0], signals, total, records)


def table(detector: str, found: Iterable[Found]) -> pa.Table:
    """Findings as rows (`ocsf.schema.FINDING`), the strongest and no more than `MOST_FINDINGS`."""
    strongest = sorted(found, key=lambda one: (-one.severity, -one.confidence, one.start, one.key))
    made = [_row(detector, one) for one in strongest[:MOST_FINDINGS]]
    return pa.Table.from_pylist(made, schema=FINDING)


def _row(detector: str, found: Found) -> dict[str, Any]:
    text = "\x1f".join((found.rule, *found.key))
    shapes = {record["_shape"] for record in found.records}
    named = {(kind, value): role for kind, value, role in reversed(found.entities) if value}
    ordered = sorted(found.signals, key=lambda one: -abs(one.weight))
    return {
        "uid": f"{detector}:{hashlib.sha256(text.encode('utf-8')).hexdigest()[:24]}",
        "detector": detector,
        "version": VERSION,
        "rule_uid": found.rule,
        "title": found.title,
        "author": "labrys",
        "time_start": found.start,
        "time_end": max(found.start, found.end),
        "severity_id": int(found.severity),
        "confidence": max(1, min(99, found.confidence)),
        "techniques": list(found.techniques),
        "tactics": list(tactics_of(found.techniques)),
        "entities": [
            {"type": kind, "value": value, "role": role}
            for (kind, value), role in reversed(named.items())
        ],
        "evidence": [
            {name: record[name] for name in ("_id", "_source", "_offset")}
            for record in found.records
        ],
        "reasons": [
            {"feature": one.name, "value": one.value[:500], "weight": round(one.weight, 3)}
            for one in ordered
        ],
        "shape": shapes.pop() if len(shapes) == 1 else None,
        "advice": found.advice,
    }

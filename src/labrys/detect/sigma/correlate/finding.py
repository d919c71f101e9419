"""Writes the episodes of a correlation as findings: one for each, with all its records."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.sigma.correlate.entity import entity_of
from labrys.detect.sigma.correlate.kinds import Found
from labrys.detect.sigma.correlate.pool import Matches
from labrys.detect.sigma.correlate.windows import Ints
from labrys.detect.sigma.findings import SIGMA, VERSION, labels
from labrys.detect.sigma.ir import Correlation
from labrys.ocsf.schema import ENTITY, EVIDENCE, FINDING, REASON

MAX_ENTITIES: Final = 200
"""At most so many entities of the base matches are named in a finding, the most frequent ones."""


def build(correlation: Correlation, found: Found, matches: Matches) -> pa.Table:
    """The findings (`ocsf.schema.FINDING`) of one correlation."""
    pool, spans = found.pool, found.episodes
    count = len(spans.begin)
    if count == 0:
        return FINDING.empty_table()
    number = np.repeat(np.arange(count), spans.end - spans.begin)
    rows = ranges(spans.begin, spans.end)
    number, origin = _records(matches, number, pool.origin[rows])
    bounds = np.searchsorted(number, np.arange(count + 1))
    # The values as the first record of the episode writes them.
    keys = [key.take(pa.array(spans.begin)).to_pylist() for key in pool.keys]
    groups: list[tuple[str, ...]] = list(zip(*keys, strict=True)) if keys else [()] * count
    times = matches.time[origin]
    starts, ends = times[bounds[:-1]], times[bounds[1:] - 1]
    said = labels(correlation)
    constant = {
        "detector": SIGMA,
        "version": VERSION,
        "rule_uid": said.uid,
        "title": said.title,
        "author": said.author,
        "severity_id": said.severity,
        "confidence": said.confidence,
        "techniques": said.techniques,
        "tactics": said.tactics,
        "advice": said.advice,
    }
    columns: dict[str, Any] = {
        "uid": _uids(correlation, matches, origin, bounds, groups),
        "time_start": starts,
        "time_end": ends,
        "entities": _entities(correlation, matches, number, origin, groups),
        "evidence": _lists(bounds, _struct(matches.table.take(pa.array(origin)), EVIDENCE)),
        "reasons": _reasons(correlation, spans.peak.tolist(), np.diff(bounds).tolist(), groups),
        "shape": _shapes(matches, origin, bounds),
    }
    for name, value in constant.items():
        columns[name] = pa.repeat(pa.scalar(value, FINDING.field(name).type), count)
    return pa.table({name: columns[name] for name in FINDING.names}, schema=FINDING)


def ranges(begin: Ints, end: Ints) -> Ints:
    """All numbers of the ranges `begin[k]:end[k]`, one range after the other."""
    sizes = end - begin
    shift = np.repeat(begin - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
    rows: Ints = shift + np.arange(int(sizes.sum()))
    return rows


def _records(matches: Matches, number: Ints, origin: Ints) -> tuple[Ints, Ints]:
    """Each episode's records in order of time and id, each once."""
    ids = matches.table["_id"].combine_chunks().take(pa.array(origin))
    table = pa.table({"number": number, "time": matches.time[origin], "id": ids})
    keys = [(name, "ascending") for name in table.column_names]
    order = pc.sort_indices(table, sort_keys=keys).to_numpy()
    number, origin = number[order], origin[order]
    ids = ids.take(pa.array(order))
    same = pc.equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    fresh = np.concatenate([[True], ~same.astype(np.bool_) | (np.diff(number) != 0)])
    return number[fresh], origin[fresh]


def _uids(
    correlation: Correlation,
    matches: Matches,
    origin: Ints,
    bounds: Ints,
    groups: Sequence[tuple[str, ...]],
) -> list[str]:
    """`sigma:<correlation>:<hash of the group and the sorted record ids>`."""
    ids = matches.table["_id"].combine_chunks().take(pa.array(origin))
    texts = pc.binary_join(pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), ids), "\n")
    uids = []
    for text, group in zip(texts.to_pylist(), groups, strict=True):
        digest = hashlib.sha256("\x1f".join(group).lower().encode())
        digest.update(b"\x1f" + text.encode())
        uids.append(f"sigma:{correlation.uid}:{digest.hexdigest()[:24]}")
    return uids


def _reasons(
    correlation: Correlation,
    peaks: Sequence[float],
    records: Sequence[int],
    groups: Sequence[tuple[str, ...]],
) -> pa.Array:
    wanted = " and ".join(f"{operator} {limit:g}" for operator, limit in correlation.condition)
    wanted = wanted or correlation.expression or f"all {len(correlation.rules)} rules"
    frame = f"within {correlation.timespan_ms / 1000:g} s, needs {wanted}"
    made = []
    for peak, count, group in zip(peaks, records, groups, strict=True):
        reasons = [
            {"feature": correlation.kind, "value": f"{peak:g} {frame}", "weight": 1.0},
            {"feature": "records", "value": str(count), "weight": 0.0},
        ]
        reasons += [
            {"feature": name, "value": value.replace("\x1e", ", "), "weight": 0.0}
            for name, value in zip(correlation.group_by, group, strict=True)
        ]
        made.append(reasons)
    return pa.array(made, pa.list_(REASON))


def _entities(
    correlation: Correlation,
    matches: Matches,
    number: Ints,
    origin: Ints,
    groups: Sequence[tuple[str, ...]],
) -> pa.Array:
    made: list[dict[tuple[str, str], dict[str, str]]] = []
    for group in groups:
        named = [
            entity
            for name, value in zip(correlation.group_by, group, strict=True)
            if (entity := entity_of(name, value)) is not None
        ]
        made.append({(entity["type"], entity["value"].lower()): entity for entity in named})
    if "entities" in matches.table.column_names:
        for row in _base_entities(matches, number, origin).to_pylist():
            here = made[row.pop("number")]
            if len(here) < MAX_ENTITIES:
                here.setdefault((row["type"], row["value"].lower()), row)
    return pa.array([list(entities.values()) for entities in made], pa.list_(ENTITY))


def _base_entities(matches: Matches, number: Ints, origin: Ints) -> pa.Table:
    """The entities the base matches name, by episode, the most frequent first."""
    lists = matches.table["entities"].combine_chunks().take(pa.array(origin))
    parents = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    table = pa.Table.from_struct_array(pc.list_flatten(lists)).append_column(
        "number", pa.array(number[parents])
    )
    table = table.filter(pc.and_(pc.is_valid(table["type"]), pc.is_valid(table["value"])))
    by = ["number", "type", "value", "role"]
    counted = table.group_by(by).aggregate([([], "count_all")])
    keys = [("number", "ascending"), ("count_all", "descending")]
    keys += [(name, "ascending") for name in by[1:]]
    counted = counted.take(pc.sort_indices(counted, sort_keys=keys)).select(by)
    owner = counted["number"].to_numpy()
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    return counted.filter(pa.array(place < MAX_ENTITIES))


def _shapes(matches: Matches, origin: Ints, bounds: Ints) -> pa.Array:
    """The shape of an episode's records where it is one; null where they differ."""
    shapes = matches.table["shape"].combine_chunks().take(pa.array(origin)).dictionary_encode()
    codes = pc.fill_null(shapes.indices, -1).to_numpy(zero_copy_only=False)
    least = np.minimum.reduceat(codes, bounds[:-1])
    one = (least == np.maximum.reduceat(codes, bounds[:-1])) & (least >= 0)
    return shapes.dictionary.take(pa.array(least, mask=~one))


def _struct(table: pa.Table, form: pa.StructType) -> pa.Array:
    names = [form.field(place).name for place in range(form.num_fields)]
    return pa.StructArray.from_arrays(
        [table[name].combine_chunks() for name in names], fields=list(form)
    )


def _lists(bounds: Ints, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), values)

"""Gathers the matches one correlation looks at: by group, in order of time.

A correlation reads rows: matches of base rules, or the episodes of another correlation. A `Stream`
is what one rule gives, a `Pool` the streams of all rules a correlation refers to, sorted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.sigma.correlate.windows import Ints
from labrys.ocsf.schema import ENTITY

MATCHES: Final = pa.schema(
    [
        ("rule", pa.string()),
        ("_id", pa.string()),
        ("_time", pa.int64()),
        ("_source", pa.string()),
        ("_offset", pa.int64()),
        ("_host", pa.string()),
        ("shape", pa.string()),
        ("fields", pa.map_(pa.string(), pa.string())),
        ("entities", pa.list_(ENTITY)),
    ]
)
"""One row for each rule and record it matches; `fields` as `needed_fields` asks, `entities` may
be missing. A field with several values is taken as its joined text."""

LATEST: Final = 1 << 52
"""A time further from 1970 than this, in ms (140,000 years), is no time to reckon with."""

Aliases = Mapping[str, str]
"""For one group-by name: which field it means in the matches of which rule."""


@dataclass(frozen=True)
class Matches:
    """The matches that have a time, rule by rule."""

    table: pa.Table
    ranges: Mapping[str, tuple[int, int]]
    untimed: int

    @classmethod
    def of(cls, table: pa.Table) -> "Matches":
        """Sort out a table of the `MATCHES` form."""
        time = table["_time"]
        sane = pc.and_(pc.greater(time, -LATEST), pc.less(time, LATEST))
        named = pc.and_(table["_id"].is_valid(), table["rule"].is_valid())
        timed = table.filter(pc.and_(pc.fill_null(sane, False), named))
        rules = timed["rule"].combine_chunks().dictionary_encode()
        codes = rules.indices.to_numpy(zero_copy_only=False)
        if np.any(np.diff(codes) < 0):
            order = np.argsort(codes, kind="stable")
            timed, codes = timed.take(pa.array(order)), codes[order]
        bounds = np.searchsorted(codes, np.arange(len(rules.dictionary) + 1)).tolist()
        ranges = {
            uid: (bounds[code], bounds[code + 1])
            for code, uid in enumerate(rules.dictionary.to_pylist())
        }
        return cls(timed.combine_chunks(), ranges, table.num_rows - timed.num_rows)

    @cached_property
    def time(self) -> Ints:
        """Epoch ms of each row."""
        return _int64(self.table["_time"])

    @cached_property
    def offset(self) -> Ints:
        """Offset of each row in its source."""
        return _int64(pc.fill_null(self.table["_offset"], -1))

    @cached_property
    def place(self) -> Ints:
        """Each row's source, as a number from 0."""
        return encode(self.table["_source"], fold=False)

    @cached_property
    def record(self) -> Ints:
        """Each row's record, as a number from 0: equal for rows of one record."""
        return encode(self.table["_id"], fold=False)

    def stream(self, uid: str) -> "Stream":
        """What the rule `uid` matched."""
        start, stop = self.ranges.get(uid, (0, 0))
        fields = self.table["fields"].slice(start, stop - start)

        def values(name: str, aliases: Aliases) -> pa.Array:
            return pc.map_lookup(fields, aliases.get(uid, name), "first")

        return Stream(self.time[start:stop], np.arange(start, stop), None, values)


@dataclass(frozen=True, slots=True)
class Stream:
    """The rows of one rule: when they count, the row of `Matches` each comes from, their values.

    `episode` is None for a base rule; for a correlation it numbers the episode of each row.
    """

    time: Ints
    origin: Ints
    episode: Ints | None
    values: Callable[[str, Aliases], Any]


NOTHING: Final = Stream(
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    lambda _name, _aliases: pa.array([], pa.string()),
)
"""The stream of a correlation that found nothing."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Rows of several streams that have all the values asked for, sorted by group and time.

    `row` is their number in the streams laid end to end, `rule` the number of their stream,
    `origin` their row of `Matches`; `match` is equal for rows of one record or one episode;
    `place` and `offset` say where they were read. `keys` are the group-by values as written,
    `values` the value fields' and `terms` a number for each combination of these. `left_out`
    counts the rows that lack something.
    """

    group: Ints
    time: Ints
    row: Ints
    rule: Ints
    origin: Ints
    match: Ints
    place: Ints
    offset: Ints
    terms: Ints
    keys: tuple[Any, ...]
    values: tuple[Any, ...]
    left_out: int

    def take(self, rows: Ints) -> "Pool":
        """Only the rows at these positions, in their order."""
        index = pa.array(rows)
        return Pool(
            group=self.group[rows],
            time=self.time[rows],
            row=self.row[rows],
            rule=self.rule[rows],
            origin=self.origin[rows],
            match=self.match[rows],
            place=self.place[rows],
            offset=self.offset[rows],
            terms=self.terms[rows],
            keys=tuple(key.take(index) for key in self.keys),
            values=tuple(value.take(index) for value in self.values),
            left_out=self.left_out,
        )


def gather(
    matches: Matches,
    streams: Sequence[Stream],
    group_by: Sequence[str],
    fields: Sequence[str],
    aliases: Mapping[str, Aliases],
) -> Pool:
    """Sort the rows of `streams`; those that lack a group-by value or a field are left out."""
    rule = np.repeat(np.arange(len(streams)), [len(stream.time) for stream in streams])
    time = _joined([stream.time for stream in streams])
    origin = _joined([stream.origin for stream in streams])
    keys = [column(streams, name, aliases) for name in group_by]
    values = [column(streams, name, aliases) for name in fields]
    kept = np.ones(len(time), np.bool_)
    for cells in [*keys, *values]:
        kept &= cells.is_valid().to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(kept)
    group = combine([encode(key.take(pa.array(rows))) for key in keys], len(rows))
    order = _order(matches, group, time[rows], rule[rows], origin[rows])
    rows, group = rows[order], group[order]
    index = pa.array(rows)
    keys = [key.take(index) for key in keys]
    values = [value.take(index) for value in values]
    match, place, offset = _identity(matches, streams, origin)
    return Pool(
        group=group,
        time=time[rows],
        row=rows,
        rule=rule[rows],
        origin=origin[rows],
        match=match[rows],
        place=place[rows],
        offset=offset[rows],
        terms=combine([encode(value) for value in values], len(rows)),
        keys=tuple(keys),
        values=tuple(values),
        left_out=len(kept) - len(rows),
    )


def column(streams: Sequence[Stream], name: str, aliases: Mapping[str, Aliases]) -> Any:
    """The values of one field in all streams laid end to end."""
    parts = [stream.values(name, aliases.get(name, {})) for stream in streams]
    chunks = [
        chunk
        for part in parts
        for chunk in (part.chunks if isinstance(part, pa.ChunkedArray) else [part])
    ]
    return pa.chunked_array(chunks, pa.string()).combine_chunks()


def encode(values: Any, *, fold: bool = True) -> Ints:
    """Text as numbers, equal where the text is; `fold` compares as Sigma does, without case."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    coded = pc.fill_null(values, "").dictionary_encode()
    codes: Ints = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    if not fold:
        return codes
    folded = pc.utf8_lower(coded.dictionary).dictionary_encode()
    lowered: Ints = folded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return lowered[codes]


def combine(columns: Sequence[Ints], rows: int) -> Ints:
    """One number for each combination of the columns' numbers."""
    code = np.zeros(rows, np.int64)
    for column in columns:
        wide = code * (int(column.max(initial=0)) + 1) + column
        code = np.unique(wide, return_inverse=True)[1] if len(columns) > 1 else column
    return code


def _order(matches: Matches, group: Ints, time: Ints, rule: Ints, origin: Ints) -> Ints:
    """Positions by group, time and record, so that the order of the input cannot matter."""
    ids = matches.table["_id"].combine_chunks().take(pa.array(origin))
    table = pa.table({"group": group, "time": time, "id": ids, "rule": rule})
    keys = [(name, "ascending") for name in table.column_names]
    order: Ints = pc.sort_indices(table, sort_keys=keys).to_numpy().astype(np.int64)
    return order


def _identity(matches: Matches, streams: Sequence[Stream], origin: Ints) -> tuple[Ints, Ints, Ints]:
    """What tells matches apart, and the place and offset where each was read."""
    if len(streams) == 1 and streams[0].episode is None:
        # One rule matches a record once, so its rows are its matches: no need to compare ids.
        return origin, matches.place[origin], matches.offset[origin]
    episode = _joined(
        [
            np.full(len(stream.time), -1) if stream.episode is None else stream.episode
            for stream in streams
        ]
    )
    # Episodes get numbers below zero, so that they never meet a record's or a source's.
    base = episode < 0
    match = np.where(base, matches.record[origin], -1 - episode)
    place = np.where(base, matches.place[origin], -1 - episode)
    return match, place, matches.offset[origin]


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _int64(column: Any) -> Ints:
    values: Ints = column.combine_chunks().to_numpy(zero_copy_only=False)
    return values

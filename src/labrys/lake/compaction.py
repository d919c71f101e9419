"""Puts many small segments together, so that a long watch does not leave a million tiny files.

Only segments that the same detectors, in the same versions, have searched go together: what was
found in them is then what was found in the new one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import pyarrow as pa

from labrys.lake.ledger import Found, Segment
from labrys.lake.segment import BIG, MOST_COLUMNS

MOST: Final = 4 * BIG
"""A segment made of small ones has at most so many rows."""


def compaction(
    segments: Sequence[Segment], found: Iterable[Found], least: int
) -> Iterator[list[Segment]]:
    """Which segments should become one; nothing while there are fewer than `least` small ones."""
    searched: dict[int, set[tuple[str, str]]] = {}
    for row in found:
        searched.setdefault(row.segment, set()).add((row.detector, row.digest))
    small = [each for each in segments if each.rows < BIG]
    if len(small) < least:
        return
    groups: dict[frozenset[tuple[str, str]], list[Segment]] = {}
    for each in small:
        groups.setdefault(frozenset(searched.get(each.id, ())), []).append(each)
    for group in groups.values():
        yield from _shared_out(group)


def _shared_out(group: Sequence[Segment]) -> Iterator[list[Segment]]:
    chosen: list[Segment] = []
    rows, names = 0, set[str]()
    for each in group:
        more = {name for place in each.places.values() for name, _ in place.columns}
        if chosen and (rows + each.rows > MOST or len(names | more) > MOST_COLUMNS):
            if len(chosen) > 1:
                yield chosen
            chosen, rows, names = [], 0, set()
        chosen.append(each)
        rows += each.rows
        names |= more
    if len(chosen) > 1:
        yield chosen


def merged(parts: Iterable[Iterable[tuple[str, pa.Table]]]) -> Mapping[str, pa.Table]:
    """The tables of several segments, one for each shape; a column that one lacks is null there."""
    shapes: dict[str, list[pa.Table]] = {}
    for part in parts:
        for shape, table in part:
            shapes.setdefault(shape, []).append(table)
    return {shape: _one(tables) for shape, tables in shapes.items()}


def _one(tables: Sequence[pa.Table]) -> pa.Table:
    """As one table, with dictionaries as the text they stand for: each segment has its own."""
    plain = [
        pa.table(
            [
                column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
                for column in table.columns
            ],
            names=table.column_names,
        )
        for table in tables
    ]
    return pa.concat_tables(plain, promote_options="default").combine_chunks()

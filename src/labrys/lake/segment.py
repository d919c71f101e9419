"""Segments: Parquet files with the rows of one big shape, or of many small ones side by side.

A case of many small logs has hundreds of shapes of a few rows each. A file or a row group for each
would cost more than the rows, so small shapes share a file: their columns' union, rows sorted by
`_shape`, absent columns null. Column names are stored in lower case, since both engines ignore the
case of names; what the source called them is kept beside the segment (`Place.columns`).
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LEADING: Final = pa.schema(
    [
        ("_id", pa.string()),
        ("_time", pa.int64()),
        ("_source", pa.string()),
        ("_offset", pa.int64()),
        ("_host", pa.string()),
    ]
)
SHAPE: Final = "_shape"
_TEXT: Final = pa.string()
_LEADING_TYPES: Final = {field.name: field.type for field in LEADING}
BIG: Final = 16_384
"""A shape with so many rows gets a segment of its own."""
ROW_GROUP: Final = 131_072
MOST_COLUMNS: Final = 4_096
_LARGE_DICTIONARY: Final = 8_192
_WORTH: Final = 1_024
"""A column in fewer rows is written without a dictionary."""
_PLAIN_NAME: Final = re.compile(r"[a-z0-9_.@$#:/ -]{1,100}\Z")
_DELTA: Final = {
    "_id": "DELTA_BYTE_ARRAY",
    "_time": "DELTA_BINARY_PACKED",
    "_offset": "DELTA_BINARY_PACKED",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shape's rows are in a segment, and its source columns: (source's name, stored name)."""

    first: int
    rows: int
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What a new segment file holds."""

    rows: int
    time_min: int | None
    time_max: int | None
    places: Mapping[str, Place]


def plan(tables: Mapping[str, pa.Table]) -> list[dict[str, pa.Table]]:
    """How tables are shared out to segments: big shapes alone, the small ones together."""
    alone = [{shape: table} for shape, table in sorted(tables.items()) if table.num_rows >= BIG]
    shared: list[dict[str, pa.Table]] = []
    rows, names = ROW_GROUP, set[str]()
    for shape, table in sorted(tables.items()):
        if not 0 < table.num_rows < BIG:
            continue
        rows += table.num_rows
        names.update(table.column_names)
        if rows > ROW_GROUP or len(names) > MOST_COLUMNS:
            shared.append({})
            rows, names = table.num_rows, set(table.column_names)
        shared[-1][shape] = table
    return alone + shared


def write(path: Path, tables: Mapping[str, pa.Table]) -> Written:
    """Write one segment so that it is there whole or not at all, even if power fails."""
    order = {shape: tables[shape] for shape in sorted(tables)}
    places, union = _union(order)
    often = [SHAPE, *(name for name, count in _cells(places).items() if count >= _WORTH)]
    draft = path.with_name(f".{path.name}.draft")
    pq.write_table(
        union,
        draft,
        compression="zstd",
        compression_level=1,
        row_group_size=ROW_GROUP,
        use_dictionary=often,
        column_encoding=_DELTA,
        write_statistics=[SHAPE, "_time"],
        store_schema=False,
    )
    publish(draft, path)
    span = pc.min_max(union["_time"])
    return Written(union.num_rows, span["min"].as_py(), span["max"].as_py(), places)


def publish(draft: Path, path: Path) -> None:
    """Make a finished draft appear under its name, durably."""
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(path: Path, place: Place, *, columns: Collection[str] | None = None) -> pa.Table:
    """The rows of one shape under the source's own names; text comes dictionary-encoded."""
    wanted = [(name, kept) for name, kept in place.columns if columns is None or name in columns]
    leading = [name for name in LEADING.names if columns is None or name in columns]
    stored = [*leading, *(kept for _, kept in wanted)]
    with pq.ParquetFile(path, read_dictionary=[name for name in stored if name != "_id"]) as file:
        table = _rows(file, place, stored)
    return table.rename_columns([*leading, *(name for name, _ in wanted)])


def read_all(path: Path, places: Mapping[str, Place]) -> Iterable[tuple[str, pa.Table]]:
    """Every shape of a segment with its rows; a shared segment is read once."""
    if len(places) == 1:
        for shape, place in places.items():
            yield shape, read(path, place)
        return
    with pq.ParquetFile(path) as file:
        union = file.read()
    for shape, place in places.items():
        stored = [*LEADING.names, *(kept for _, kept in place.columns)]
        part = union.select(stored).slice(place.first, place.rows)
        yield shape, part.rename_columns([*LEADING.names, *(name for name, _ in place.columns)])


def _rows(file: pq.ParquetFile, place: Place, stored: Sequence[str]) -> pa.Table:
    """The row groups that hold the place's rows, cut to them."""
    groups, start, at = [], None, 0
    for number in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(number).num_rows
        if at < place.first + place.rows and at + rows > place.first:
            start = at if start is None else start
            groups.append(number)
        at += rows
    table = file.read_row_groups(groups, columns=stored).select(stored)
    return table.slice(place.first - (start or 0), place.rows)


def _union(tables: Mapping[str, pa.Table]) -> tuple[dict[str, Place], pa.Table]:
    """One table of all rows; between a column's own chunks, one shared run of nulls."""
    total = sum(table.num_rows for table in tables.values())
    nulls = pa.nulls(total, _TEXT)
    chunks: dict[str, list[pa.Array]] = {name: [] for name in _LEADING_TYPES}
    filled: dict[str, int] = dict.fromkeys(_LEADING_TYPES, 0)
    places: dict[str, Place] = {}
    at = 0
    for shape, table in tables.items():
        stored = _stored_names(table.column_names)
        own = tuple((name, kept) for name, kept in stored.items() if name not in _LEADING_TYPES)
        places[shape] = Place(at, table.num_rows, own)
        for name, arrays in _arrays(table):
            kept = stored[name]
            have = chunks.setdefault(kept, [])
            if (gap := at - filled.get(kept, 0)) > 0:
                have.append(nulls.slice(0, gap))
            have.extend(arrays)
            filled[kept] = at + table.num_rows
        at += table.num_rows
    for name, have in chunks.items():
        if gap := total - filled[name]:
            have.append(nulls.slice(0, gap))
    columns = {name: pa.chunked_array(_alike(have)) for name, have in chunks.items()}
    leading = {name: columns.pop(name) for name in _LEADING_TYPES}
    return places, pa.table({**leading, SHAPE: _shape_column(places), **columns})


def _arrays(table: pa.Table) -> Iterable[tuple[str, list[pa.Array]]]:
    """Each column as arrays of numbers or text."""
    if table.num_rows < BIG:
        batches = table.to_batches()
        batch = batches[0] if len(batches) == 1 else table.combine_chunks().to_batches()[0]
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            kind = _LEADING_TYPES.get(name, _TEXT)
            if isinstance(array, pa.DictionaryArray):
                array = array.dictionary_decode()  # in a third of the time of a cast
            yield name, [array if array.type == kind else array.cast(kind)]
        return
    for name, column in zip(table.column_names, table.columns, strict=True):
        yield name, _large(column, _LEADING_TYPES.get(name, _TEXT))


def _shape_column(places: Mapping[str, Place]) -> pa.Array:
    return pa.concat_arrays([pa.repeat(shape, place.rows) for shape, place in places.items()])


def _stored_names(names: Sequence[str]) -> dict[str, str]:
    """The stored name of each column: lower case, harmless, and none twice."""
    stored = {name: name for name in _LEADING_TYPES}
    taken = {*_LEADING_TYPES, SHAPE}
    for name in names:
        if name in stored:
            continue
        plain = _plain_name(name)
        if plain in taken:
            plain = f"{plain[:80]}~{_short_hash(name)}"
        stored[name] = plain
        taken.add(plain)
    return stored


@lru_cache(maxsize=16_384)
def _plain_name(name: str) -> str:
    lower = name.lower()
    return lower if _PLAIN_NAME.match(lower) else f"c_{_short_hash(name)}"


def _short_hash(name: str) -> str:
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _large(column: pa.ChunkedArray, kind: pa.DataType) -> list[pa.Array]:
    """The chunks as numbers or text; a small dictionary stays one, a large one only costs."""
    if column.type == kind:
        chunks: list[pa.Array] = column.chunks
        return chunks
    if (
        kind == _TEXT
        and pa.types.is_dictionary(column.type)
        and column.type.value_type == _TEXT
        and all(len(chunk.dictionary) <= _LARGE_DICTIONARY for chunk in column.chunks)
    ):
        return list(column.unify_dictionaries().chunks)
    return list(column.cast(kind).chunks)


def _cells(places: Mapping[str, Place]) -> dict[str, int]:
    """How many rows have each stored column."""
    counts: dict[str, int] = {}
    for place in places.values():
        for _, kept in place.columns:
            counts[kept] = counts.get(kept, 0) + place.rows
    rows = sum(place.rows for place in places.values())
    return {**counts, "_source": rows, "_host": rows}


def _alike(chunks: list[pa.Array]) -> list[pa.Array]:
    kinds = {chunk.type for chunk in chunks}
    if len(kinds) < 2:
        return chunks
    return [chunk if chunk.type == _TEXT else chunk.cast(_TEXT) for chunk in chunks]

"""Turns parsed events into Arrow record batches, one table per shape, in bounded memory.

Every source column is text (`utf8`, as `evidence.values` makes it); a missing field is null.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.values import cell, column, has_separator, json_text

LEADING: Final = pa.schema(
    [
        ("_id", pa.string()),
        ("_time", pa.int64()),
        ("_source", pa.string()),
        ("_offset", pa.int64()),
        ("_host", pa.string()),
    ]
)
UNPARSED: Final = "unparsed"
"""Shape of what could not be read: columns `reason` and `raw` (the first bytes, escaped)."""

Fields = Mapping[str, Any]
Shaped = tuple[str, pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class Source:
    """One file of evidence: where to read it, and what to call it.

    `name` is the path as the user gave it, with `!/inner/path` for each archive opened on the way;
    `digest` the SHA-256 of its content in hex; `modified` its last change in epoch milliseconds
    (a hint for year-less dates only, never trusted as evidence). `loose`: whoever reads it takes few
    records as `Loose`, to make columns of those of many small files at once. `depth` says in how many
    others it lay, `enclosed` whether one of them is no archive (a mail); `inside` takes files that
    its reader finds in it, to be read after it.
    """

    path: Path
    name: str
    digest: str
    size: int
    modified: int | None = None
    loose: bool = False
    depth: int = 0
    enclosed: bool = False
    inside: "Inside | None" = None

    def open(self) -> BinaryIO:
        """The content from its first byte."""
        return self.path.open("rb", buffering=1 << 20)


class Inside(Protocol):
    """Takes files that a reader finds in its source (`evidence.unpack.Enclosed`)."""

    def leave(self, name: str, pieces: Iterable[bytes]) -> None:
        """Keep a file, to be read after the source; never raises for what it holds."""


class Records:
    """Collects events by shape and hands them out as record batches when enough have gathered.

    Rows keep their order inside a shape. `_id` is the content digest and the running number of the
    record in its source, so that reading twice, or reading a copy, gives the same ids. A source
    column called like one of ours is kept with one more underscore in front. What hostile evidence
    can multiply is bounded: past `MOST_SHAPES` shapes in a source the rest is `<first part>.other`,
    past `MOST_COLUMNS` columns in a batch the rest is JSON text in the column `other_fields`.

    `fixed` names the columns whose values a reader gives by place instead of by name: what every
    record of a format has costs half as much that way.
    """

    def __init__(
        self,
        source: Source,
        *,
        rows: int = 20_000,
        size: int = 32 << 20,
        fixed: tuple[str, ...] = (),
    ) -> None:
        self._source = source
        self._fixed = fixed
        self._max_rows, self._max_size = rows, size
        self._prefix = source.digest[:20] + "-"
        self._count = 0
        self._pending = 0
        self._size = 0
        self._seen: set[str] = set()
        self._rows: dict[str, list[_Row]] = {}
        self._packed: dict[str, list[_Columns]] = {}
        self._names: dict[str, dict[str, None]] = {}

    def add(
        self,
        shape: str,
        fields: Fields,
        *,
        time: int | None,
        offset: int,
        host: str | None = None,
        size: int = 400,
        fixed: Sequence[Any] | None = None,
    ) -> None:
        """Keep one event: its source's own field names and values (text, numbers, lists, null).

        `time` in epoch milliseconds UTC, `offset` in the format's unit, `size` about its bytes,
        `fixed` the values of the fixed columns, which are then not in `fields`.
        Nested mappings must be flattened first (`flatten`). `fields` must not change afterwards.
        """
        try:
            rows = self._rows[shape]
        except KeyError:
            shape, rows = self._begin(shape)
        rows.append((self._count, time, offset, host, fields, fixed))
        self._count += 1
        self._pending += 1
        self._size += size
        if len(rows) >= _PACK:
            self._pack(shape, rows)
            rows.clear()

    def add_columns(
        self, shape: str, columns: Mapping[str, pa.Array], *, times: pa.Array, offsets: Any
    ) -> None:
        """Keep many events that are columns already: text, each as long as `times`, without hosts.

        The values are kept as they are, so `MULTI` must separate nothing but values of a list.
        """
        try:
            rows = self._rows[shape]
        except KeyError:
            shape, rows = self._begin(shape)
        if rows:
            self._pack(shape, rows)
            rows.clear()
        count = len(times)
        numbers = pc.cast(
            pa.array(range(self._count, self._count + count), pa.int64()), pa.string()
        )
        packed: _Columns = {
            "_id": pc.binary_join_element_wise(pa.scalar(self._prefix, pa.string()), numbers, ""),
            "_time": times,
            "_source": pa.repeat(pa.scalar(self._source.name, pa.string()), count),
            "_offset": pa.array(offsets, pa.int64()),
            "_host": pa.nulls(count, pa.string()),
            **{f"_{name}" if name in _RESERVED else name: one for name, one in columns.items()},
        }
        self._names.setdefault(shape, {}).update(dict.fromkeys(columns))
        self._packed.setdefault(shape, []).append(packed)
        self._count += count
        self._pending += count
        self._size += sum(column.nbytes for column in packed.values())

    def unparsed(self, offset: int, reason: str, raw: bytes | str = b"") -> None:
        """Keep what could not be understood, so that it is counted and searchable, never lost."""
        text = raw if isinstance(raw, str) else raw[:4096].decode("utf-8", "backslashreplace")
        self.add(UNPARSED, {"reason": reason, "raw": text[:4096]}, time=None, offset=offset)

    @property
    def next_id(self) -> str:
        """The `_id` that the next event will get, for events that refer to one another."""
        return f"{self._prefix}{self._count}"

    @property
    def inside(self) -> Inside | None:
        """Where files go that are found in the source; None where nobody reads them."""
        return self._source.inside

    @property
    def full(self) -> bool:
        """Whether the caller should `drain` now."""
        return self._pending >= self._max_rows or self._size >= self._max_size

    def drain(self) -> Iterator[Shaped]:
        """The events kept so far, as one record batch per shape; afterwards nothing is kept.

        Of a source that is `loose` the few rows of a shape come as `Loose`.
        """
        shapes, self._rows = self._rows, {}
        if self._source.loose and not self._packed:
            share = self._size // max(self._pending, 1)
            for shape in [shape for shape in shapes if shape != UNPARSED]:
                if rows := shapes.pop(shape):
                    yield (
                        shape,
                        Loose(
                            self._source.name, self._prefix, rows, self._fixed, share * len(rows)
                        ),
                    )
        for shape, rows in shapes.items():
            if rows:
                self._pack(shape, rows)
        packed, self._packed, self._names = self._packed, {}, {}
        self._pending = self._size = 0
        for shape in shapes:
            columns = _joined(packed.pop(shape))
            yield shape, pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    def _begin(self, shape: str) -> "tuple[str, list[_Row]]":
        """The rows of a shape that has none yet."""
        if shape not in self._seen:
            if len(self._seen) >= MOST_SHAPES:
                shape = f"{shape.partition('.')[0]}.other"
            self._seen.add(shape)
        return shape, self._rows.setdefault(shape, [])

    def _pack(self, shape: str, rows: "list[_Row]") -> None:
        """Turn rows into columns: soon after they were read, while their values are at hand."""
        part = Loose(self._source.name, self._prefix, rows, self._fixed)
        names = self._names.setdefault(shape, {})
        self._packed.setdefault(shape, []).append(_packed([part], names))


@dataclass(frozen=True, slots=True)
class Loose:
    """A few records of one shape of one source that are not columns yet; `size` about their bytes."""

    source: str
    prefix: str
    rows: "list[_Row]"
    fixed: tuple[str, ...] = ()
    size: int = 0

    @property
    def num_rows(self) -> int:
        """How many records."""
        return len(self.rows)


def together(parts: Sequence[Loose]) -> pa.RecordBatch:
    """Records of one shape from several sources as one batch."""
    columns = _packed(parts, {})
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _packed(parts: Sequence[Loose], names: dict[str, None]) -> "_Columns":
    """The columns of records of one shape; `names` are those that its batch has so far."""
    rows = parts[0].rows if len(parts) == 1 else list(chain.from_iterable(p.rows for p in parts))
    numbers, times, offsets, hosts, fields, fixed = zip(*rows, strict=True)
    if len(parts) == 1:
        prefix = parts[0].prefix
        ids = [f"{prefix}{number}" for number in numbers]
        sources = [parts[0].source] * len(rows)
    else:
        ids = [f"{part.prefix}{row[0]}" for part in parts for row in part.rows]
        sources = [part.source for part in parts for _ in part.rows]
    texts: dict[str, Sequence[str | None]] = {"_id": ids, "_source": sources, "_host": hosts}
    packed: _Columns = {
        "_id": _ABSENT,
        "_time": pa.array([_int64(value) for value in times], pa.int64()),
        "_source": _ABSENT,
        "_offset": pa.array(offsets, pa.int64()),
        "_host": _ABSENT,
    }
    values: dict[str, Sequence[Any]] = {}
    layouts = {part.fixed for part in parts}
    if len(layouts) == 1 and None not in fixed:
        values = dict(zip(parts[0].fixed, zip(*fixed, strict=True), strict=True))
    elif any(layouts):  # some records give all of theirs by name
        by_place = chain.from_iterable(repeat(part.fixed, len(part.rows)) for part in parts)
        fields = tuple(map(_by_name, by_place, fields, fixed))
    packed.update(_columns(fields, names, texts, values))
    return packed


def _by_name(names: tuple[str, ...], fields: Fields, fixed: Sequence[Any] | None) -> Fields:
    return fields if fixed is None else {**dict(zip(names, fixed, strict=True)), **fields}


MOST_SHAPES: Final = 4096
MOST_COLUMNS: Final = 1024
_Row = tuple[int, int | None, int, str | None, Fields, Sequence[Any] | None]
_Columns = dict[str, pa.Array]
_PACK: Final = 128
_REST: Final = "other_fields"
_ABSENT: Final = pa.nulls(0, pa.string())
_RESERVED: Final = frozenset([*LEADING.names, "_shape"])
_INT64: Final = (1 << 63) - 1
_TEXT: Final = frozenset([str, type(None)])
_INTS: Final = frozenset([int])
_NOTHING: Final = frozenset([type(None)])


def _int64(value: int | None) -> int | None:
    return value if value is None or -_INT64 <= value <= _INT64 else None


def _columns(
    fields: Sequence[Fields],
    known: dict[str, None],
    plain: dict[str, Sequence[str | None]],
    fixed: dict[str, Sequence[Any]],
) -> _Columns:
    """The rows' fields, and columns that are there already, as arrays by name.

    `known` are the names that the batch has so far, `plain` columns of nothing but text, `fixed`
    columns of anything, left out where they hold nothing.
    The columns of text become one array, end to end, of which each is a slice: that costs a third
    of making them one by one.
    """
    layouts = dict.fromkeys(map(tuple, fields))
    names = tuple(dict.fromkeys(chain.from_iterable(layouts)))
    if len(known) + len(names) > MOST_COLUMNS:
        keep = set(list(dict.fromkeys([*known, *names]))[:MOST_COLUMNS])
        if not keep.issuperset(names):
            fields = [_folded(row, keep - {_REST}) for row in fields]
            layouts = dict.fromkeys(map(tuple, fields))
            names = tuple(dict.fromkeys(chain.from_iterable(layouts)))
    known.update(dict.fromkeys(names))
    values: Iterable[Sequence[Any]]
    if len(layouts) == 1:
        values = zip(*[row.values() for row in fields], strict=True) if names else ()
    else:
        # By row, not by name: of the many columns that events of mixed kinds have, each has few.
        by_name: dict[str, list[Any]] = {name: [None] * len(fields) for name in names}
        for at, row in enumerate(fields):
            for name, value in row.items():
                by_name[name][at] = value
        values = list(by_name.values())
    made: _Columns = {}
    texts: dict[str, Sequence[str | None]] = {}
    for name, cells in chain(fixed.items(), zip(names, values, strict=True)):
        if name in _RESERVED:
            name = f"_{name}"
        types = set(map(type, cells))
        if types == _NOTHING and name in fixed:
            continue
        if types <= _TEXT:
            plain[name] = cells
        elif types == _INTS:
            same = cells.count(cells[0]) == len(cells)
            plain[name] = [str(cells[0])] * len(cells) if same else list(map(str, cells))
        else:
            texts[name] = [None if value is None else cell(value) for value in cells]
        made[name] = _ABSENT  # keeps its place
    return made | _slices(plain) | _sliced(_end_to_end(texts), texts)


def _folded(row: Fields, keep: set[str]) -> Fields:
    """The row with every field that is not kept as a column folded into one."""
    more = {name: cell(value) for name, value in row.items() if name not in keep}
    kept = {name: value for name, value in row.items() if name in keep}
    return {**kept, _REST: json_text(more)} if more else kept


def _slices(plain: dict[str, Sequence[str | None]]) -> _Columns:
    """Columns of text as slices of one array, or one by one where a value needs a closer look."""
    try:
        whole = _end_to_end(plain)
    except (pa.ArrowException, UnicodeEncodeError):
        return {name: column(cells) for name, cells in plain.items()}
    if not isinstance(whole, pa.Array) or has_separator(whole):
        return {name: column(cells) for name, cells in plain.items()}
    return _sliced(whole, plain)


def _end_to_end(columns: Mapping[str, Sequence[str | None]]) -> pa.Array | pa.ChunkedArray:
    return pa.array(list(chain.from_iterable(columns.values())), pa.string())


def _sliced(whole: pa.Array | pa.ChunkedArray, names: Mapping[str, Sequence[Any]]) -> _Columns:
    """The columns that stand in one array, end to end."""
    length = len(whole) // max(len(names), 1)
    made = {name: whole.slice(at * length, length) for at, name in enumerate(names)}
    if isinstance(whole, pa.ChunkedArray):  # more than 2 GiB of text
        return {name: pa.concat_arrays(one.chunks) for name, one in made.items()}
    return made


def _joined(parts: list[_Columns]) -> _Columns:
    """Packed columns one below the other, with nulls where a part lacks a column."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(chain.from_iterable(parts))
    lengths = [len(part["_id"]) for part in parts]
    return {
        name: pa.concat_arrays(
            [
                part[name] if name in part else pa.nulls(length, pa.string())
                for part, length in zip(parts, lengths, strict=True)
            ]
        )
        for name in names
    }

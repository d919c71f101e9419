"""Turns parsed events into Arrow record batches, one table per shape, in bounded memory.

Every source column is text (`utf8`); a missing field is null. A field with several values holds
them joined by `MULTI` (U+001E, the ASCII record separator); a raw U+001E inside a value becomes
its visible picture U+241E, so the separator can never be forged by evidence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson
import pyarrow as pa

MULTI: Final = "\x1e"
MULTI_PICTURE: Final = "\u241e"
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
    (a hint for year-less dates only, never trusted as evidence).
    """

    path: Path
    name: str
    digest: str
    size: int
    modified: int | None = None

    def open(self) -> BinaryIO:
        """The content from its first byte."""
        return self.path.open("rb", buffering=1 << 20)


class Records:
    """Collects events by shape and hands them out as record batches when enough have gathered.

    Rows keep their order inside a shape. `_id` is the content digest and the running number of the
    record in its source, so that reading twice, or reading a copy, gives the same ids.
    """

    def __init__(self, source: Source, *, rows: int = 20_000, size: int = 32 << 20) -> None:
        self._source = source
        self._max_rows, self._max_size = rows, size
        self._prefix = source.digest[:20] + "-"
        self._count = 0
        self._pending = 0
        self._size = 0
        self._shapes: dict[str, list[tuple[int, int | None, int, str | None, Fields]]] = {}

    def add(
        self,
        shape: str,
        fields: Fields,
        *,
        time: int | None,
        offset: int,
        host: str | None = None,
        size: int = 400,
    ) -> None:
        """Keep one event: its source's own field names and values (text, numbers, lists, null).

        `time` in epoch milliseconds UTC, `offset` in the format's unit, `size` about its bytes.
        Nested mappings must be flattened first (`flatten`).
        """
        row = (self._count, time, offset, host, fields)
        try:
            self._shapes[shape].append(row)
        except KeyError:
            self._shapes[shape] = [row]
        self._count += 1
        self._pending += 1
        self._size += size

    def unparsed(self, offset: int, reason: str, raw: bytes | str = b"") -> None:
        """Keep what could not be understood, so that it is counted and searchable, never lost."""
        text = raw if isinstance(raw, str) else raw[:4096].decode("utf-8", "backslashreplace")
        self.add(UNPARSED, {"reason": reason, "raw": text[:4096]}, time=None, offset=offset)

    @property
    def full(self) -> bool:
        """Whether the caller should `drain` now."""
        return self._pending >= self._max_rows or self._size >= self._max_size

    def drain(self) -> Iterator[Shaped]:
        """The events kept so far, as one record batch per shape; afterwards nothing is kept."""
        shapes, self._shapes = self._shapes, {}
        self._pending = self._size = 0
        for shape, rows in shapes.items():
            yield shape, self._batch(rows)

    def _batch(self, rows: list[tuple[int, int | None, int, str | None, Fields]]) -> pa.RecordBatch:
        numbers, times, offsets, hosts, fields = zip(*rows, strict=True)
        names = dict.fromkeys(name for row in fields for name in row if name not in _RESERVED)
        prefix = self._prefix
        columns: list[pa.Array] = [
            pa.array([f"{prefix}{number}" for number in numbers], pa.string()),
            pa.array([_int64(value) for value in times], pa.int64()),
            pa.repeat(pa.scalar(self._source.name, pa.string()), len(rows)),
            pa.array(offsets, pa.int64()),
            column(hosts),
        ]
        columns.extend(column([row.get(name) for row in fields]) for name in names)
        return pa.RecordBatch.from_arrays(columns, names=[*LEADING.names, *names])


_RESERVED: Final = frozenset([*LEADING.names, "_shape"])
_INT64: Final = (1 << 63) - 1


def _int64(value: int | None) -> int | None:
    return value if value is None or -_INT64 <= value <= _INT64 else None


def column(values: "list[Any] | tuple[Any, ...]") -> pa.Array:
    """Values of one field as a `utf8` array: numbers as the source wrote them, lists joined."""
    try:
        made = pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid, UnicodeEncodeError):
        return pa.array([cell(value) for value in values], pa.string())
    data = made.buffers()[2]
    if data is not None and b"\x1e" in memoryview(data).tobytes():
        return pa.array([cell(value) for value in values], pa.string())
    return made


def cell(value: Any) -> str | None:
    """One value as the text a column holds; a list becomes its elements joined by `MULTI`."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        parts = [part for item in value if (part := cell(item)) is not None]
        return MULTI.join(parts) if parts else None
    return scalar(value)


def scalar(value: Any) -> str:
    """One scalar as text: booleans and numbers as JSON writes them, no lone surrogates."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
    elif isinstance(value, Mapping):
        text = orjson.dumps(value, default=str).decode()
    else:
        text = str(value)
    if MULTI in text:
        text = text.replace(MULTI, MULTI_PICTURE)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def flatten(value: Mapping[str, Any], *, depth: int = 12) -> dict[str, Any]:
    """A nested object as one level with dotted names, `{"a": {"b": 1}}` → `{"a.b": 1}`.

    A list of scalars stays a list; a list of objects gives, for each name in it, the list of that
    name's values. Below `depth` levels the rest is kept as JSON text, so hostile nesting is cheap.
    """
    flat: dict[str, Any] = {}
    _flatten_into(flat, "", value, depth)
    return flat


def _flatten_into(flat: dict[str, Any], prefix: str, value: Mapping[str, Any], depth: int) -> None:
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping):
            if depth <= 0 or not item:
                _append(flat, name, orjson.dumps(item, default=str).decode() if item else None)
            else:
                _flatten_into(flat, name + ".", item, depth - 1)
        elif isinstance(item, list):
            _flatten_list(flat, name, item, depth)
        else:
            _append(flat, name, item)


def _flatten_list(flat: dict[str, Any], name: str, items: list[Any], depth: int) -> None:
    plain: list[Any] = []
    for item in items:
        if isinstance(item, Mapping) and depth > 0:
            _flatten_into(flat, name + ".", item, depth - 1)
        elif isinstance(item, list):
            plain.append(orjson.dumps(item, default=str).decode())
        else:
            plain.append(item)
    if plain or not items:
        _append(flat, name, plain)


def _append(flat: dict[str, Any], name: str, value: Any) -> None:
    """Set a name, or, when a list of objects repeats it, collect its values."""
    if name not in flat:
        flat[name] = value
        return
    if value is None or value == []:
        return
    have = flat[name]
    merged = have if isinstance(have, list) else [] if have is None else [have]
    merged.extend(value if isinstance(value, list) else [value])
    flat[name] = merged

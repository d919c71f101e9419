"""Reads Zeek's tab-separated logs a block at a time, without a loop over rows."""

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence import delimited
from labrys.evidence.delimited import Batches, Offsets, Parsed
from labrys.evidence.ndjson.rows import shape_of
from labrys.evidence.records import Shaped, Source
from labrys.evidence.timestamps import EARLIEST, LATEST, ROUNDING, parse
from labrys.evidence.values import MULTI, MULTI_PICTURE
from labrys.evidence.zeek import paths
from labrys.evidence.zeek.header import Header

_HASH: Final = 0x23
_FREE_HEADERS: Final = 1_000
_BYTES_PER_HEADER: Final = 256  # any real header and its row have more: only an attack is denied
_HEX: Final = re.compile(rb"((?:\\x[0-9a-fA-F]{2})+)|(\\\\)")
_ODD_BACKSLASHES: Final = re.compile(r"(?<!\\)(?:\\\\)*\\(?![\\x])")


def read(source: Source) -> Iterator[Shaped]:
    """The rows of a log, or of several one after the other; `_offset` in bytes."""
    reader = _Reader(source)
    with source.open() as stream:
        for offset, block in delimited.blocks(stream):
            yield from reader.block(offset, block)


class _Reader:
    """Knows the header in force, and the rows that wait under it."""

    def __init__(self, source: Source) -> None:
        self._batches = Batches(source)
        self._name = source.name
        self._header = Header()
        self._headers = 0
        self._denied = False
        self._rows: list[bytes] = []
        self._starts: list[Offsets] = []

    def block(self, offset: int, block: bytes) -> Iterator[Shaped]:
        """The rows of some whole lines."""
        starts = delimited.line_starts(block)
        if offset == 0 and block.startswith(b"\xef\xbb\xbf"):
            starts[0] = 3
        begins = np.append(starts, len(block))
        comments = np.flatnonzero(np.frombuffer(block, np.uint8)[starts] == _HASH)
        row = 0
        for comment in comments.tolist():
            self._wait(block, begins[row : comment + 1], offset)
            header = self._header.after(block[begins[comment] : begins[comment + 1]])
            if header != self._header:
                if not self._denied:
                    yield from self._flush()
                self._denied = self._headers >= _FREE_HEADERS + offset // _BYTES_PER_HEADER
                self._header = header
            row = comment + 1
        self._wait(block, begins[row:], offset)
        yield from self._flush()
        self._denied = False

    def _wait(self, block: bytes, begins: Offsets, offset: int) -> None:
        """Keep the rows that begin there, all but the last place, until a flush."""
        if len(begins) > 1:
            self._rows.append(block[begins[0] : begins[-1]])
            self._starts.append(begins[:-1] + offset)

    def _flush(self) -> Iterator[Shaped]:
        """The rows that waited, under the header in force."""
        if not self._rows:
            return
        body, starts = b"".join(self._rows), np.concatenate(self._starts)
        self._rows, self._starts = [], []
        first = self._batches.take(len(starts))
        header = self._header
        self._headers += 1
        if not header.usable or self._denied:
            reason = "no usable #fields line before this row"
            yield from self._unparsed(body, range(len(starts)), starts, first, reason)
            return
        parsed = _parse(body, len(starts), header)
        if len(parsed.rows):
            path = header.path or paths.of_fields(header.fields) or paths.of_name(self._name)
            yield shape_of("zeek", path), self._batch(parsed, starts, first, body)
        reason = f"not the {len(header.fields)} fields that #fields names"
        yield from self._unparsed(body, parsed.bad, starts, first, reason)

    def _batch(self, parsed: Parsed, starts: Offsets, first: int, body: bytes) -> pa.RecordBatch:
        header = self._header
        empties, escapes = header.empty.encode() in body, b"\\" in body or b"\r" in body
        columns = []
        for number, column in enumerate(parsed.columns):
            if empties:
                emptied = None if header.is_list(number) else ""
                is_empty = pc.equal(column, header.empty)
                column = pc.if_else(is_empty, pa.scalar(emptied, pa.string()), column)
            if header.is_list(number):
                column = _listed(column, header)
            columns.append(_unescaped(column) if escapes else column)
        when = header.time_field
        count = len(parsed.rows)
        times = pa.nulls(count, pa.int64()) if when is None else seconds(parsed.columns[when])
        names = delimited.column_names(header.fields)
        return self._batches.batch(
            parsed.rows + first, times, starts[parsed.rows], names=names, columns=columns
        )

    def _unparsed(
        self, body: bytes, rows: "range | list[int]", starts: Offsets, first: int, reason: str
    ) -> Iterator[Shaped]:
        begins = delimited.line_starts(body)
        rows_of_bad = []
        for row in rows:
            line = body[begins[row] : begins[row] + delimited.RAW].partition(b"\n")[0]
            if line.strip():
                rows_of_bad.append((first + row, int(starts[row]), reason, line))
        yield from self._batches.unparsed(rows_of_bad)


def _parse(body: bytes, lines: int, header: Header) -> Parsed:
    """The cells of all rows; rows with more or fewer than the header names are `bad`."""
    width, separator = len(header.fields), header.separator
    made = delimited.parse(body, lines, width, separator, header.unset)
    if made is not None:
        return made
    between = separator.encode()
    good: list[bytes] = []
    rows: list[int] = []
    bad: list[int] = []
    for row, line in enumerate(body.split(b"\n")[:lines]):
        line = line.removesuffix(b"\r")
        if line and line.count(between) == width - 1:
            good.append(delimited.escaped(line))
            rows.append(row)
        else:
            bad.append(row)
    again = delimited.parse(b"\n".join(good), len(good), width, separator, header.unset)
    if not good or again is None or again.bad:
        empty = [pa.array([], pa.string())] * width
        return Parsed(empty, np.zeros(0, np.int64), list(range(lines)))
    return Parsed(again.columns, np.array(rows, np.int64), bad)


def _listed(column: pa.Array, header: Header) -> pa.Array:
    """Lists joined by `MULTI`, their unset elements left out."""
    if header.set_separator:
        column = pc.replace_substring(column, header.set_separator, MULTI)
    if not pc.any(pc.match_substring(column, f"{MULTI}{header.unset}")).as_py():
        return column
    kept = [
        value and (MULTI.join(part for part in value.split(MULTI) if part != header.unset) or None)
        for value in column.to_pylist()
    ]
    return pa.array(kept, pa.string())


def _unescaped(column: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring(column, "\\")).as_py():
        return column
    distinct = column.dictionary_encode()
    plain = [unescape(value) for value in distinct.dictionary.to_pylist()]
    return pa.array(plain, pa.string()).take(distinct.indices)


def unescape(text: str | None) -> str | None:
    r"""A value as it was before Zeek wrote it: `\xNN` is a byte, and `\\` a backslash.

    Old versions wrote a backslash as it is; so where some stand alone, none is taken for two.
    """
    if text is None or "\\" not in text:
        return text
    doubled = _ODD_BACKSLASHES.search(text) is None

    def plain(found: "re.Match[bytes]") -> bytes:
        if found[2]:
            return b"\\" if doubled else found[2]
        raw = bytes.fromhex(found[1].replace(b"\\x", b"").decode())
        return raw.replace(MULTI.encode(), MULTI_PICTURE.encode())

    return _HEX.sub(plain, text.encode()).decode("utf-8", "backslashreplace")


def seconds(column: pa.Array) -> pa.Array:
    """Epoch seconds with a fraction as epoch milliseconds; null where it is no time."""
    try:
        numbers = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return pa.array([_milliseconds(value) for value in column.to_pylist()], pa.int64())
    with np.errstate(invalid="ignore"):
        thousandths = np.floor(numbers * 1000 + ROUNDING)
        known = (thousandths > 0) & (thousandths >= EARLIEST) & (thousandths < LATEST)
    return pa.array(np.where(known, thousandths, 0).astype(np.int64), mask=~known)


def _milliseconds(text: str | None) -> int | None:
    try:
        (made,) = seconds(pa.array([float(text or "nan")])).to_pylist()
    except ValueError:
        made = parse(text)
    return None if made is None else int(made)

"""Reads delimited tables of any kind: commas, semicolons, tabs or bars (RFC 4180)."""

import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence import delimited
from labrys.evidence.csv_table import dialect as dialects
from labrys.evidence.csv_table.dialect import Dialect
from labrys.evidence.csv_table.rows import Cutter, Numbered, by_width, columns, text_lines
from labrys.evidence.delimited import Batches, Offsets
from labrys.evidence.records import Shaped, Source
from labrys.evidence.timestamps import EARLIEST, LATEST, columns_of_time, of_record, parse

SHAPE: Final = "csv.record"
_BLOCK: Final = 4 << 20
_QUOTE: Final = 0x22
_ANYTHING: Final = Dialect(",", header=False, names=("column_1",))


def sniff(head: bytes, name: str) -> float:
    """Whether it is a table; anything that knows its columns knows better."""
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"<", b"[")):
        return 0.0
    found = dialects.detect(head)
    return 0.0 if found is None else 0.15 if found.header else 0.1


def read(source: Source) -> Iterator[Shaped]:
    """Each row of `csv.record` under the header's names, or `column_1` and so on without one.

    Cells beyond the header come under `column_<number>`. `_offset` in bytes.
    """
    with source.open() as stream:
        head = stream.read(dialects.PEEK)
        stream.seek(0)
        encoding = dialects.utf16(head)
        skipped = dialects.skip(head) if encoding is None else 0
        if encoding is not None:
            stream.seek(2)
            stream = io.BufferedReader(_Utf8(stream, encoding))  # type: ignore[type-var]
            skipped = dialects.skip(stream.peek(dialects.PEEK)[: dialects.PEEK])
        stream.read(skipped)
        start = skipped if encoding is None else 2 + 2 * skipped
        table = _Table(source, dialects.detect(head) or _ANYTHING, start, encoding is not None)
        yield from table.read(stream)


class _Utf8(io.RawIOBase):
    """UTF-16 text as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        import codecs

        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, into: bytearray) -> int:  # type: ignore[override]
        """Fill `into` as far as there is text."""
        while not self._ready:
            raw = self._stream.read(1 << 20)
            self._ready = self._decoder.decode(raw, final=not raw).encode()
            if not raw:
                break
        data, self._ready = self._ready[: len(into)], self._ready[len(into) :]
        into[: len(data)] = data
        return len(data)


class _Table:
    """One table being read."""

    def __init__(self, source: Source, dialect: Dialect, start: int, wide: bool) -> None:
        self._batches = Batches(source)
        self._near = source.modified
        self._dialect = dialect
        self._names = delimited.column_names(dialect.names)
        self._cutter = Cutter(dialect.delimiter)
        self._header_due = dialect.header
        self._at = start
        self._wide = wide
        self._rest = b""

    def read(self, stream: BinaryIO) -> Iterator[Shaped]:
        """Its rows, a block of lines at a time."""
        waiting, start = b"", self._at
        for offset, block in delimited.blocks(stream, _BLOCK):
            if waiting:
                yield from self._block(waiting, last=False)
            if not self._wide:  # else it has been counted
                self._at = start + offset - len(self._rest)
            waiting, self._rest = self._rest + block, b""
        if waiting:
            yield from self._block(waiting, last=True)

    def _block(self, block: bytes, *, last: bool) -> Iterator[Shaped]:
        """The rows of some lines; what is unfinished becomes the `_rest`."""
        first_line = block[: block.find(b"\n") + 1]
        if self._header_due and first_line.strip() and first_line.count(b'"') % 2 == 0:
            self._at += self._length(first_line)
            block = block[len(first_line) :]
            self._header_due = False
        if not block:
            return
        starts = delimited.line_starts(block)
        offsets = self._offsets(block, starts)
        self._at += self._length(block)
        if not self._header_due and (batch := self._simple(block, starts, offsets)) is not None:
            yield SHAPE, batch
            return
        lines = text_lines(block)
        rows, end = self._cutter.rows(lines, last=last)
        if end < len(lines):
            self._rest = block[int(starts[end]) :]
            self._at = int(offsets[end])
        if self._header_due and rows:
            self._header_due = False
            rows = rows[1:]
        first = self._batches.take(len(rows))
        numbered = [(first + number, *row) for number, row in enumerate(rows)]
        for same in by_width(numbered, len(self._names)):
            yield SHAPE, self._batch(same, offsets)

    def _length(self, text: bytes) -> int:
        """How many bytes of the source a piece of text is."""
        return int(_in_utf16(text).sum()) if self._wide else len(text)

    def _offsets(self, block: bytes, starts: Offsets) -> Offsets:
        """Where in the source the lines of a block begin."""
        if not self._wide:
            return starts + self._at
        before = np.concatenate((np.zeros(1, np.int64), np.cumsum(_in_utf16(block))))
        return before[starts] + self._at

    def _simple(self, block: bytes, starts: Offsets, offsets: Offsets) -> pa.RecordBatch | None:
        """The rows of a block without line breaks in cells, each as wide as the header."""
        if not _is_utf8(block):
            return None
        data = np.frombuffer(block, np.uint8)
        quoted = b'"' in block
        if quoted and (np.add.reduceat(data == _QUOTE, starts, dtype=np.int64) & 1).any():
            return None
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        parsed = delimited.parse(
            block, len(starts), len(self._names), self._dialect.delimiter, "", quoted=quoted
        )
        if parsed is None or parsed.bad:
            return None
        numbers = parsed.rows + self._batches.take(len(parsed.rows))
        return self._made(numbers, offsets, self._names, parsed.columns)

    def _batch(self, rows: Sequence[Numbered], offsets: Offsets) -> pa.RecordBatch:
        made = columns(rows, len(self._names))
        extra = [f"column_{number + 1}" for number in range(len(self._names), len(made))]
        names = delimited.column_names([*self._names, *extra])
        numbers = np.array([number for number, _, _ in rows], np.int64)
        places = offsets[np.array([line for _, line, _ in rows], np.int64)]
        return self._made(numbers, places, names, made)

    def _made(
        self, numbers: Offsets, offsets: Offsets, names: Sequence[str], made: Sequence[pa.Array]
    ) -> pa.RecordBatch:
        when = times(names, made, self._near, named=self._dialect.header)
        return self._batches.batch(numbers, when, offsets, names=names, columns=made)


def _is_utf8(block: bytes) -> bool:
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False


def _in_utf16(text: bytes) -> Offsets:
    """For each byte of UTF-8, how many bytes of UTF-16 the character is that begins with it."""
    data = np.frombuffer(text, np.uint8)
    lengths: Offsets = (((data & 0xC0) != 0x80) * 2 + (data >= 0xF0) * 2).astype(np.int64)
    return lengths


def times(
    names: Sequence[str], made: Sequence[pa.Array], near: int | None, *, named: bool = True
) -> pa.Array:
    """The time of every row, as `timestamps.of_record` finds it, by columns where that is clear.

    Columns that are not `named` are told by what is in them.
    """
    found = columns_of_time(tuple(names)) if named else _like_times(names, made, near)
    place = {name: number for number, name in enumerate(names)}
    count = len(made[0]) if made else 0
    if not found or not count:
        return pa.nulls(count, pa.int64())
    first = {name: made[place[name]][0].as_py() for name in found}
    if named and of_record(first, near=near) != parse(first[found[0]], near=near):
        picked = [made[place[name]].to_pylist() for name in found]
        rows = (dict(zip(found, values, strict=True)) for values in zip(*picked, strict=True))
        return pa.array([of_record(row, near=near) for row in rows], pa.int64())
    whole = pa.nulls(count, pa.int64())
    for name in found:
        whole = pc.coalesce(whole, _column_times(made[place[name]], near))
        if not whole.null_count:
            break
    return whole


def _like_times(
    names: Sequence[str], made: Sequence[pa.Array], near: int | None
) -> tuple[str, ...]:
    for name, column in zip(names[:10], made, strict=False):
        first = column[:5].drop_null().to_pylist()
        if first and all(len(text) > 9 and parse(text, near=near) is not None for text in first):
            return (name,)
    return ()


def _column_times(column: pa.Array, near: int | None) -> pa.Array:
    for zone in (None, "UTC"):
        try:
            exact = pc.cast(column, pa.timestamp("ns", zone))
        except pa.ArrowInvalid:
            continue
        nanoseconds = pc.cast(exact, pa.int64()).fill_null(0).to_numpy()
        thousandths = nanoseconds // 1_000_000
        known = (thousandths >= EARLIEST) & (thousandths < LATEST)
        return pa.array(thousandths, mask=~known | column.is_null().to_numpy(zero_copy_only=False))
    distinct = column.dictionary_encode()
    read = [parse(value, near=near) for value in distinct.dictionary.to_pylist()]
    return pa.array(read, pa.int64()).take(distinct.indices)

"""Turns blocks of delimited lines (Zeek's TSV, plain CSV) into record batches without a row loop.

Batches look exactly as `records.Records` makes them: the same leading columns, every field text,
a missing one null, `MULTI` never forged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from labrys.evidence.records import LEADING, UNPARSED, Shaped, Source
from labrys.evidence.values import MULTI, MULTI_PICTURE

BLOCK: Final = 8 << 20
MAX_LINE: Final = 16 << 20
MAX_LINES: Final = 100_000
RAW: Final = 4096
_RESERVED: Final = frozenset([*LEADING.names, "_shape"])

Offsets = npt.NDArray[np.int64]


def blocks(stream: BinaryIO, size: int = BLOCK) -> Iterator[tuple[int, bytes]]:
    """The stream as (offset, whole lines), about `size` bytes or `MAX_LINES` lines at a time.

    A line longer than `MAX_LINE` comes out alone and cut to that length, without a newline.
    """
    offset, rest = 0, b""
    while data := stream.read(size):
        data = rest + data
        end = data.rfind(b"\n") + 1
        yield from _not_too_many(offset, data[:end])
        offset, rest = offset + end, data[end:]
        if len(rest) > MAX_LINE:
            yield offset, rest[:MAX_LINE]
            offset, rest = _next_line(stream, offset + len(rest), size)
    if rest:
        yield offset, rest


def _not_too_many(offset: int, lines: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    if lines.count(b"\n") > MAX_LINES:
        for start in line_starts(lines)[MAX_LINES::MAX_LINES].tolist():
            yield offset + at, lines[at:start]
            at = start
    if at < len(lines):
        yield offset + at, lines[at:]


def _next_line(stream: BinaryIO, offset: int, size: int) -> tuple[int, bytes]:
    """Read past the end of a line; where the next begins, and what was read of it."""
    while data := stream.read(size):
        end = data.find(b"\n") + 1
        if end:
            return offset + end, data[end:]
        offset += len(data)
    return offset, b""


def line_starts(block: bytes) -> Offsets:
    """Where each line of a block begins."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 0x0A) + 1
    if not len(ends) or ends[-1] != len(block):
        ends = np.append(ends, len(block))
    return np.concatenate((np.zeros(1, np.int64), ends[:-1])).astype(np.int64)


def column_names(names: Sequence[str]) -> list[str]:
    """Names fit to be columns: none empty, twice, or one of ours."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        name = name.strip() or "column"
        name = f"_{name}" if name in _RESERVED else name
        while name in seen:
            seen[name] += 1
            name = f"{name}.{seen[name]}"
        seen[name] = 1
        made.append(name)
    return made


@dataclass(frozen=True, slots=True)
class Parsed:
    """The columns of some lines; `rows` says which of the lines given each row is."""

    columns: list[pa.Array]
    rows: Offsets
    bad: list[int]


def parse(
    block: bytes, lines: int, width: int, delimiter: str, null: str, *, quoted: bool = False
) -> Parsed | None:
    """Lines as `width` text columns, `null` absent; `bad` lists lines with more or fewer cells.

    With `quoted` cells may be in double quotes, with no line break inside. None when the block is not simple (a bare carriage return, an empty line, a record separator):
    then it has to be read line by line.
    """
    if b"\r" in block or b"\n\n" in block or block.startswith(b"\n") or MULTI.encode() in block:
        return None
    block = _utf8(block)
    bad: list[int] = []

    def note(row: pacsv.InvalidRow) -> str:
        bad.append(row.number - 1)
        return "skip"

    options = {
        "read_options": pacsv.ReadOptions(
            use_threads=False,
            block_size=len(block) + 1,
            column_names=[str(number) for number in range(width)],
        ),
        "parse_options": pacsv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if quoted else False,
            double_quote=quoted,
            escape_char=False,
            ignore_empty_lines=False,
            invalid_row_handler=note,
        ),
        "convert_options": pacsv.ConvertOptions(
            column_types={str(number): pa.string() for number in range(width)},
            null_values=[null],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    }
    try:
        table = pacsv.read_csv(pa.BufferReader(block), **options)
    except pa.ArrowInvalid:
        return None
    if table.num_rows + len(bad) != lines:
        return None
    rows = np.arange(lines, dtype=np.int64)
    if bad:
        rows = np.delete(rows, bad)
    return Parsed([_one(column) for column in table.columns], rows, bad)


def _utf8(block: bytes) -> bytes:
    """The same text with every byte that is no UTF-8 shown in hex."""
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            return block.decode("utf-8", "backslashreplace").encode()
    return block


def _one(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())


def escaped(line: bytes) -> bytes:
    """A line of its own as `parse` takes it: what would end it, or forge a list, made visible."""
    line = line.replace(b"\r", b"\\x0d") if b"\r" in line else line
    return line.replace(MULTI.encode(), MULTI_PICTURE.encode())


class Batches:
    """Numbers the records of one source and puts our leading columns before theirs."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._prefix = pa.scalar(source.digest[:20] + "-", pa.string())
        self._count = 0

    def take(self, count: int) -> int:
        """Set aside the next `count` record numbers; the first of them."""
        first = self._count
        self._count += count
        return first

    def batch(
        self,
        numbers: Offsets,
        times: pa.Array,
        offsets: Offsets,
        *,
        names: Sequence[str],
        columns: Sequence[pa.Array],
    ) -> pa.RecordBatch:
        """One batch, without hosts; `names` must be fit to be columns (`column_names`)."""
        count = len(numbers)
        text = pc.cast(pa.array(numbers, pa.int64()), pa.string())
        leading = [
            pc.binary_join_element_wise(self._prefix, text, ""),
            times,
            pa.repeat(pa.scalar(self._source.name, pa.string()), count),
            pa.array(offsets, pa.int64()),
            pa.nulls(count, pa.string()),
        ]
        return pa.RecordBatch.from_arrays([*leading, *columns], names=[*LEADING.names, *names])

    def unparsed(self, rows: Sequence[tuple[int, int, str, bytes]]) -> Iterator[Shaped]:
        """Rows of (record number, offset, reason, raw) as one `unparsed` batch; none for none."""
        if not rows:
            return
        numbers, offsets, reasons, raws = zip(*rows, strict=True)
        shown = [raw[:RAW].decode("utf-8", "backslashreplace")[:RAW] for raw in raws]
        columns: list[Any] = [pa.array(reasons, pa.string()), pa.array(shown, pa.string())]
        yield (
            UNPARSED,
            self.batch(
                np.array(numbers, np.int64),
                pa.nulls(len(rows), pa.int64()),
                np.array(offsets, np.int64),
                names=("reason", "raw"),
                columns=columns,
            ),
        )

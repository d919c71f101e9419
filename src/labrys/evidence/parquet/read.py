"""Reads Apache Parquet files of any kind, a part of a row group at a time (Parquet Format)."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.aws_vpc_flow import columns as aws_flow
from labrys.evidence.csv_table.read import times
from labrys.evidence.delimited import Batches, column_names
from labrys.evidence.flow_sides import with_sides
from labrys.evidence.ocsf_events import events as ocsf_events
from labrys.evidence.parquet.text import texts
from labrys.evidence.records import MOST_COLUMNS, Shaped, Source

SHAPE: Final = "parquet.record"
_MAGIC: Final = b"PAR1"
_ROWS: Final = 16_384
_BATCH: Final = 32 << 20
"""A batch holds about so many bytes of text at most."""
_FEW: Final = 256
"""Rows in a batch where values that repeat cannot be kept small."""
_CHUNK: Final = 1 << 30
"""A row group whose columns would take more than this each is not opened."""
_ROWS_A_BYTE: Final = 32
"""A file that claims more rows than this for each of its bytes is made to exhaust who reads it."""
_GROWTH: Final = 1000
_LEAST: Final = 1 << 30
"""Reading ends when the text is so many times the file, but not below `_LEAST` bytes."""
_BAD: Final = (pa.ArrowException, OSError, ValueError, TypeError, MemoryError, OverflowError)


def sniff(head: bytes, name: str) -> float:
    """Whether it begins as every Parquet file does."""
    return 1.0 if head.startswith(_MAGIC) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Each row of `parquet.record`, or of a log that is known by its columns' names; every column
    text, nested names dotted; `_offset` in rows.

    What cannot be read, a row group or the whole file, is one `unparsed` row at its first row.
    """
    batches = Batches(source)
    try:
        yield from _rows(source, batches)
    except _Unreadable as problem:
        number = batches.take(1)
        yield from batches.unparsed([(number, problem.row, problem.reason, b"")])


class _Unreadable(Exception):
    """Why the rest cannot be read, and from which row on."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row, self.reason = row, reason


def _rows(source: Source, batches: Batches) -> Iterator[Shaped]:
    file, names = _opened(source)
    written_out: set[str] = set()
    left = max(_LEAST, _GROWTH * source.size)
    row = 0
    try:
        for group in range(file.num_row_groups):
            meta = file.metadata.row_group(group)
            # Not column by column: of damaged statistics there, Arrow 26 ends the process.
            large = meta.total_byte_size > _CHUNK * len(names)
            if large or meta.num_rows > _ROWS_A_BYTE * source.size + _ROWS:
                raise _Unreadable(row, "a row group claims more than can be read safely")
            size = int(max(1, min(_ROWS, _BATCH * meta.num_rows // max(1, meta.total_byte_size))))
            if more := _undictionaried(file, group, names, written_out):
                file.close()
                written_out |= more
                file, _ = _opened(source, written_out)
            if written_out:
                size = min(size, _FEW)
            for batch in file.iter_batches(size, [group], names, use_threads=False):
                for part in _parts(batch):
                    made = texts(part)
                    left -= sum(array.nbytes for _, array in made)
                    if left < 0:
                        raise _Unreadable(row, "the table is many times larger than its file")
                    yield _known(_batch(source, batches, row, made))
                    row += part.num_rows
    except _BAD as error:
        raise _Unreadable(row, f"not readable as Parquet: {_said(error)}") from error
    finally:
        file.close()
    more = file.metadata.num_columns - len(names)
    if more > 0:
        raise _Unreadable(0, f"{more} columns beyond the first {len(names)} were not read")


def _undictionaried(file: Any, group: int, names: list[str], known: set[str]) -> set[str]:
    """The columns of a row group whose values Arrow cannot read as a dictionary (deltas)."""

    def fails(chosen: list[str]) -> bool:
        try:
            next(file.iter_batches(1, [group], chosen, use_threads=False), None)
        except OSError as error:
            return "DictAccumulator" in str(error)
        return False

    if not fails(names):
        return set()
    return {name for name in names if name not in known and fails([name])}


def _opened(source: Source, written_out: Collection[str] = ()) -> tuple[Any, list[str]]:
    import pyarrow.parquet as pq  # takes long to load

    try:
        options: dict[str, Any] = {
            "buffer_size": 1 << 20,
            "pre_buffer": False,
            "thrift_string_size_limit": 64 << 20,
            "thrift_container_size_limit": 1 << 20,
        }
        plain = pq.ParquetFile(source.path, **options)
        paths = [plain.schema.column(at).path for at in range(len(plain.schema))][:MOST_COLUMNS]
        plain.close()
        # Values that repeat stay small until it is known how large they are together.
        repeated = [path for path in paths if path not in written_out]
        return pq.ParquetFile(source.path, read_dictionary=repeated, **options), paths
    except _BAD as error:
        raise _Unreadable(0, f"not readable as Parquet: {_said(error)}") from error


def _said(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in slices of about `_BATCH` bytes, once repeated values are written out."""
    width = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            length = pc.binary_length(column.dictionary.cast(pa.large_binary()))
            width += pc.fill_null(length.take(column.indices), 0).to_numpy(zero_copy_only=False)
    total = np.cumsum(width)
    begin = 0
    while begin < batch.num_rows:
        reached = (total[begin - 1] if begin else 0) + _BATCH
        end = max(begin + 1, int(np.searchsorted(total, reached, side="right")))
        yield batch.slice(begin, end - begin)
        begin = end


def _known(batch: pa.RecordBatch) -> Shaped:
    """The rows under the shape of a log that is kept as Parquet, where it is one."""
    if aws_flow.is_flow(batch.schema.names):
        return aws_flow.SHAPE, aws_flow.flows(batch)
    if "class_uid" in batch.schema.names:
        classes = batch.column("class_uid").unique().to_pylist()
        shape = ocsf_events.shape_of(batch.schema.names, classes)
        if shape == ocsf_events.FLOW:
            return shape, with_sides(batch, ocsf_events.NAMES)
        return shape or SHAPE, batch
    return SHAPE, batch


def _batch(
    source: Source, batches: Batches, row: int, made: Sequence[tuple[str, pa.Array]]
) -> pa.RecordBatch:
    names = column_names([name for name, _ in made])
    arrays = [array for _, array in made]
    count = len(arrays[0]) if arrays else 0
    numbers = np.arange(count, dtype=np.int64)
    when = times(names, arrays, source.modified)
    first = batches.take(count)
    return batches.batch(numbers + first, when, numbers + row, names=names, columns=arrays)

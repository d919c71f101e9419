"""Gathers small batches of one shape into large ones, because many tiny batches are the enemy."""

from collections.abc import Iterator

import pyarrow as pa


class Coalescer:
    """Batches by shape, with their total size, until someone takes them."""

    def __init__(self) -> None:
        self._shapes: dict[str, list[pa.RecordBatch]] = {}
        self.rows = 0
        self.size = 0

    def add(self, shape: str, batch: pa.RecordBatch, size: int | None = None) -> None:
        """Keep one batch of about `size` bytes (measured where None)."""
        self._shapes.setdefault(shape, []).append(batch)
        self.rows += batch.num_rows
        self.size += batch.get_total_buffer_size() if size is None else size

    def take(self) -> Iterator[tuple[str, pa.Table]]:
        """Everything kept, one table for each shape in the order of their names, then nothing."""
        shapes, self._shapes = self._shapes, {}
        self.rows = self.size = 0
        for shape in sorted(shapes):
            yield shape, concat(shapes.pop(shape))


def concat(batches: list[pa.RecordBatch]) -> pa.Table:
    """Batches of one shape as one table; a column that one of them lacks is null there."""
    if len(batches) == 1:
        return pa.Table.from_batches(batches)
    if all(batch.schema == batches[0].schema for batch in batches[1:]):
        return pa.Table.from_batches(batches)
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    return pa.concat_tables(tables, promote_options="default")

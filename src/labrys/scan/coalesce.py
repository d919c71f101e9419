"""Gathers small batches of one shape into large ones, because many tiny batches are the enemy."""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from labrys.evidence.records import Loose, together

_TOGETHER: Final = 256
"""So many loose records are made a batch of their own."""


class Coalescer:
    """Batches by shape, with their total size, until someone takes them."""

    def __init__(self) -> None:
        self._shapes: dict[str, list[pa.RecordBatch]] = {}
        self._loose: dict[str, list[Loose]] = {}
        self.rows = 0
        self.size = 0

    def add(self, shape: str, batch: pa.RecordBatch | Loose, size: int | None = None) -> None:
        """Keep one batch of about `size` bytes (measured where None)."""
        self.rows += batch.num_rows
        if isinstance(batch, Loose):
            self.size += batch.size if size is None else size
            waiting = self._loose.setdefault(shape, [])
            waiting.append(batch)
            if sum(one.num_rows for one in waiting) >= _TOGETHER:
                self._shapes.setdefault(shape, []).append(together(waiting))
                waiting.clear()
            return
        self._shapes.setdefault(shape, []).append(batch)
        self.size += batch.get_total_buffer_size() if size is None else size

    def take(self) -> Iterator[tuple[str, pa.Table]]:
        """Everything kept, one table for each shape in the order of their names, then nothing."""
        for shape, waiting in self._loose.items():
            if waiting:
                self._shapes.setdefault(shape, []).append(together(waiting))
        shapes, self._shapes, self._loose = self._shapes, {}, {}
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

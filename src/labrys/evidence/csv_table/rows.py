"""Cuts quoted, ragged or broken delimited text into rows (RFC 4180, read leniently)."""

import csv
from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa

from labrys.evidence.values import MULTI, MULTI_PICTURE

Row = tuple[int, list[str]]
"""The line that a row begins on, and its cells."""
Numbered = tuple[int, int, list[str]]
"""The same after the row's number in the source."""
CELL: Final = 1 << 20
"""The longest cell; beyond it a quote is taken to have been left open."""
_MAX_CELLS: Final = 1_000


class Cutter:
    """Cuts lines into rows; knows how often a quote that was never closed cost a second look."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._patience = 100

    def rows(self, lines: Sequence[str], *, last: bool) -> tuple[list[Row], int]:
        """The rows of some lines, and where the unfinished one begins, which needs more lines.

        With `last` none is unfinished: a quote that nothing closes is then a character like any.
        """
        made: list[Row] = []
        at = 0
        before = csv.field_size_limit(CELL)
        try:
            while at < len(lines) and self._patience > 0:
                for first, end, cells in self._quoted(lines, at):
                    if cells is None or (end >= len(lines) and self._is_open(lines, first, end)):
                        if cells is not None and not last and self._may_wait(lines, first):
                            return made, first
                        self._patience -= 1
                        made.append((first, self._plain(lines[first])))
                        at = first + 1
                        break
                    if cells:
                        made.append((first, self._bounded(cells)))
                    at = end
                else:
                    at = len(lines)
        finally:
            csv.field_size_limit(before)
        made.extend((number, self._plain(lines[number])) for number in range(at, len(lines)))
        return [row for row in made if row[1]], len(lines)

    def _quoted(
        self, lines: Sequence[str], start: int
    ) -> Iterator[tuple[int, int, list[str] | None]]:
        """Rows as (first line, line after the last, cells); None for cells that cannot be cut."""
        reader = csv.reader(lines[start:], delimiter=self._delimiter)
        first = start
        while True:
            try:
                cells = next(reader, None)
            except csv.Error:
                yield first, start + reader.line_num, None
                return
            if cells is None:
                return
            yield first, start + reader.line_num, cells
            first = start + reader.line_num

    @staticmethod
    def _is_open(lines: Sequence[str], first: int, end: int) -> bool:
        """Whether a quote is open at the end of the last row."""
        return sum(line.count('"') for line in lines[first:end]) % 2 == 1 and (
            end - first > 1 or lines[first].endswith("\n")
        )

    @staticmethod
    def _may_wait(lines: Sequence[str], first: int) -> bool:
        return sum(map(len, lines[first:])) < CELL

    def _bounded(self, cells: list[str]) -> list[str]:
        if len(cells) <= _MAX_CELLS:
            return cells
        rest = self._delimiter.join(cells[_MAX_CELLS - 1 :])
        return [*cells[: _MAX_CELLS - 1], rest]

    def _plain(self, line: str) -> list[str]:
        line = line.rstrip("\r\n")
        return line.split(self._delimiter, _MAX_CELLS - 1) if line else []


def by_width(rows: Sequence[Numbered], width: int) -> Iterator[list[Numbered]]:
    """The rows as wide as the header or less, then those of each greater width.

    Together they would be padded to the widest, and one row could make all of them enormous.
    """
    groups: dict[int, list[Numbered]] = {}
    for row in rows:
        groups.setdefault(max(len(row[2]), width), []).append(row)
    for wide in sorted(groups):
        yield groups[wide]


def columns(rows: Sequence[Numbered], width: int) -> list[pa.Array]:
    """Rows as text columns, at least `width`; an empty or absent cell is null."""
    cells = [row for _, _, row in rows]
    wide = max(width, *map(len, cells))
    if any(len(row) != wide for row in cells):
        cells = [row + [""] * (wide - len(row)) for row in cells]
    return [_column(values) for values in zip(*cells, strict=True)]


def _column(values: Sequence[str]) -> pa.Array:
    if "" in values:
        return pa.array([value or None for value in values], pa.string())
    return pa.array(values, pa.string())


def text_lines(block: bytes) -> list[str]:
    """A block as text, its lines with their ends; nothing in it can forge a list of values."""
    try:
        text = block.decode()
    except UnicodeDecodeError:
        text = "\n".join(map(_text, block.split(b"\n")))
    text = text.replace(MULTI, MULTI_PICTURE)
    lines = text.split("\n")
    ends = [line + "\n" for line in lines[:-1]]
    return [*ends, lines[-1]] if lines[-1] else ends


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", "backslashreplace")

"""Reads AWS flow logs as text: fields between spaces, a header in any order or none at all."""

import io
import re
from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from labrys.evidence import delimited
from labrys.evidence.aws_vpc_flow.columns import SHAPE, V2, flows, is_header
from labrys.evidence.delimited import Batches, Offsets
from labrys.evidence.records import Shaped, Source
from labrys.evidence.text_lines import decode, lines

_FREE_HEADERS: Final = 1_000
_BYTES_PER_HEADER: Final = 64 << 10  # joined files have more: only an attack is denied
_STAMP: Final = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]{5,20}Z ")
_RECORD: Final = re.compile(
    r"(?:\d{4}-\d\d-\d\dT[\d:.]{5,20}Z )?\d{1,2} (?:\d{12}|unknown) eni-\w{6,40}"
    r" \S{1,45} \S{1,45}(?: \S{1,20}){8} (?:OK|NODATA|SKIPDATA)",
    re.ASCII,
)


def sniff(head: bytes) -> float:
    """Sure with a header; sure, too, when nearly all first lines are of the default format."""
    text = [decode(raw) for _, raw, _ in lines(io.BytesIO(head))]
    if not text or not text[0]:
        return 0.0
    if is_header(_words(text[0])):
        return 0.97
    if len(text) > 1 and not head.endswith(b"\n"):
        text.pop()
    looked_at = [line for line in text if line.strip()][:40]
    known = sum(is_default(line) for line in looked_at)
    return 0.95 if known and known * 5 >= len(looked_at) * 4 else 0.0


def is_default(line: str) -> bool:
    """Whether a line is a record of the default format, perhaps behind CloudWatch's time."""
    return _RECORD.fullmatch(line.rstrip()) is not None


def _words(line: str) -> list[str]:
    return line[:4096].removeprefix("\ufeff").split()


def read(source: Source) -> Iterator[Shaped]:
    """Each line as a row of `aws.vpc_flow`; `_offset` in bytes."""
    reader = _Reader(source)
    with source.open() as stream:
        for offset, block in delimited.blocks(stream):
            yield from reader.block(offset, block)


class _Reader:
    """Knows the header in force."""

    def __init__(self, source: Source) -> None:
        self._batches = Batches(source)
        self._names: tuple[str, ...] = ()
        self._headers = 0

    def block(self, offset: int, block: bytes) -> Iterator[Shaped]:
        """The rows of some whole lines: headers may stand between them, where logs were joined."""
        starts = np.append(delimited.line_starts(block), len(block))
        row = 0
        most = _FREE_HEADERS + offset // _BYTES_PER_HEADER - self._headers
        for at in _headers(block, starts, most):
            self._headers += 1
            yield from self._rows(offset, block, starts[row : at + 1])
            line = decode(block[starts[at] : starts[at + 1]])
            self._names = tuple(_words(line))
            row = at + 1
        yield from self._rows(offset, block, starts[row:])

    def _rows(self, offset: int, block: bytes, begins: Offsets) -> Iterator[Shaped]:
        """The rows of the lines that begin there, all but the last place."""
        if len(begins) < 2:
            return
        names = self._names
        if not names:
            first = block[begins[0] : begins[0] + 64]
            names = ("timestamp", *V2) if _STAMP.match(first) else V2
        good, rows, bad = _sorted(block, begins, len(names))
        number = self._batches.take(len(begins) - 1)
        if good:
            parsed = delimited.parse(b"\n".join(good), len(good), len(names), " ", "-")
            if parsed is None or parsed.bad:
                rows, bad = [], [*range(len(begins) - 1)]
            else:
                at = np.array(rows, np.int64)
                batch = self._batches.batch(
                    at + number,
                    pa.nulls(len(rows), pa.int64()),
                    begins[at] + offset,
                    names=delimited.column_names(names),
                    columns=parsed.columns,
                )
                yield SHAPE, flows(batch)
        lines_of_bad = [(row, block[begins[row] : begins[row + 1]].rstrip()) for row in bad]
        yield from self._batches.unparsed(
            [
                (number + row, int(begins[row]) + offset, f"not {len(names)} fields", line)
                for row, line in lines_of_bad
                if line
            ]
        )


def _headers(block: bytes, starts: Offsets, most: int) -> list[int]:
    """The lines that are headers, so many at most: those with a field's name in them."""
    found: list[int] = []
    at, looks = block.find(b"dstaddr"), 2 * max(most, 0)
    while at >= 0 and len(found) < most and looks:
        line = int(np.searchsorted(starts, at, side="right")) - 1
        if is_header(_words(decode(block[starts[line] : starts[line + 1]]))):
            found.append(line)
        at = block.find(b"dstaddr", int(starts[line + 1]))
        looks -= 1
    return found


def _sorted(block: bytes, begins: Offsets, width: int) -> tuple[list[bytes], list[int], list[int]]:
    """The lines with as many fields as there are names, which they are, and which are not."""
    good, rows, bad = [], [], []
    for row, line in enumerate(block[begins[0] : begins[-1]].split(b"\n")[: len(begins) - 1]):
        line = line.rstrip(b"\r ")
        if line.count(b" ") == width - 1:
            good.append(delimited.escaped(line))
            rows.append(row)
        else:
            bad.append(row)
    return good, rows, bad

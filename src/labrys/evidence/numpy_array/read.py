"""Reads the description of a NumPy array; one of objects holds a pickle, which is read as such.

Source: NumPy NEP 1 (format versions 1.0 to 3.0). The header is a Python literal; here it is only
searched for what it says, never evaluated.
"""

import mmap
import re
import struct
from collections.abc import Iterator
from typing import Any, Final

from labrys.evidence.pickle.read import SHAPE, rows
from labrys.evidence.records import Records, Shaped, Source

_MAGIC: Final = b"\x93NUMPY"
_MOST_HEADER: Final = 1 << 20
_DESCR: Final = re.compile(r"'descr'\s*:\s*('[^']{0,200}'|\[.{0,100000})", re.DOTALL)
_SHAPE: Final = re.compile(r"'shape'\s*:\s*\(([0-9, L]{0,500})\)")
_OBJECTS: Final = re.compile(r"'[|<>=]?O[0-9]*'|'object")


def sniff(head: bytes, name: str) -> float:
    """The format begins with bytes of its own."""
    return 1.0 if head.startswith(_MAGIC) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.file`; for an array of objects one of `model.pickle` for each stream in it."""
    records = Records(source)
    with source.open() as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        version = data[6] if len(data) > 6 else 0
        width = struct.Struct("<H" if version == 1 else "<I")
        start = 8 + width.size
        size = width.unpack(data[8:start])[0] if len(data) >= start else _MOST_HEADER + 1
        if not 1 <= version <= 3 or size > _MOST_HEADER or start + size > len(data):
            records.unparsed(0, "no header of a NumPy array", bytes(data[:64]))
        else:
            header = data[start : start + size].decode("utf-8", "replace")
            row, objects = _described(header)
            records.add("model.file", row, time=None, offset=0)
            if objects:
                _pickled(records, data, start + size)
    yield from records.drain()


def _described(header: str) -> tuple[dict[str, Any], bool]:
    kind, shape = _DESCR.search(header), _SHAPE.search(header)
    descr = kind[1] if kind else ""
    # What does not say its type in the usual way may hold anything.
    objects = not kind or _OBJECTS.search(descr) is not None
    row = {"format": "numpy", "dtype": descr[:2000], "shape": shape[1] if shape else None}
    return {**row, "holds_objects": objects}, objects


def _pickled(records: Records, data: Any, start: int) -> None:
    content = data[start:]
    for row, offset in rows(content):
        records.add(SHAPE, row, time=None, offset=start + offset)
        for problem in row["problems"]:
            records.unparsed(start + offset, problem)

"""Reads what R saved (.rds, .RData): which functions it carries, and what would run when it is used.

A promise holds an expression that R evaluates when somebody looks at its value. R leaves promises
only in environments; one that stands anywhere else was put there (CVE-2024-27322). Nothing is
evaluated. Sources: R Internals, "Serialization Formats"; R `serialize.c`.
"""

import mmap
from collections.abc import Iterator
from typing import Final

from labrys.evidence.r_data.walk import Malformed, Walk
from labrys.evidence.records import Records, Shaped, Source

_WORKSPACE: Final = (b"RDX2\n", b"RDX3\n")
_FORMS: Final = (b"X\n", b"B\n")


def sniff(head: bytes, name: str) -> float:
    """XDR or native binary with a version of the format and of the R that wrote it."""
    at = 5 if head.startswith(_WORKSPACE) else 0
    try:
        Walk(head).header(at)
    except (Malformed, IndexError):
        return 0.0
    return 1.0 if at else 0.96


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.file`."""
    records = Records(source)
    with source.open() as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        walk = Walk(data)
        try:
            end = walk.all(5 if data[:5] in _WORKSPACE else 0)
            left = len(data) - end
        except (Malformed, IndexError) as why:
            left = 0
            records.unparsed(walk.at, f"it cannot be read as a whole: {why}")
        row = {
            "format": "r_data",
            "classes": list(walk.classes),
            "promises": walk.promises or None,
            "promises_outside": walk.outside or None,
            "promise_calls": list(walk.deferred),
            "function_calls": list(walk.carried),
            "trailing_bytes": left or None,
        }
        records.add("model.file", row, time=None, offset=0)
    yield from records.drain()

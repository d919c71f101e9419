"""Reads AppleDouble files: what macOS archivers write beside a file to keep its metadata.

They hold no events, but extended attributes are among them, and with these where a file was
downloaded from. Source: RFC 1740, appendix A.
"""

import re
import struct
from collections.abc import Iterator
from typing import Final

from labrys.evidence.records import Records, Shaped, Source

_MAGIC: Final = b"\x00\x05\x16\x07"
_HEADER: Final = struct.Struct(">4sI16xH")
_ENTRY: Final = struct.Struct(">III")
_MOST: Final = 1 << 20
_MOST_TEXTS: Final = 200
_TEXT: Final = re.compile(rb"[\x20-\x7e]{6,1000}")
_ENTRIES: Final = {
    1: "data fork",
    2: "resource fork",
    3: "real name",
    4: "comment",
    8: "file dates",
    9: "Finder info and extended attributes",
    10: "Macintosh file info",
}


def sniff(head: bytes, _name: str) -> float:
    """Certain by the magic number."""
    return 1.0 if head.startswith(_MAGIC) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """One record: which entries the file has (`entries`) and the readable text in it (`texts`)."""
    rows = Records(source)
    with source.open() as stream:
        data = stream.read(_MOST)
    if len(data) < _HEADER.size:
        rows.unparsed(0, "cut off inside its header", data)
    else:
        _, version, count = _HEADER.unpack_from(data)
        begins = range(_HEADER.size, _HEADER.size + count * _ENTRY.size, _ENTRY.size)
        whole = [at for at in begins if at + _ENTRY.size <= len(data)]
        kinds = [_ENTRY.unpack_from(data, at)[0] for at in whole]
        texts = [found[0].decode() for found in _TEXT.finditer(data)][:_MOST_TEXTS]
        fields = {
            "version": f"{version:#010x}",
            "entries": [_ENTRIES.get(kind, str(kind)) for kind in kinds],
            "texts": texts,
        }
        rows.add("macos.apple_double", fields, time=None, offset=0)
        if len(whole) < count:
            rows.unparsed(len(data), "cut off inside its list of entries")
    yield from rows.drain()

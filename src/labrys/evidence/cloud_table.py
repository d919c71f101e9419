"""Reads the tables that cloud consoles and PowerShell export, cells of any size (RFC 4180).

One dictionary a row, by the header's names; an empty cell is an absent one. Cells may hold line
breaks and doubled quotes (audit exports put a whole JSON document into one), the delimiter may be
a comma, semicolon or tab, and a `sep=` or `#TYPE` line may come first.
"""

import codecs
import re
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, BinaryIO, Final

from labrys.evidence.json_stream import BadRecord

LIMIT: Final = 16 << 20
"""The longest row there may be, in bytes."""
_PIECE: Final = 1 << 20
_RAW: Final = 4096
_RESCAN: Final = 64 << 20
_MAX_CELLS: Final = 2_000
_DELIMITERS: Final = (",", ";", "\t")
_BOMS: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_PREAMBLE: Final = (b"sep=", b"#type")


def looks_like_table(head: bytes) -> bool:
    """Whether the first line of `head` could be a header: three or more distinct, short names."""
    return _header(head[: 64 << 10]) is not None


def table_rows(stream: BinaryIO) -> Iterator[tuple[int, dict[str, Any] | BadRecord]]:
    """Every row with its offset in bytes (in UTF-16, characters times two), by the header's names.

    Cells beyond the header are called `column_<number>`.
    """
    names: list[str] | None = None
    cells = _splitter(",")
    for offset, raw in _rows(stream):
        if isinstance(raw, BadRecord):
            yield offset, raw
            continue
        if names is None:
            if raw[:5].lower().startswith(_PREAMBLE):
                continue
            delimiter = _delimiter(raw)
            cells = _splitter(delimiter)
            names = _distinct(_cells(cells, raw))
            continue
        values = _cells(cells, raw)
        if len(values) > _MAX_CELLS:
            yield offset, BadRecord(f"more than {_MAX_CELLS} cells", raw[:_RAW])
            continue
        yield (
            offset,
            {
                names[at] if at < len(names) else f"column_{at + 1}": value
                for at, value in enumerate(values)
                if value
            },
        )


@lru_cache(maxsize=2)
def _header(head: bytes) -> tuple[str, ...] | None:
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            head = head[2:].decode(encoding, "replace").encode()
    lines = head.removeprefix(codecs.BOM_UTF8).split(b"\n", 3)
    line = next((text for text in lines if not text[:5].lower().startswith(_PREAMBLE)), b"")
    if len(line) > 16_384 or not line or line[:1] in (b"{", b"[", b"<") or b"\0" in line:
        return None
    names = _cells(_splitter(_delimiter(line)), line)
    good = 3 <= len(names) <= 500 and all(name and len(name) <= 80 for name in names)
    return tuple(names) if good and len(set(names)) == len(names) else None


def _delimiter(header: bytes) -> str:
    return max(_DELIMITERS, key=lambda mark: header.count(mark.encode()))


def _splitter(delimiter: str) -> "re.Pattern[str]":
    return re.compile(
        rf'(?:"((?:[^"]++|"")*+)"?([^{delimiter}]*+)|([^{delimiter}]*+))({delimiter}|\Z)'
    )


def _cells(splitter: "re.Pattern[str]", raw: bytes) -> list[str]:
    text = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
    cells: list[str] = []
    for found in splitter.finditer(text):
        quoted, after, plain, end = found.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"') + after)
        if not end or len(cells) > _MAX_CELLS:
            break
    return cells


def _distinct(names: list[str]) -> list[str]:
    """Header names, an empty or repeated one made distinct."""
    made: list[str] = []
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        unique = name.strip() or f"column_{number}"
        if unique in seen:
            unique = f"{unique}_{number}"
        seen.add(unique)
        made.append(unique)
    return made


def _rows(stream: BinaryIO) -> Iterator[tuple[int, bytes | BadRecord]]:
    """Each row's raw bytes: lines joined while a quote is open."""
    lines = _Lines(stream)
    budget = _RESCAN
    while (first := lines.next()) is not None:
        offset, parts, quotes, size = first[0], [first[1]], first[1].count(b'"'), len(first[1])
        while quotes % 2 or not _ends(parts[-1]):
            more = lines.next() if size <= LIMIT else None
            if more is None:
                break
            parts.append(more[1])
            quotes += more[1].count(b'"')
            size += len(more[1])
        if size <= LIMIT and quotes % 2 == 0:
            row = parts[0] if len(parts) == 1 else b"".join(parts)
            if row.strip():
                yield offset, row
            continue
        budget -= size
        keep = next((at for at, part in enumerate(parts, 1) if _ends(part)), len(parts))
        if budget > 0:  # the quote that never ends costs its own line only
            lines.back(offset, parts, keep)
            parts = parts[:keep]
        yield offset, BadRecord("a quoted cell never ends, or is too long", b"".join(parts)[:_RAW])


def _ends(part: bytes) -> bool:
    return part.endswith(b"\n")


class _Lines:
    """Lines with their offsets, the very long ones in pieces, as UTF-8."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._returned: deque[tuple[int, bytes]] = deque()
        self._offset = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self._text = b""
        head = stream.read(3)
        for mark, encoding in _BOMS:
            if head.startswith(mark):
                self._decoder = codecs.getincrementaldecoder(encoding)("replace")
                stream.seek(2)
                self._offset = 2
        if self._decoder is None:
            self._offset = 3 if head == codecs.BOM_UTF8 else 0
            stream.seek(self._offset)

    def next(self) -> tuple[int, bytes] | None:
        """The next line, or piece of one, and where it begins."""
        if self._returned:
            return self._returned.popleft()
        offset = self._offset
        line = self._decoded() if self._decoder else self._stream.readline(_PIECE)
        if not line:
            return None
        self._offset += len(line) * (2 if self._decoder else 1)
        return offset, line

    def back(self, offset: int, parts: list[bytes], keep: int) -> None:
        """Give the parts from number `keep` on back, to be read again."""
        scale = 2 if self._decoder else 1
        again: list[tuple[int, bytes]] = []
        for number, part in enumerate(parts):
            if number >= keep:
                again.append((offset, part))
            offset += len(part) * scale
        self._returned.extendleft(reversed(again))

    def _decoded(self) -> bytes:
        while b"\n" not in self._text and len(self._text) < _PIECE:
            block = self._stream.read(64 << 10)
            if self._decoder is None or not block:
                break
            self._text += self._decoder.decode(block).encode()
        cut = self._text.find(b"\n", 0, _PIECE) + 1 or _PIECE
        line, self._text = self._text[:cut], self._text[cut:]
        return line

"""Reads the Journal Export Format: fields by line, binary ones by length, a blank line between.

Specification: https://systemd.io/JOURNAL_EXPORT_FORMATS/
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

MOST: Final = 1 << 20
"""How many bytes of one value are kept."""
_NAME: Final = re.compile(rb"[A-Z0-9_]{1,64}")
_FIELDS: Final = 4096
_BYTES: Final = 16 << 20

Entry = dict[str, bytes | list[bytes]]


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line that is no field: why, and its first bytes."""

    reason: str
    raw: bytes


def entries(stream: BinaryIO, size: int) -> Iterator[tuple[int, Entry | Damaged]]:
    """Every entry with the byte offset of its first field; `size` is how long the stream is.

    A damaged line comes out on its own, and the entry that it stood in without it. An entry beyond
    16 MiB or 4096 fields comes out in parts.
    """
    return _Parser(stream, size).entries()


class _Parser:
    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._at = 0

    def entries(self) -> Iterator[tuple[int, Entry | Damaged]]:
        entry: Entry = {}
        begun = weight = count = 0
        while True:
            at = self._at
            line = self._line()
            if not line or line in (b"\n", b"\r\n") or count >= _FIELDS or weight >= _BYTES:
                if entry:
                    yield begun, entry
                entry, weight, count = {}, 0, 0
                if not line:
                    return
                if line in (b"\n", b"\r\n"):
                    continue
            found = self._field(line, at)
            if isinstance(found, Damaged):
                yield at, found
                continue
            name, value = found
            if not entry:
                begun = at
            count += 1
            weight += len(value) + 64
            keep(entry, name, value)

    def _line(self) -> bytes:
        """The next line with its newline, cut to `MOST` bytes and a name."""
        line = self._stream.readline(MOST + 80)
        self._at += len(line)
        if len(line) == MOST + 80 and not line.endswith(b"\n"):
            while more := self._stream.readline(MOST):
                self._at += len(more)
                if more.endswith(b"\n"):
                    break
        return line

    def _field(self, line: bytes, at: int) -> tuple[str, bytes] | Damaged:
        name, equals, value = line.rstrip(b"\r\n" if b"=" not in line else b"\n").partition(b"=")
        if not _NAME.fullmatch(name):
            return Damaged("not a field of a journal entry", line[:4096].rstrip())
        if equals:
            return name.decode(), value[:MOST]
        if not line.endswith(b"\n"):
            return Damaged("the journal ends inside a field", line[:4096])
        return self._binary(name, at)

    def _binary(self, name: bytes, at: int) -> tuple[str, bytes] | Damaged:
        head = self._stream.read(8)
        length = int.from_bytes(head, "little")
        if len(head) < 8 or self._at + 8 + length > self._size:
            # No length at all: what follows the name is read as lines again.
            self._stream.seek(self._at)
            return Damaged("a binary field is longer than the journal", name)
        value = self._stream.read(min(length, MOST))
        self._at += 8 + length
        self._stream.seek(self._at)
        after = self._stream.read(1)
        if after == b"\n":
            self._at += 1
        else:
            self._stream.seek(self._at)
        return name.decode(), value


def keep(entry: Entry, name: str, value: bytes) -> None:
    """Add a field to an entry, which may have several of one name."""
    have = entry.get(name)
    if have is None:
        entry[name] = value
    elif isinstance(have, list):
        have.append(value)
    else:
        entry[name] = [have, value]

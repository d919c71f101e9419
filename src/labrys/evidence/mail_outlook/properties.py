"""Reads the properties of an Outlook item out of its compound file (MS-OXMSG, MS-OXPROPS)."""

import io
import struct
from collections.abc import Iterator
from typing import Final

import olefile

MOST: Final = 192 << 20
"""Bytes of all properties of a file that are read."""
_PROPERTIES: Final = "__properties_version1.0"
_FILETIME_EPOCH: Final = 11_644_473_600_000


class Compound:
    """A compound file: `below` are the names in each storage, sorted."""

    def __init__(self, data: bytes) -> None:
        self._file = olefile.OleFileIO(io.BytesIO(data))  # as bytes, short ones would be a path
        found: dict[tuple[str, ...], set[str]] = {}
        self._streams: set[tuple[str, ...]] = set()
        for entry in self._file.listdir(streams=True, storages=False):
            self._streams.add(tuple(entry))
            for depth in range(len(entry)):
                found.setdefault(tuple(entry[:depth]), set()).add(entry[depth])
        self.below = {path: sorted(names) for path, names in found.items()}
        self._left = MOST

    def stream(self, path: tuple[str, ...]) -> bytes | None:
        """The content of a stream, b"" once all that may be read of the file was; None without."""
        if path not in self._streams:
            return None
        with self._file.openstream(list(path)) as stream:
            made = bytes(stream.read(self._left))
        self._left -= len(made)
        return made


class Store:
    """One storage of a compound file: an item, a recipient or an attachment."""

    def __init__(self, file: "Compound", path: tuple[str, ...] = (), header: int = 32) -> None:
        self._file, self._path = file, path
        self._fixed = self._read_fixed(header)

    def text(self, uid: int, code_page: str = "cp1252") -> str:
        """A property of text; "" where there is none."""
        raw = self._stream(f"__substg1.0_{uid:04X}001F")
        if raw is not None:
            return raw.decode("utf-16-le", "replace").rstrip("\0")
        raw = self._stream(f"__substg1.0_{uid:04X}001E")
        return raw.decode(code_page, "replace").rstrip("\0") if raw is not None else ""

    def binary(self, uid: int) -> bytes | None:
        """A property of bytes; None where there is none."""
        return self._stream(f"__substg1.0_{uid:04X}0102")

    def number(self, uid: int) -> int | None:
        """A property that is a number or a truth value."""
        value = self._fixed.get(uid)
        return None if value is None else int.from_bytes(value[:4], "little", signed=True)

    def time(self, uid: int) -> int | None:
        """A property that is a time, as epoch milliseconds."""
        value = self._fixed.get(uid)
        if value is None:
            return None
        made = int.from_bytes(value, "little") // 10_000 - _FILETIME_EPOCH
        return made if 0 < made < 4_133_980_800_000 else None

    def recipients(self) -> "Iterator[Store]":
        """Whom the item is for."""
        return map(self._below, self._storages("__recip_version1.0_"))

    def attachments(self) -> "Iterator[Store]":
        """What is attached to the item."""
        return map(self._below, self._storages("__attach_version1.0_"))

    def embedded(self) -> "Store":
        """The item that this attachment is."""
        return Store(self._file, (*self._path, "__substg1.0_3701000D"), 24)

    def _below(self, path: tuple[str, ...]) -> "Store":
        return Store(self._file, path, 8)

    def _storages(self, prefix: str) -> list[tuple[str, ...]]:
        names = self._file.below.get(self._path, ())
        return [(*self._path, name) for name in names if name.lower().startswith(prefix)]

    def _stream(self, name: str) -> bytes | None:
        return self._file.stream((*self._path, name))

    def _read_fixed(self, header: int) -> dict[int, bytes]:
        raw = self._stream(_PROPERTIES) or b""
        made: dict[int, bytes] = {}
        for at in range(header, min(len(raw), 1 << 20) - 15, 16):
            tag, _, value = struct.unpack_from("<II8s", raw, at)
            made[tag >> 16] = value
        return made

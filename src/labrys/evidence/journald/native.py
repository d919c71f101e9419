"""Reads a journal as systemd keeps it on disk (`.journal`), entry by entry.

Specification: https://systemd.io/JOURNAL_FILE_FORMAT/
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from labrys.evidence.journald.export import MOST, Damaged, Entry, keep
from labrys.evidence.unpack import decode

MAGIC: Final = b"LPKSHHRH"
_HEADER: Final = struct.Struct("<8sII8x16x16x16x16xQ8x8x8x8x8xQ")
"""Signature, flags, size of the header, where the last object is."""
_OBJECT: Final = struct.Struct("<BB6xQ")
_ENTRY: Final = struct.Struct("<16xQQQ16s8x")
_DATA, _ENTRY_TYPE, _LAST_TYPE = 1, 3, 7
_COMPACT: Final = 16
_LZ4, _ZSTD = 2, 4
_FIELDS: Final = 4096
_ONE_READ: Final = 4096
_SHORT: Final = 1024
_KEPT: Final = 32_768
"""So many values of at most `_SHORT` bytes are kept for the entries that share them."""
_XZ_MEMORY: Final = 64 << 20

Found = tuple[int, Entry | Damaged]


def entries(stream: BinaryIO, size: int) -> Iterator[Found]:
    """Every entry with the byte offset of its object, in the order they lie in.

    Also those that the journal's own lists do not name any more: a journal that was copied while it
    was written, or was not closed, is read as far as its objects go.
    """
    return _Journal(stream, size).entries()


class _Journal:
    def __init__(self, stream: BinaryIO, size: int) -> None:
        # Values lie all over the file: a large buffer would be filled anew for each.
        self._stream: BinaryIO = getattr(stream, "raw", stream)
        self._size = size
        self._compact = False
        self._kept: dict[int, bytes | None] = {}

    def entries(self) -> Iterator[Found]:
        head = self._read(0, _HEADER.size)
        if len(head) < _HEADER.size:
            yield 0, Damaged("the journal ends inside its header", head)
            return
        _, _, flags, at, tail = _HEADER.unpack(head)
        self._compact = bool(flags & _COMPACT)
        while at + _OBJECT.size <= self._size:
            begun = self._read(at, _OBJECT.size)
            kind, _, length = _OBJECT.unpack(begun)
            if length < _OBJECT.size or not 0 < kind <= _LAST_TYPE or at + length > self._size:
                break
            if kind == _ENTRY_TYPE:
                yield from self._entry(at, length)
            at += length + -length % 8
        if at <= tail:
            yield at, Damaged("the journal breaks off: its last entries are missing", b"")

    def _entry(self, at: int, length: int) -> Iterator[Found]:
        step, form = (4, "<I") if self._compact else (16, "<Q8x")
        most = _ENTRY.size + _FIELDS * step
        raw = self._read(at, min(length, most))
        if len(raw) < _ENTRY.size:
            yield at, Damaged("an entry is shorter than its head", raw)
            return
        _, realtime, monotonic, boot = _ENTRY.unpack_from(raw)
        entry: Entry = {
            "__REALTIME_TIMESTAMP": b"%d" % realtime,
            "__MONOTONIC_TIMESTAMP": b"%d" % monotonic,
        }
        weight = 0
        lost = length > most
        for (place,) in struct.iter_unpack(form, raw[_ENTRY.size :][: -len(raw) % -step or None]):
            if not place:  # a list of them is filled up with none
                continue
            name, equals, text = (self._shared(place) or b"").partition(b"=")
            weight += len(text)
            if weight > 16 * MOST:
                lost = True
                break
            if not equals:
                lost = True
                continue
            keep(entry, name[:64].decode("ascii", "replace"), text)
        entry.setdefault("_BOOT_ID", boot.hex().encode())
        yield at, entry
        if lost:
            yield at, Damaged("an entry has fields that cannot be read", b"")

    def _shared(self, at: int) -> bytes | None:
        """The value at `at`, which is kept where it is short: many entries share it."""
        if at in self._kept:
            return self._kept[at]
        value = self._value(at)
        if value is None or len(value) <= _SHORT:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[at] = value
        return value

    def _value(self, at: int) -> bytes | None:
        """What the data object at `at` holds; None where there is none that can be read."""
        if at > self._size - _OBJECT.size:
            return None
        raw = self._read(at, _ONE_READ)
        kind, flags, length = _OBJECT.unpack_from(raw)
        begins = 72 if self._compact else 64
        if kind != _DATA or not begins < length <= self._size - at:
            return None
        if length > len(raw):
            raw += self._read(at + len(raw), min(length, begins + MOST) - len(raw))
        value = raw[begins:length]
        return _unpacked(flags & 7, value) if flags & 7 else value

    def _read(self, at: int, count: int) -> bytes:
        self._stream.seek(at)
        return self._stream.read(count)


def _unpacked(packed: int, value: bytes) -> bytes | None:
    """At most `MOST` bytes of what was compressed."""
    try:
        if packed == _LZ4:
            import lz4.block  # type: ignore[import-untyped]

            size = int.from_bytes(value[:8], "little")
            made = lz4.block.decompress(value[8:], uncompressed_size=size) if size <= MOST else None
            return None if made is None else bytes(made)
        decoder = decode.zstd_decoder() if packed == _ZSTD else decode.xz_decoder(_XZ_MEMORY)
        return decoder.decompress(value, MOST)
    except (*decode.ERRORS, RuntimeError):  # the last is what lz4 raises
        return None

"""Reads 7z archives through py7zr, member by member (7-Zip's 7zFormat.txt)."""

import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, BinaryIO, Final

from labrys.evidence.unpack.limits import CHUNK, Broken, Chunk, Limits, Member

MAGIC: Final = b"7z\xbc\xaf\x27\x1c"
_FILETIME_EPOCH: Final = 11_644_473_600_000
_LZMA: Final = b"\x03\x01\x01"
_LZMA2: Final = b"\x21"
_PPMD: Final = b"\x03\x04\x01"
_ENCRYPTED: Final = "encrypted: unpack it with its password and scan the result"


def members(file: BinaryIO, limits: Limits) -> Iterator[Member]:
    """The files in the archive, in its order.

    Raises `Broken` when it is damaged, encrypted, packed with what py7zr does not know, or wants
    more files or memory than the limits allow.
    """
    import py7zr
    from py7zr.exceptions import PasswordRequired

    try:
        archive = py7zr.SevenZipFile(file, "r")
        entries = list(getattr(archive, "files", ()))
        reader = _Reader(file, _spans(archive, limits))
        encrypted = archive.password_protected
    except Broken:
        raise
    except PasswordRequired as error:
        raise Broken(_ENCRYPTED) from error
    except Exception as error:  # py7zr lets whatever a hostile header provokes come through
        raise Broken(f"not a readable 7z archive: {error}") from error
    if encrypted:
        raise Broken(_ENCRYPTED)
    if len(entries) > limits.max_members:
        raise Broken(f"lists {len(entries)} files: too many")
    yield from _listed(entries, reader)


def _listed(entries: list[Any], reader: "_Reader") -> Iterator[Member]:
    lost = 0
    for entry in entries:
        if entry.is_directory:
            continue
        if not reader.reaches(entry):
            lost += 1
            continue
        chunks = reader.data(entry)
        if entry.is_symlink or entry.is_junction or entry.is_socket:
            for _ in chunks:  # passed over, so that the next one begins where it should
                pass
            continue
        yield Member(entry.filename, _modified(entry.lastwritetime), chunks)
    if lost:
        raise Broken(f"{lost} files packed together with an unreadable one are lost")


def _spans(archive: Any, limits: Limits) -> dict[int, tuple[int, int]]:
    """Where in the file each compressed folder's data begins and ends, by the folder's id."""
    streams = getattr(archive.header, "main_streams", None)
    if streams is None:
        return {}
    folders = streams.unpackinfo.folders
    for folder in folders:
        for coder in folder.coders:
            if (memory := _memory(coder)) > limits.max_dictionary_bytes:
                raise Broken(f"needs {memory} bytes of memory to unpack: too much")
    positions = [archive.afterheader + position for position in streams.packinfo.packpositions]
    return {id(folder): span for folder, span in zip(folders, pairwise(positions), strict=False)}


def _memory(coder: dict[str, Any]) -> int:
    """What a decoder will allocate, from its properties."""
    method, properties = coder.get("method"), coder.get("properties") or b""
    if method in (_LZMA, _PPMD) and len(properties) >= 5:
        return int.from_bytes(properties[1:5], "little")
    if method == _LZMA2 and properties:
        bits = properties[0] & 0x3F
        return (2 | (bits & 1)) << (bits // 2 + 11)
    return 0


class _Reader:
    """Decodes solid folders in order: each member begins where the one before it ended."""

    def __init__(self, file: BinaryIO, spans: dict[int, tuple[int, int]]) -> None:
        self._file = file
        self._spans = spans
        self._folder: Any = None
        self._start = 0
        self._midway = False

    def reaches(self, entry: Any) -> bool:
        """Whether a member can be read still: all before it in its folder was read to its end."""
        return entry.emptystream or not (self._midway and entry.folder is self._folder)

    def data(self, entry: Any) -> Iterator[Chunk]:
        """One member's content; members must be read in the archive's order."""
        if entry.emptystream:
            return
        if entry.folder is not self._folder:
            self._folder = entry.folder
            self._start, end = self._spans.get(id(entry.folder), (0, 0))
            if self._start == end:
                raise Broken("damaged: its data is not in the archive")
            self._file.seek(self._start)
        self._midway = True
        left, crc = entry.uncompressed, 0
        while left > 0:
            data = self._decode(entry, min(left, CHUNK))
            left -= len(data)
            crc = zlib.crc32(data, crc)
            if data:
                yield Chunk(data, max(self._file.tell() - self._start, 1))
        self._midway = False
        if entry.crc32 is not None and crc != entry.crc32:
            raise Broken("its checksum is wrong: damaged or altered")

    def _decode(self, entry: Any, most: int) -> bytes:
        before = self._file.tell()
        try:
            decoder = entry.folder.get_decompressor(entry.compressed)
            data = bytes(decoder.decompress(self._file, most))
        except Exception as error:  # each of py7zr's many decoders has errors of its own
            raise Broken(f"damaged: {error}") from error
        if not data and self._file.tell() == before:
            raise Broken("ends early: the archive is cut off")
        return data


def _modified(filetime: Any) -> int | None:
    return None if filetime is None else int(filetime) // 10_000 - _FILETIME_EPOCH

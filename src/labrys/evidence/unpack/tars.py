"""Reads tar archives: ustar, pax and GNU, sparse members, several in a row (POSIX.1-2017 pax)."""

import io
import re
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, cast

from labrys.evidence.unpack.limits import CHUNK, Broken, Chunk, Member

_BLOCK: Final = tarfile.BLOCKSIZE
_MAX_HEADER: Final = 256 << 10
_LONG_NUMBER: Final = re.compile(rb"[0-9]{64}")
_BAD: Final = (tarfile.TarError, ValueError, EOFError, OverflowError, RecursionError, OSError)


def is_tar(head: bytes) -> bool:
    """Whether `head` begins with a tar header: by its magic, or, in old archives, its checksum."""
    block = head[:_BLOCK]
    if len(block) < _BLOCK or not block.rstrip(b"\x00"):
        return False
    if block[257:262] != b"ustar" and not (block[99] == 0 and block[500:] == bytes(12)):
        return False
    stated = block[148:156].strip(b" \x00")
    actual = sum(block[:148]) + 8 * 0x20 + sum(block[156:])
    return re.fullmatch(rb"[0-7]{1,7}", stated) is not None and int(stated, 8) == actual


def members(file: BinaryIO) -> Iterator[Member]:
    """The regular files in the archive, in its order; links and devices are left out.

    Raises `Broken` where no further member can be found although something follows.
    """
    guarded = _Guarded(file)
    at = 0
    while at >= 0:
        guarded.seek(at)
        try:
            archive = tarfile.open(fileobj=guarded, mode="r:")  # noqa: SIM115 (owns nothing)
        except _BAD as error:
            raise Broken(f"not a readable tar archive from byte {at} on: {error}") from error
        yield from _listed(archive, guarded)
        following = _next_content(file, archive.offset)
        if following == at:
            raise Broken(f"not a readable tar archive from byte {at} on")
        at = following


def _listed(archive: tarfile.TarFile, guarded: "_Guarded") -> Iterator[Member]:
    last = -1
    while True:
        guarded.in_headers = True
        try:
            info = archive.next()
        except _BAD as error:
            raise Broken(f"damaged or cut off at byte {archive.offset}: {error}") from error
        if info is None:
            return
        if archive.offset <= last:  # a negative size would send us round in circles
            raise Broken(f"damaged at byte {last}: a file of negative size")
        last = archive.offset
        cast(Any, archive).members.clear()  # it would remember every one
        guarded.in_headers = False
        if info.isreg():
            modified = int(info.mtime * 1000) if 0 <= info.mtime < 1e11 else None
            yield Member(info.name, modified, _data(archive, info, guarded))


def _data(archive: tarfile.TarFile, info: tarfile.TarInfo, guarded: "_Guarded") -> Iterator[Chunk]:
    left = info.size
    sparse = cast("io.BufferedReader | None", archive.extractfile(info)) if info.sparse else None
    guarded.seek(info.offset_data)
    while left > 0:
        try:
            data = (guarded if sparse is None else sparse.raw).read(min(left, CHUNK)) or b""
        except _BAD as error:
            raise Broken("ends early: the archive is cut off") from error
        if not data:
            raise Broken("ends early: the archive is cut off")
        left -= len(data)
        yield Chunk(data, max(guarded.tell() - info.offset_data, 0))


def _next_content(file: BinaryIO, at: int) -> int:
    """Where, after the zero blocks that end an archive, something else begins; -1 if nowhere."""
    file.seek(at)
    while data := file.read(CHUNK):
        if rest := data.lstrip(b"\x00"):
            found = at + len(data) - len(rest)
            return found - found % _BLOCK
        at += len(data)
    return -1


class _Guarded(io.RawIOBase):
    """The archive's file, refusing header reads that only an attack would need.

    The standard library reads an extended header of any stated size into memory, and some of its
    versions match it with an expression that takes quadratic time on long numbers.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.in_headers = True

    def read(self, size: int = -1) -> bytes:
        """Like a file's, within the guard."""
        if not self.in_headers:
            return self._file.read(size)
        if not 0 <= size <= _MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        data = self._file.read(size)
        if size > _BLOCK and _LONG_NUMBER.search(data):
            raise tarfile.ReadError("a header with an endless number")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Like a file's."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Like a file's."""
        return self._file.tell()

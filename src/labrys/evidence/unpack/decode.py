"""Decompresses gzip, bzip2, xz, Zstandard, LZ4 and deflate streams piece by piece, broken ones too.

RFC 1952 (gzip), RFC 1951 (deflate), the .xz file format 1.2, RFC 8878 (Zstandard), LZ4 Frame 1.6.
"""

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, Protocol

from labrys.evidence.unpack.limits import CHUNK, Broken, Chunk

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_IN: Final = 64 << 10  # read ahead, so it hides some of how dense a bomb is
_OUT: Final = 128 << 10  # a damaged block loses at most this much of what came before it
ERRORS: Final = (
    zlib.error, OSError, lzma.LZMAError, zstd.ZstdError, EOFError, ValueError,
    RuntimeError,  # of LZ4
)  # fmt: skip
GZIP: Final = b"\x1f\x8b\x08"
XZ: Final = b"\xfd7zXZ\x00"
BZIP2: Final = b"BZh"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
LZ4: Final = b"\x04\x22\x4d\x18"
_SKIPPED: Final = tuple(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16))


class Decoder(Protocol):
    """What `bz2`, `lzma` and `zstd` decompressors have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream's end has been reached."""

    @property
    def needs_input(self) -> bool:
        """Whether it can yield nothing more before it is given more."""

    @property
    def unused_data(self) -> bytes | None:
        """What was given beyond the stream's end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Up to `max_length` bytes more."""


class Inflate:
    """A zlib decompressor that hands out everything before the first damaged byte."""

    def __init__(self, wbits: int) -> None:
        self._zlib = zlib.decompressobj(wbits)
        self._tail = b""

    @property
    def eof(self) -> bool:
        """Whether the stream's end has been reached."""
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        """Whether it can yield nothing more before it is given more."""
        return not self._tail and not self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the stream's end."""
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Up to `max_length` bytes more; raises `Broken`, with what precedes the damage."""
        data, before = self._tail + data, self._zlib.copy()
        try:
            made = self._zlib.decompress(data, max_length)
        except zlib.error as error:
            raise Broken(_reason(error), _until_damage(before, data, max_length)) from error
        self._tail = self._zlib.unconsumed_tail
        return made


def _until_damage(decoder: Any, data: bytes, most: int) -> bytes:
    made = bytearray()
    try:
        for at in range(len(data)):
            made += decoder.decompress(data[at : at + 1], most)
    except zlib.error:
        return bytes(made)
    return bytes(made)


class Inflate64:
    """Deflate64, as Windows Explorer packs files of more than 2 GiB."""

    unused_data = b""

    def __init__(self) -> None:
        from inflate64 import Inflater

        self._inflater = Inflater()
        self._tail = b""

    @property
    def eof(self) -> bool:
        """Whether the stream's end has been reached."""
        return bool(self._inflater.eof)

    @property
    def needs_input(self) -> bool:
        """Whether it can yield nothing more before it is given more."""
        return not self._tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """The next bytes; it cannot be told a maximum, so it gets little to read at a time."""
        data = self._tail + data
        self._tail = data[512:]
        return bytes(self._inflater.inflate(data[:512]))


def xz_decoder(memory: int) -> Decoder:
    """One .xz stream, refusing dictionaries of more than `memory` bytes."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory)


def zstd_decoder() -> Decoder:
    """One Zstandard frame; the library itself refuses windows above 128 MiB."""
    made: Decoder = zstd.ZstdDecompressor()
    return made


def lz4_decoder() -> Decoder:
    """One LZ4 frame; its blocks are of 4 MiB at most."""
    import lz4.frame  # type: ignore[import-untyped]

    made: Decoder = lz4.frame.LZ4FrameDecompressor()
    return made


def compressed(file: BinaryIO, kind: str, memory: int) -> Iterator[Chunk]:
    """The content of a `gzip`, `bzip2`, `xz`, `zstd` or `lz4` file: all its members in a row."""
    makers: dict[str, tuple[Callable[[], Decoder], tuple[bytes, ...]]] = {
        "gzip": (lambda: Inflate(zlib.MAX_WBITS | 16), (GZIP,)),
        "bzip2": (bz2.BZ2Decompressor, (BZIP2,)),
        "xz": (lambda: xz_decoder(memory), (XZ,)),
        "zstd": (zstd_decoder, (ZSTD, *_SKIPPED)),
        "lz4": (lz4_decoder, (LZ4, *_SKIPPED)),
    }
    make, magics = makers[kind]
    feed = Feed(file)
    while True:
        yield from decoded(make(), feed)
        if not feed.skip_padding():
            return
        if not feed.starts_with(magics):
            raise Broken(f"something else follows the compressed data at byte {feed.at}")


class Feed:
    """Reads a file, or `length` bytes of it, and takes back what a decoder did not want."""

    def __init__(self, file: BinaryIO, length: int = sys.maxsize) -> None:
        self._file = file
        self._left = length
        self._back = b""
        self._read = 0

    @property
    def at(self) -> int:
        """Bytes used up so far."""
        return self._read - len(self._back)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        if self._back:
            data, self._back = self._back, b""
            return data
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        self._read += len(data)
        return data

    def give_back(self, data: bytes) -> None:
        """What was read too much."""
        self._back = bytes(data) + self._back

    def skip_padding(self) -> bool:
        """Pass over zero bytes and line ends; whether anything follows."""
        while data := self.read(_IN):
            if rest := data.lstrip(b"\x00\r\n"):
                self.give_back(rest)
                return True
        return False

    def starts_with(self, magics: tuple[bytes, ...]) -> bool:
        """Whether one of `magics` comes next."""
        data = self.read(16)
        if len(data) < 16:
            data += self.read(16)
        self.give_back(data)
        return data.startswith(magics)


def decoded(decoder: Decoder, feed: Feed) -> Iterator[Chunk]:
    """What one stream decodes to; raises `Broken` where it is damaged or ends early."""
    size = CHUNK if isinstance(decoder, Inflate) else _OUT
    while not decoder.eof:
        data = feed.read(_IN) if decoder.needs_input else b""
        ended = decoder.needs_input and not data
        try:
            made = decoder.decompress(data, size)
        except ERRORS as error:
            raise Broken(_reason(error)) from error
        if made:
            yield Chunk(made, feed.at)
        elif ended and not decoder.eof:
            raise Broken("ends early: the file is cut off")
    feed.give_back(decoder.unused_data or b"")


def _reason(error: Exception) -> str:
    return f"damaged: {error}" if str(error) else f"damaged: {type(error).__name__}"

"""Undoes the transfer encoding of a mail part (RFC 2045 section 6), however broken, in pieces.

A part is never decoded as a whole unless it is small: what is kept of a large one is bounded.
"""

import binascii
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

PIECE: Final = 4 << 20
"""Encoded bytes that are decoded at a time."""
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SPACE: Final = b" \t\r\n\v\f\x00"
_NOT_BASE64: Final = bytes(set(range(256)) - set(_BASE64))
_MOST_STREAMS: Final = 64
_UU_BEGIN: Final = re.compile(rb"(?m)^begin(?:-base64)? [0-7]{3,4} [^\r\n]{1,200}\r?\n")
PLAIN: Final = frozenset(("", "7bit", "8bit", "binary"))
KNOWN: Final = PLAIN | {"base64", "quoted-printable", "x-uuencode", "uuencode", "x-uue"}


class Decoder:
    """Decodes `buffer[start:end]`; `problems` says afterwards what was wrong with it."""

    def __init__(self, buffer: bytes, start: int, end: int, encoding: str) -> None:
        self._buffer, self._start, self._end = buffer, start, end
        self._encoding = encoding
        self.problems: list[str] = []

    def head(self, limit: int) -> bytes:
        """The first `limit` bytes of the content."""
        size = self._end - self._start
        if self._encoding in PLAIN or self._encoding not in KNOWN:
            return self._buffer[self._start : self._start + min(size, limit)]
        made = b""
        for piece in self.pieces(limit * 3 + 4096):
            made += piece
            if len(made) >= limit:
                break
        return made[:limit]

    def digest(self, keep: int) -> tuple[int, str, bytes]:
        """Size and SHA-256 of the content, and its first `keep` bytes."""
        hashed, size, kept = sha256(), 0, []
        for piece in self.pieces():
            hashed.update(piece)
            if size < keep:
                kept.append(piece[: keep - size])
            size += len(piece)
        return size, hashed.hexdigest(), kept[0] if len(kept) == 1 else b"".join(kept)

    def pieces(self, most: int = 1 << 62) -> Iterator[bytes]:
        """The content in order, from no more than the first `most` encoded bytes."""
        end = min(self._end, self._start + most)
        if self._encoding == "base64":
            yield from self._base64(end)
        elif self._encoding == "quoted-printable":
            yield from self._quoted_printable(end)
        elif self._encoding in KNOWN - PLAIN:
            yield from self._uuencoded(end)
        else:
            if self._encoding not in PLAIN:
                self._problem(f"unknown transfer encoding {self._encoding[:40]}")
            for at in range(self._start, end, PIECE):
                yield self._buffer[at : min(at + PIECE, end)]

    def _base64(self, end: int) -> Iterator[bytes]:
        rest, streams = b"", 0
        for at in range(self._start, end, PIECE):
            piece = self._buffer[at : min(at + PIECE, end)]
            last = at + PIECE >= end
            if last and not rest and (whole := _clean_base64(piece)) is not None:
                yield whole
                return
            strange = piece.translate(None, _BASE64 + b"=" + _SPACE)
            if strange:
                self._problem("base64 with other characters in it")
            for number, stream in enumerate(re.split(rb"=+[^A-Za-z0-9+/]*", piece)):
                if number:
                    yield self._quads(rest)[0]
                    rest, streams = b"", streams + 1
                if streams > _MOST_STREAMS:
                    self._problem("base64 that ends too often: the rest is left out")
                    return
                if number and stream.translate(None, _NOT_BASE64):
                    self._problem("base64 that goes on after its end")
                made, rest = self._quads(rest + stream.translate(None, _NOT_BASE64), cut=False)
                yield made
        if rest:
            yield self._quads(rest)[0]
            if streams == 0:
                self._problem("base64 cut short")

    def _quads(self, data: bytes, *, cut: bool = True) -> tuple[bytes, bytes]:
        """Clean base64 decoded; what does not fill four characters is returned, or made to."""
        whole = len(data) // 4 * 4
        made = binascii.a2b_base64(data[:whole]) if whole else b""
        rest = data[whole:]
        if not cut:
            return made, rest
        return (
            made + binascii.a2b_base64(rest + b"=" * (4 - len(rest))) if len(rest) > 1 else made
        ), b""

    def _quoted_printable(self, end: int) -> Iterator[bytes]:
        at = self._start
        while at < end:
            stop = min(at + PIECE, end)
            if stop < end:  # not in the middle of a line, unless it is longer than a piece
                newline = self._buffer.rfind(b"\n", at, stop)
                escape = self._buffer.rfind(b"=", max(stop - 2, at), stop)
                if newline >= 0:
                    stop = newline + 1
                elif escape >= 0:  # nor in the middle of what stands for one byte
                    soft = self._buffer[at + 1 : at + 2] == b"\n"
                    stop = escape if escape > at else min(at + (2 if soft else 3), end)
            yield binascii.a2b_qp(self._buffer[at:stop])
            at = stop

    def _uuencoded(self, end: int) -> Iterator[bytes]:
        begin = _UU_BEGIN.search(self._buffer, self._start, end)
        at = begin.end() if begin else self._start
        made: list[bytes] = []
        while at < end and len(made) < 1 << 20:
            stop = self._buffer.find(b"\n", at, end)
            stop = stop if stop >= 0 else end
            line = self._buffer[at : min(stop, at + 200)].rstrip(b"\r")
            at = stop + 1
            if line[:3] == b"end":
                break
            try:
                made.append(binascii.a2b_uu(line))
            except binascii.Error:
                self._problem("broken uuencoding")
        yield b"".join(made)

    def _problem(self, said: str) -> None:
        if said not in self.problems:
            self.problems.append(said)


def _clean_base64(piece: bytes) -> bytes | None:
    """The content when nothing is wrong with it."""
    plain = piece.translate(None, _SPACE)
    try:
        return binascii.a2b_base64(plain, strict_mode=True) if plain else b""
    except binascii.Error:
        return None

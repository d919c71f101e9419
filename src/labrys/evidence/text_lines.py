"""Cuts text evidence into lines in bounded memory, however long a line pretends to be."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO, Final

LIMIT: Final = 1 << 20
"""The most bytes of one line that are kept."""
_BLOCK: Final = 256 << 10
_WIDE_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LOOKED: Final = 1024
_CONTROL: Final = bytes(set(range(1, 0x20)) - set(b"\t\n\f\r")) + b"\x7f"
_FEWEST: Final = 8
"""Without a byte order mark, fewer letters than these are not taken for UTF-16."""

Line = tuple[int, bytes, bool]


def lines(stream: BinaryIO, limit: int = LIMIT) -> Iterator[Line]:
    r"""Every line as (its byte offset, its bytes without `\n` or `\r\n`, whether it was cut).

    A line longer than `limit` bytes comes out cut there; what follows up to its end is read past,
    never kept. A byte order mark is skipped; UTF-16, with one or without, comes out as UTF-8, its
    offsets still those of the stream. NUL bytes stay, an empty line is a line, and a
    last line needs no newline.
    """
    first = stream.read(_BLOCK)
    if (encoding := wide(first)) is not None:
        start = len(codecs.BOM_UTF16) if first.startswith(_WIDE_MARKS) else 0
        return _wide(stream, first[start:], start, encoding, limit)
    start = len(codecs.BOM_UTF8) if first.startswith(codecs.BOM_UTF8) else 0
    return _narrow(stream, first[start:], start, limit)


def wide(head: bytes) -> str | None:
    """The codec of UTF-16 text that begins so; None for any other.

    Without a byte order mark, text in Latin letters is known by every second byte being zero, and
    hardly any other being a control character.
    """
    if head.startswith(_WIDE_MARKS):
        return "utf-16-le" if head.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    head = head[:_LOOKED]
    length = len(head) // 2
    first, second = head[: length * 2 : 2].count(0), head[1 : length * 2 : 2].count(0)
    if length < _FEWEST or max(first, second) * 10 < length * 7 or min(first, second):
        return None
    letters = head[::2] if second > first else head[1::2]
    if (len(letters) - len(letters.translate(None, _CONTROL))) * 50 > length:
        return None
    return "utf-16-le" if second > first else "utf-16-be"


def decode(raw: bytes) -> str:
    r"""Log bytes as text: UTF-8, else Windows-1252, and `\xNN` for a byte that has no meaning."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "backslashreplace")


def _narrow(stream: BinaryIO, block: bytes, offset: int, limit: int) -> Iterator[Line]:
    """The lines of text in which a newline is one byte; `block` begins at `offset`."""
    rest, skipped = b"", 0  # `skipped`: bytes of the unfinished line that were thrown away
    while block:
        *whole, last = block.split(b"\n")
        if whole:
            whole[0] = rest + whole[0]
            if skipped or len(whole[0]) > limit or len(block) > limit:
                for line in whole:
                    yield offset, _cut(line, limit), bool(skipped) or _too_long(line, limit)
                    offset += len(line) + skipped + 1
                    skipped = 0
            elif b"\r" in whole[0] or b"\r" in block:
                for line in whole:
                    yield offset, line[:-1] if line.endswith(b"\r") else line, False
                    offset += len(line) + 1
            else:
                for line in whole:
                    yield offset, line, False
                    offset += len(line) + 1
            rest = last
        else:
            rest += last
        # A byte more than the limit is kept, or a carriage return there could not be told.
        if len(rest) > limit + 1:
            skipped += len(rest) - limit - 1
            rest = rest[: limit + 1]
        block = stream.read(_BLOCK)
    if rest or skipped:
        yield offset, _cut(rest, limit), bool(skipped) or _too_long(rest, limit)


def _cut(line: bytes, limit: int) -> bytes:
    return line[:-1] if len(line) <= limit + 1 and line.endswith(b"\r") else line[:limit]


def _too_long(line: bytes, limit: int) -> bool:
    return len(line) - line.endswith(b"\r") > limit


def _wide(stream: BinaryIO, block: bytes, offset: int, encoding: str, limit: int) -> Iterator[Line]:
    """The lines of UTF-16 text, as UTF-8; `block` begins at `offset`."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest, skipped = "", 0
    more = True
    while more:
        more = bool(block)
        *whole, last = (rest + decoder.decode(block, final=not more)).split("\n")
        for line in whole:
            kept, was_cut = _narrow_text(line, limit)
            yield offset, kept, was_cut or bool(skipped)
            offset += len(line.encode(encoding)) + skipped + 2
            skipped = 0
        rest = last[: limit + 1]
        skipped += len(last[limit + 1 :].encode(encoding))
        block = stream.read(_BLOCK) if more else b""
    if rest or skipped:
        kept, was_cut = _narrow_text(rest, limit)
        yield offset, kept, was_cut or bool(skipped)


def _narrow_text(line: str, limit: int) -> tuple[bytes, bool]:
    """A decoded line as at most `limit` bytes of UTF-8, and whether that cut it."""
    raw = line.removesuffix("\r").encode("utf-8", "replace")
    return raw[:limit], len(raw) > limit

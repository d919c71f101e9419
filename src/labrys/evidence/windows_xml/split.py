"""Cuts a stream of XML into its `<Event>` elements, so that a broken one costs itself only."""

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from labrys.evidence.json_stream import LIMIT, RAW, BadRecord

BLOCK: Final = 1 << 20
_BEGIN: Final = re.compile(rb"<Event(?=[\s>])")
_AGAIN: Final = re.compile(rb"<Event(?:\s[^<>]*+)?>\s*+<System[\s>]")
_END: Final = b"</Event>"
_LONGEST_MARK: Final = len(_END)
# What may stand around events: the declaration, the tags of a root, comments.
_FRAME: Final = re.compile(
    rb"<\?[^<>]*+>|</?[A-Za-z][^<>]*+>|<!--(?:[^<>-]|-(?!->))*+-->|[\s,\x00]++"
)
_DECLARES: Final = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)

Part = tuple[int, bytes | BadRecord]


def events(stream: BinaryIO) -> Iterator[Part]:
    """Every `<Event>` element with its byte offset, as the bytes of UTF-8; the rest as `BadRecord`.

    In UTF-16 offsets count every character as two bytes: exact up to the first outside ASCII.
    """
    first = stream.read(BLOCK)
    base, decoder = _encoding(first)
    scale = 2 if decoder else 1
    data, block = b"", first[base:]
    while True:
        if decoder:
            block = decoder.decode(block, final=not block).encode()
        last = not block
        data += block
        used = 0
        for start, stop, part in _parts(data, last=last):
            used = stop
            if part is not None:
                yield base + start * scale, part
        base += used * scale
        data = data[used:]
        if last:
            return
        block = stream.read(BLOCK)


def _encoding(head: bytes) -> "tuple[int, codecs.IncrementalDecoder | None]":
    """The length of the byte order mark, and a decoder when the text is UTF-16."""
    if head.startswith(codecs.BOM_UTF8):
        return 3, None
    for mark, name, bare in (
        (codecs.BOM_UTF16_LE, "utf-16-le", b"<\0"),
        (codecs.BOM_UTF16_BE, "utf-16-be", b"\0<"),
    ):
        if head.startswith((mark, bare)):
            skip = len(mark) if head.startswith(mark) else 0
            return skip, codecs.getincrementaldecoder(name)("replace")
    return 0, None


def _parts(data: bytes, *, last: bool) -> Iterator[tuple[int, int, bytes | BadRecord | None]]:
    """What `data` surely holds: start, end, and an event, bad text, or None for mere frame."""
    at = 0
    while begin := _BEGIN.search(data, at):
        start = begin.start()
        if start > at:
            yield at, start, _between(data[at:start])
        again = _AGAIN.search(data, begin.end())
        stop = again.start() if again else len(data)
        end = data.find(_END, start, stop)
        if end >= 0 and _BEGIN.search(data, begin.end(), end):
            # some events have an element called so inside
            end = max(end, data.find(_END, end + len(_END), stop))
        if again and end < 0:
            at = stop
            yield start, at, _bad("an event begins before the one before it ends", data[start:at])
        elif end >= 0:
            at = end + len(_END)
            whole = at - start <= LIMIT
            yield start, at, data[start:at] if whole else _bad(_TOO_LONG, data[start : start + RAW])
        elif last or len(data) - start > LIMIT:
            reason = "the text ends inside an event" if last else _TOO_LONG
            yield start, len(data), _bad(reason, data[start : start + RAW])
            return
        else:
            return
    keep = len(data) if last else max(len(data) - _LONGEST_MARK, at)
    if keep - at > (0 if last else BLOCK):
        yield at, keep, _between(data[at:keep])


_TOO_LONG: Final = f"longer than {LIMIT} bytes"


def _between(text: bytes) -> BadRecord | None:
    """Bad when it is more than the frame of a document."""
    if _DECLARES.search(text):
        return _bad("a document type or entity declaration is not accepted", text)
    rest = _FRAME.sub(b"", text)
    return _bad("text outside any event", rest) if rest else None


def _bad(reason: str, text: bytes) -> BadRecord:
    return BadRecord(reason, text[:RAW])

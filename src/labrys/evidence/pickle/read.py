"""Reads Python pickles as what they would look up and call: a row of `model.pickle` for each stream.

Nothing is ever unpickled (`streams.py`). Streams that joblib compressed as a whole (zlib, LZMA) are
unpacked first, within bounds; gzip, bzip2, xz and archives are unpacked before a reader is asked.
"""

import lzma
import mmap
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from labrys.evidence.pickle.facts import Stream, Use
from labrys.evidence.pickle.streams import streams
from labrys.evidence.records import Records, Shaped, Source

SHAPE: Final = "model.pickle"
_MOST_UNPACKED: Final = 384 << 20
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_LZMA: Final = b"\x5d\x00\x00"
_BY_PROTOCOL: Final = frozenset(b"\x02\x03\x04\x05")
_FIRST: Final = frozenset(b"(]})cIJKMNXUSVGF\x80")
_ENOUGH: Final = 5


def sniff(head: bytes, name: str) -> float:
    """How surely `head` begins a pickle: by what a walk through it comes to."""
    unpacked = _unpacked_head(head)
    if unpacked is not None:
        return min(_sure(unpacked), 0.85)
    return _sure(head)


def _sure(head: bytes) -> float:
    if head[:1] == b"\x80" and len(head) > 2 and head[1] in _BY_PROTOCOL:
        first = next(streams(head))
        return 0.95 if first.stopped or first.steps > _ENOUGH or _names(first) else 0.3
    if not head or head[0] not in _FIRST:
        return 0.0
    # Protocols 0 and 1 have no first bytes of their own.
    first = next(streams(head))
    if _names(first) and first.steps > 2:
        called = any("called" in use.how for use in first.uses.values())
        return 0.9 if first.stopped or called else 0.6
    whole = first.stopped and not head[first.end :].strip()
    return 0.7 if whole and first.steps >= _ENOUGH else 0.0


def _names(stream: Stream) -> list[Use]:
    return [
        use for name, use in stream.uses.items() if name.module.replace(".", "_").isidentifier()
    ]


def read(source: Source) -> Iterator[Shaped]:
    """One row of `model.pickle` for each stream; `_offset` in bytes (of what was unpacked)."""
    records = Records(source)
    with _opened(source, records) as (data, packed):
        for row, offset in rows(data):
            row["compression"] = packed
            records.add(SHAPE, row, time=None, offset=offset)
            for problem in row["problems"]:
                records.unparsed(offset, problem)
            if records.full:
                yield from records.drain()
    yield from records.drain()


def rows(data: Any) -> Iterator[tuple[dict[str, Any], int]]:
    """The row of each stream in `data`, and where it begins. What only looks like a beginning and
    names nothing is bytes behind the stream before it."""
    last: dict[str, Any] | None = None
    where = 0
    for number, stream in enumerate(streams(data)):
        if number and not stream.stopped and not _names(stream):
            continue
        if last is not None:
            yield last, where
        last, where = _row(stream, number), stream.offset
    if last is not None:
        last["trailing_bytes"] = len(data) - last["end"] if not last["problems"] else None
        yield last, where


def _row(stream: Stream, number: int) -> dict[str, Any]:
    uses = list(stream.uses.values())
    return {
        "stream": number,
        "protocol": stream.protocol,
        "end": stream.end,
        "steps": stream.steps,
        "names": [str(use.name) for use in uses],
        "names_used": [" ".join(sorted(use.how)) for use in uses],
        "names_arguments": [_arguments(use) for use in uses],
        "code_names": [name for code in stream.code for name in code.names],
        "code_texts": [text for code in stream.code for text in code.texts],
        "carries_code": bool(stream.code),
        "problems": stream.problems,
    }


def _arguments(use: Use) -> str:
    return "; ".join(each for each in use.arguments[:4] if each)[:600]


@contextmanager
def _opened(source: Source, records: Records) -> Iterator[tuple[Any, str | None]]:
    with source.open() as stream:
        head = stream.read(1 << 16)
        stream.seek(0)
        if _unpacked_head(head) is None:
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield data, None
            return
        packed = "lzma" if head.startswith(_LZMA) else "zlib"
        data_, whole = _unpacked(stream, packed)
        if not whole:
            records.unparsed(0, f"unpacks to more than {_MOST_UNPACKED} bytes, or is damaged")
        yield data_, packed


def _unpacked(stream: Any, packed: str) -> tuple[bytes, bool]:
    """What a compressed stream holds, within bounds, and whether that is all of it."""
    engine: Any = (
        lzma.LZMADecompressor(lzma.FORMAT_AUTO) if packed == "lzma" else zlib.decompressobj()
    )
    made = bytearray()
    try:
        while (piece := stream.read(1 << 18)) and not engine.eof:
            while piece and len(made) <= _MOST_UNPACKED:
                made += engine.decompress(piece, 1 << 24)
                piece = b"" if packed == "lzma" and engine.needs_input else _rest(engine, packed)
                if engine.eof:
                    break
            if len(made) > _MOST_UNPACKED:
                return bytes(made[:_MOST_UNPACKED]), False
    except (zlib.error, lzma.LZMAError):
        return bytes(made), False
    return bytes(made), bool(engine.eof)


def _rest(engine: Any, packed: str) -> bytes:
    """What is still to be unpacked of a piece."""
    if packed == "zlib":
        rest: bytes = engine.unconsumed_tail
        return rest
    return b""


def _unpacked_head(head: bytes) -> bytes | None:
    """The beginning of what is compressed; None where nothing is."""
    try:
        if head[:2] in _ZLIB:
            return zlib.decompressobj().decompress(head, 1 << 16)
        if head.startswith(_LZMA):
            return lzma.LZMADecompressor(lzma.FORMAT_AUTO).decompress(head, 1 << 16)
    except (zlib.error, lzma.LZMAError):
        pass
    return None

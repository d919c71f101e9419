"""Reads Windows XML Event Log files (EVTX, [MS-EVEN6] 2.2.12 to 2.2.17) into records."""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from evtx import PyEvtxParser

from labrys.evidence import windows_document
from labrys.evidence.records import Records, Shaped, Source

MAGIC: Final = b"ElfFile\0"
_HEADER: Final = 4096
_CHUNK: Final = 65_536
_REASON: Final = 500


def sniff(head: bytes, name: str) -> float:
    """Certain when the file begins with the magic of EVTX."""
    return 1.0 if head.startswith(MAGIC) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Every readable event; each unreadable record or chunk is an `unparsed` row.

    `_offset` is the running number of the record (or of what should have been one) in the file.
    Checksums are not asked for: a damaged file's events are still evidence.
    """
    with source.open() as stream:
        yield from _read(source, stream)


def _read(source: Source, stream: BinaryIO) -> Iterator[Shaped]:
    records = Records(source, fixed=windows_document.FIXED)
    try:
        take = _parser(source, stream).records_json().__next__
    except Exception as error:
        records.unparsed(0, f"no readable file header: {str(error)[:_REASON]}")
        yield from records.drain()
        return
    # A chunk of 64 KiB holds a few hundred records; a parser that goes on failing is in a loop.
    number, errors, most_errors = 0, 0, 64 + source.size // 256
    add, from_json = records.add, windows_document.from_json
    while errors < most_errors:
        try:
            text = take()["data"]
            shape, fixed, fields, time, host = from_json(text)
            add(
                shape,
                fields,
                time=time,
                offset=number,
                host=host,
                size=len(text),
                fixed=fixed,
            )
        except StopIteration:
            break
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of the parser is no Exception
            errors += 1
            records.unparsed(number, str(error)[:_REASON])
        number += 1
        if records.full:
            yield from records.drain()
    if errors >= most_errors:
        records.unparsed(number, "too many unreadable records: the rest of the file was not read")
    if _cut_off(source.size, stream):
        records.unparsed(number, "the file ends inside a chunk: its last records may be missing")
    yield from records.drain()


def _cut_off(size: int, stream: BinaryIO) -> bool:
    """Whether the file ends inside its header or inside a chunk."""
    rest = (size - _HEADER) % _CHUNK
    if size < _HEADER or not rest:
        return size < _HEADER
    stream.seek(size - rest)
    return stream.read(4) == b"ElfC"


def _parser(source: Source, stream: BinaryIO) -> Any:
    """The parser, on the file itself where that works: it reads faster than through Python."""
    path = str(source.path)
    whole = source.size >= _HEADER and (source.size - _HEADER) % _CHUNK == 0
    given = path if whole and path.isprintable() else _Padded(stream, source.size)
    return PyEvtxParser(given, number_of_threads=1, validate_checksums=False)


class _Padded(io.RawIOBase):
    """A file cut off inside a chunk, made whole with zeros so that what is left can be read."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._end = _HEADER + -(-max(size - _HEADER, 0) // _CHUNK) * _CHUNK
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to an offset of the padded file."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes from here, zeros where the file has none."""
        left = max(self._end - self._at, 0)
        wanted = left if size < 0 else min(size, left)
        self._stream.seek(self._at)
        data = self._stream.read(wanted)
        self._at += wanted
        return data.ljust(wanted, b"\0")

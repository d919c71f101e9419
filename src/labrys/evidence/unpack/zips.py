"""Reads ZIP archives, damaged ones too (PKWARE APPNOTE 6.3.10).

The standard library reads the directory; the data is decoded here, because its reader withholds
the last bytes of a member whose checksum is wrong and knows neither Deflate64 nor Zstandard.
"""

import bz2
import calendar
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from labrys.evidence.unpack.decode import Decoder, Feed, Inflate, Inflate64, decoded, zstd_decoder
from labrys.evidence.unpack.limits import CHUNK, Broken, Chunk, Limits, Member

LOCAL: Final = b"PK\x03\x04"
EMPTY: Final = b"PK\x05\x06"
_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_TAIL: Final = (64 << 10) + 200
_ENCRYPTED: Final = 0x1
_DESCRIPTOR: Final = 0x8
_DOCUMENTS: Final = ("[Content_Types].xml", "META-INF/MANIFEST.MF", "AndroidManifest.xml")
_BAD: Final = (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, struct.error, OSError)


def members(file: BinaryIO, limits: Limits) -> Iterator[Member] | None:
    """The files in the archive, in the order of its directory; None when it is a document.

    Office files, Java archives and Android packages are ZIPs too, but one piece of evidence.
    Raises `Broken` when the directory is larger than the limits allow. An archive without a
    readable directory (cut off, say) is read from its local headers as far as they go.
    """
    _check_directory(file, limits)
    try:
        entries = zipfile.ZipFile(file).infolist()
    except _BAD as error:
        return _without_directory(file, str(error), limits)
    names = {entry.filename for entry in entries}
    if names.intersection(_DOCUMENTS) or (entries and entries[0].filename == "mimetype"):
        return None
    return _listed(file, entries, limits)


def _check_directory(file: BinaryIO, limits: Limits) -> None:
    """Refuse a directory that would not fit in memory, before anything loads it.

    The end record is looked for where the standard library looks for it.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    at = len(tail) - _END.size
    if at < 0 or not tail.startswith(EMPTY, at) or tail[-2:] != b"\0\0":
        at = tail.rfind(EMPTY)
    if at >= 0 and len(tail) >= at + _END.size:
        *_, entries, directory, _offset, _comment = _END.unpack_from(tail, at)
        at64 = at - 20 - _END64.size
        if at64 >= 0 and tail.startswith(b"PK\x06\x06", at64):
            *_, entries, directory, _offset = _END64.unpack_from(tail, at64)
        if entries > limits.max_members or directory > limits.max_directory_bytes:
            raise Broken(f"its directory lists {entries} files in {directory} bytes: too many")
    file.seek(0)


def _listed(file: BinaryIO, entries: list[zipfile.ZipInfo], limits: Limits) -> Iterator[Member]:
    for entry in entries:
        if entry.filename.endswith("/") or stat.S_ISLNK(entry.external_attr >> 16):
            continue
        yield Member(entry.filename, _modified(entry.date_time), _data(file, entry, limits))


def _data(file: BinaryIO, entry: zipfile.ZipInfo, limits: Limits) -> Iterator[Chunk]:
    if entry.flag_bits & _ENCRYPTED:
        raise Broken("encrypted: unpack it with its password and scan the result")
    file.seek(entry.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(LOCAL):
        raise Broken("its data is missing: the archive is cut off or damaged")
    *_, name_length, extra_length = _LOCAL.unpack(header)
    file.seek(name_length + extra_length, 1)
    feed = Feed(file, entry.compress_size)
    crc = 0
    for chunk in _content(feed, entry.compress_type, limits):
        crc = zlib.crc32(chunk.data, crc)
        yield chunk
    if crc != entry.CRC:
        raise Broken("its checksum is wrong: damaged or altered")


def _content(feed: Feed, method: int, limits: Limits) -> Iterator[Chunk]:
    if method == zipfile.ZIP_STORED:
        while data := feed.read(CHUNK):
            yield Chunk(data, feed.at)
        return
    yield from decoded(_decoder(feed, method, limits), feed)


def _decoder(feed: Feed, method: int, limits: Limits) -> Decoder:
    if method == zipfile.ZIP_DEFLATED:
        return Inflate(-zlib.MAX_WBITS)
    if method == 9:
        return Inflate64()
    if method == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor()
    if method in (20, 93):
        return zstd_decoder()
    if method == zipfile.ZIP_LZMA:
        return _lzma(feed, limits)
    raise Broken(f"packed with method {method}, which labrys cannot read")


def _lzma(feed: Feed, limits: Limits) -> Decoder:
    head = feed.read(4)
    size = int.from_bytes(head[2:4], "little")
    properties = feed.read(size) if size == 5 else b""
    if len(properties) != 5:
        raise Broken("damaged: no LZMA properties")
    first, dictionary = properties[0], int.from_bytes(properties[1:5], "little")
    if first >= 9 * 5 * 5 or dictionary > limits.max_dictionary_bytes:
        raise Broken(f"needs a dictionary of {dictionary} bytes: too much memory")
    pb, lp = divmod(first // 9, 5)
    filters = [
        {"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": first % 9, "lp": lp, "pb": pb}
    ]
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    except lzma.LZMAError as error:
        raise Broken("damaged: impossible LZMA properties") from error


def _without_directory(file: BinaryIO, reason: str, limits: Limits) -> Iterator[Member]:
    at, found = 0, 0
    while (entry := _local_entry(file, at)) is not None:
        start, feed = file.tell(), Feed(file)
        if entry.flag_bits & _DESCRIPTOR and not entry.flag_bits & _ENCRYPTED:
            # Its size follows its data, so where that ends is known once it has been decoded.
            chunks = _open_ended(feed, start, file, entry, limits)
        else:
            chunks = _data(file, entry, limits)
        if not entry.filename.endswith("/"):
            yield Member(entry.filename, _modified(entry.date_time), chunks)
        found += 1
        at = start + (feed.at or entry.compress_size)
        file.seek(at)
        at += max(0, file.read(64).find(LOCAL))  # a descriptor of 12 to 24 bytes may lie between
    raise Broken(f"not a readable ZIP archive ({reason}): what follows file {found} in it is lost")


def _local_entry(file: BinaryIO, at: int) -> zipfile.ZipInfo | None:
    """The member whose local header is at `at`, with `file` then at its data."""
    file.seek(at)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(LOCAL):
        return None
    _, _, flags, method, clock, day, crc, packed, _, names, extras = _LOCAL.unpack(header)
    name = file.read(names).decode("utf-8" if flags & 0x800 else "cp437", "replace")
    file.seek(extras, 1)
    entry = zipfile.ZipInfo(name or "unnamed", _dos(day, clock))
    entry.flag_bits, entry.compress_type, entry.CRC = flags, method, crc
    entry.header_offset, entry.compress_size = at, packed
    return entry


def _open_ended(
    feed: Feed, start: int, file: BinaryIO, entry: zipfile.ZipInfo, limits: Limits
) -> Iterator[Chunk]:
    if entry.compress_type == zipfile.ZIP_STORED:
        raise Broken("its end is not marked: only the lost directory knew it")
    file.seek(start)
    yield from _content(feed, entry.compress_type, limits)


def _dos(day: int, clock: int) -> tuple[int, int, int, int, int, int]:
    return (
        (day >> 9) + 1980,
        (day >> 5) & 0xF,
        day & 0x1F,
        clock >> 11,
        (clock >> 5) & 0x3F,
        (clock & 0x1F) * 2,
    )


def _modified(when: tuple[int, int, int, int, int, int]) -> int | None:
    if not (1 <= when[1] <= 12 and 1 <= when[2] <= 31):
        return None
    return calendar.timegm(when) * 1000

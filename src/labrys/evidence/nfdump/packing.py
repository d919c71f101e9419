"""Unpacks the blocks of nfcapd's files, never to more than a bound."""

import bz2
import sys
from typing import Final

from labrys.evidence.nfdump import lzo

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LZO, BZ2, LZ4, ZSTD = "LZO", "bzip2", "LZ4", "Zstandard"
MOST: Final = 16 << 20
"""Bytes of a block unpacked; nfcapd makes none of more than 5 MiB."""


def unpack(kind: str, data: bytes) -> bytes:
    """The block's content. Raises ValueError where it is broken, or more than `MOST`."""
    if kind == LZO:
        return lzo.unpack(data, MOST)
    if kind == LZ4:
        return _lz4(data)
    decoder = bz2.BZ2Decompressor() if kind == BZ2 else zstd.ZstdDecompressor()
    try:
        made = decoder.decompress(data, MOST)
    except (OSError, zstd.ZstdError) as wrong:
        raise ValueError(str(wrong)) from None
    if not decoder.eof:
        raise ValueError("it is not whole")
    return made


def _lz4(data: bytes) -> bytes:
    import lz4.block  # type: ignore[import-untyped]

    try:
        made: bytes = lz4.block.decompress(data, uncompressed_size=MOST)
    except lz4.block.LZ4BlockError as wrong:
        raise ValueError(str(wrong)) from None
    return made

"""Finds the links in a PDF without interpreting it: its URI actions, packed or not (ISO 32000-1).

What is encrypted, or packed otherwise than with Flate, is not looked into.
"""

import re
import zlib
from typing import Final

from labrys.evidence.mail.charset import text

MOST: Final = 200
_MOST_STREAMS: Final = 500
_MOST_PLAIN: Final = 16 << 20
_MOST_OF_ONE: Final = 1 << 20
_URI: Final = re.compile(
    rb"/URI\s{0,8}(?:\(((?:[^()\\]|\\.){4,4096})\)|<([0-9a-fA-F\s]{8,4096})>)", re.S
)
_STREAM: Final = re.compile(rb"stream\r?\n")
_ESCAPE: Final = re.compile(rb"\\([()\\])")


def links(content: bytes) -> list[str]:
    """The addresses that a PDF's links lead to, each once."""
    found: dict[str, None] = {}
    _collect(content, found)
    left = _MOST_PLAIN
    for number, stream in enumerate(_STREAM.finditer(content)):
        if number >= _MOST_STREAMS or left <= 0 or len(found) >= MOST:
            break
        plain = _inflated(content, stream.end(), min(left, _MOST_OF_ONE))
        left -= len(plain) + 1024
        if b"/URI" in plain:
            _collect(plain, found)
    return list(found)[:MOST]


def _inflated(content: bytes, start: int, most: int) -> bytes:
    """The beginning of a Flate stream; b"" for anything else."""
    if content[start : start + 1] not in (b"\x78", b"\x48", b"\x58", b"\x68"):
        return b""
    try:
        return zlib.decompressobj().decompress(content[start : start + 4 * most], most)
    except zlib.error:
        return b""


def _collect(plain: bytes, found: dict[str, None]) -> None:
    for said, coded in _URI.findall(plain):
        raw = bytes.fromhex(_even(coded)) if coded else _ESCAPE.sub(rb"\1", said)
        made = text(raw, "utf-16" if raw[:2] in (b"\xfe\xff", b"\xff\xfe") else "")[0].strip()
        if made:
            found[made] = None
        if len(found) >= MOST:
            return


def _even(coded: bytes) -> str:
    digits = b"".join(coded.split()).decode("ascii")
    return digits + "0" * (len(digits) % 2)

"""Unpacks compressed RTF and takes out the HTML or text in it (MS-OXRTFCP, MS-OXRTFEX).

Only what Outlook wraps a mail's body in is understood: the rest of RTF is left out as markup.
"""

import re
import struct
from typing import Final

from labrys.evidence.mail.charset import codec

LARGEST: Final = 8 << 20
_DICTIONARY: Final = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdeco"
    rb"r MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_TOKEN: Final = re.compile(
    rb"\\([a-z]{1,32}+)(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|([^\\{}\r\n]++)|[\r\n]",
    re.S,
)
_LINES: Final = {b"par": "\n", b"line": "\n", b"tab": "\t", b"htmlrtf": ""}
_SIGNS: Final = {b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”"}
_MORE_SIGNS: Final = {b"bullet": "•", b"endash": "–", b"emdash": "—", b"~": "\xa0", b"_": "-"}
_SKIPPED: Final = frozenset(
    [
        b"fonttbl",
        b"colortbl",
        b"stylesheet",
        b"pict",
        b"info",
        b"object",
        b"generator",
        b"themedata",
    ]
)


def unpacked(data: bytes) -> bytes:
    """The RTF that was compressed; as far as it goes, and no more than `LARGEST` bytes."""
    if len(data) < 16:
        return b""
    _, size, kind, _ = struct.unpack_from("<IIII", data)
    if kind == 0x414C454D:  # "MELA": stored
        return data[16 : 16 + min(size, LARGEST)]
    if kind != 0x75465A4C:  # "LZFu"
        return b""
    window = bytearray(_DICTIONARY.ljust(4096, b"\0"))
    place, at, out = len(_DICTIONARY), 16, bytearray()
    limit = min(size, LARGEST)
    while at < len(data) and len(out) < limit:
        flags, at = data[at], at + 1
        for bit in range(8):
            if at >= len(data):
                break
            if not flags >> bit & 1:
                made, at = data[at : at + 1], at + 1
            else:
                pair = int.from_bytes(data[at : at + 2], "big")
                at += 2
                origin, length = pair >> 4, (pair & 15) + 2
                if origin == place % 4096:
                    return bytes(out)
                made = bytes(_copied(window, place, origin, length))
                place += length
                out += made
                continue
            window[place % 4096] = made[0]
            place += 1
            out += made
    return bytes(out[:limit])


def _copied(window: bytearray, place: int, origin: int, length: int) -> bytearray:
    """Bytes from earlier on, written to the window at the same time: they may overlap."""
    made = bytearray()
    for step in range(length):
        byte = window[(origin + step) % 4096]
        window[(place + step) % 4096] = byte
        made.append(byte)
    return made


def body(rtf: bytes) -> tuple[str, bool]:
    """The HTML (True) or text (False) that RTF carries."""
    is_html = b"\\fromhtml" in rtf[:2048]
    reader = _Reader(is_html)
    for found in _TOKEN.finditer(rtf[:LARGEST]):
        reader.token(found)
    return reader.text(), is_html


class _Reader:
    """Follows the groups; `tags` is HTML itself, `skip` what stands there for RTF readers only."""

    def __init__(self, is_html: bool) -> None:
        self._is_html = is_html
        self._codec = "cp1252"
        self._out: list[str] = []
        self._pending = bytearray()
        self._stack: list[tuple[bool, bool, bool, int]] = []
        self._skip = self._group_skip = self._tags = False
        self._fallback = 1
        self._ignore = 0

    def token(self, found: "re.Match[bytes]") -> None:
        """Take in one piece of RTF."""
        word, number, coded, sign, brace, plain = found.groups()
        if brace is not None:
            self._brace(brace)
        elif word is not None:
            self._word(word, number)
        elif coded is not None:
            self._bytes(bytes([int(coded, 16)]))
        elif sign is not None:
            self._sign(sign)
        elif plain is not None:
            self._bytes(plain)

    def text(self) -> str:
        """All that was found."""
        self._flush()
        return "".join(self._out)

    def _brace(self, brace: bytes) -> None:
        self._flush()
        if brace == b"{":
            if len(self._stack) < 10_000:
                self._stack.append((self._skip, self._group_skip, self._tags, self._fallback))
        elif self._stack:
            self._skip, self._group_skip, self._tags, self._fallback = self._stack.pop()

    def _sign(self, sign: bytes) -> None:
        if sign in b"\\{}":
            self._bytes(sign)
        elif sign == b"*":
            self._group_skip = True
        elif sign in (b"~", b"_"):
            self._say(_MORE_SIGNS[sign])
        elif sign in b"\r\n":
            self._say("\n")

    def _word(self, word: bytes, number: bytes | None) -> None:
        value = int(number) if number else None
        if word in _SKIPPED:
            self._group_skip = True
        elif word == b"htmltag":
            self._group_skip, self._tags = False, True
        elif word == b"mhtmltag":
            self._group_skip = True
        elif word == b"htmlrtf":
            self._skip = value != 0
        elif word == b"ansicpg" and value:
            self._codec = codec(f"cp{value}") or "cp1252"
        elif word == b"uc" and value is not None:
            self._fallback = min(max(value, 0), 8)
        elif word == b"u" and value is not None:
            code = value & 0xFFFF
            self._say(chr(code) if not 0xD800 <= code < 0xE000 else "\ufffd")
            self._ignore = self._fallback
        elif said := (_LINES.get(word) or _SIGNS.get(word) or _MORE_SIGNS.get(word)):
            self._say(said)

    def _bytes(self, raw: bytes) -> None:
        if self._ignore:
            dropped = min(self._ignore, len(raw))
            self._ignore -= dropped
            raw = raw[dropped:]
        if not self._skip and not self._group_skip:
            self._pending += raw

    def _say(self, said: str) -> None:
        if not self._skip and not self._group_skip:
            self._flush()
            self._out.append(said)

    def _flush(self) -> None:
        if self._pending:
            self._out.append(bytes(self._pending).decode(self._codec, "replace"))
            self._pending.clear()

"""Cuts a stream of JSON into its records, whatever way they were written down (RFC 8259, 7464).

One object a line, objects one after the other, pretty-printed ones, one array of objects, or the
array inside an export's envelope such as `{"Records": [...]}`: each object comes out on its own,
in bounded memory, and a damaged one costs itself and not its neighbours.
"""

import codecs
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import msgspec
import orjson

BLOCK: Final = 1 << 20
LIMIT: Final = 16 << 20
"""The longest record there may be, in bytes; a longer one is a `BadRecord`."""
DEPTH: Final = 200
"""How deep a record may be nested: no deeper than every JSON library can write again."""
RAW: Final = 4096
# Hostile input must not make us look twice at everything, nor give a record for every byte: so
# much may be looked at again, and taking a broken line up again in its middle counts as so much.
_RESCAN: Final = 4 << 20
_RESUME: Final = 64


@dataclass(frozen=True, slots=True)
class BadRecord:
    """Text that is no JSON object: why, and its first bytes."""

    reason: str
    raw: bytes


# Syntax allows any number, `orjson` none beyond 64 bits of floating point. The search is for what
# such a number must have.
_LONG_NUMBER: Final = re.compile(rb"[0-9][eE]\+?0*+[1-9][0-9]{2}|[0-9]{200}")
_valid = msgspec.json.Decoder(msgspec.Raw).decode
_SPACE: Final = re.compile(rb"[\s,\x00\x1e]*")
_ARRAY: Final = re.compile(rb"\[[\s]*(?=[{\[\]])")
# An envelope is told from a record by its names: what exports wrap their records in, preceded by
# nothing but the facts such exports state about the page.
_ENVELOPE: Final = re.compile(
    rb'\{\s*+(?>"(?:@odata\.\w++|kind|apiVersion|etag|metadata|next(?:PageToken|Link)|NextToken'
    rb'|total|count)"\s*+:\s*+(?>"(?:[^"\\\n]++|\\.)*+"|[\w.+-]++|\{[^{}]*+\})\s*+,\s*+)*+'
    rb'"(?:Records|records|value|items|entries|Events)"\s*+:\s*+\[\s*+(?=[{\]])'
)
_ENVELOPE_HEAD: Final = 4096
# Everything that cannot change the depth: text outside strings, and whole strings.
_FLAT: Final = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\\n]++|\\[^\n])*+")*+')
_STRING_REST: Final = re.compile(rb'(?:[^"\\\n]++|\\[^\n])*+')
_SCALAR: Final = re.compile(rb'(?:[^",\[\]{}\n]++|"(?:[^"\\\n]++|\\[^\n])*+"?)++')
_CLOSES: Final = {ord("}"): ord("{"), ord("]"): ord("[")}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def objects(stream: BinaryIO) -> Iterator[tuple[int, bytes | BadRecord]]:
    """Every JSON object in the stream with its byte offset, in order, as strict UTF-8 JSON.

    An object is whole, well-formed and not nested deeper than `DEPTH` when it comes out:
    `orjson.loads` accepts it. One that only
    bends the rules (raw control characters, NaN, numbers without bound, broken UTF-8, lone
    surrogates) comes out mended;
    anything else is a `BadRecord`. Siblings of an envelope's array are not records and are left
    out. UTF-8 (with or without its mark) has exact offsets; in UTF-16 they count every character
    as two bytes, so they are exact up to the first character outside ASCII.
    """
    window = _Window(stream)
    nest: list[int] = []
    while window.more():
        if not nest:
            yield from _whole_lines(window)
        yield from _structure(window, nest)
    if nest:
        yield window.offset(window.at), BadRecord("the array of records never ends", b"")


class _Window:
    """The part of the stream in memory: `data[at:]` is not consumed yet."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._rescan = _RESCAN
        self.eof = False
        self.at = 0
        first = stream.read(BLOCK)
        self._base, self._decoder = _encoding(first)
        self._scale = 2 if self._decoder else 1
        self.data = first[self._base :]
        if self._decoder:
            self.data = self._decoder.decode(self.data).encode()
        self.eof = not first

    def offset(self, position: int) -> int:
        """Where in the stream `data[position]` comes from."""
        return self._base + position * self._scale

    def fill(self, keep: int) -> bool:
        """Read on, forgetting everything before `keep`; False at the end of the stream."""
        if self.eof:
            return False
        block = self._stream.read(BLOCK)
        self.eof = not block
        if self._decoder:
            block = self._decoder.decode(block, final=self.eof).encode()
        self._base += keep * self._scale
        self.at -= keep
        self.data = self.data[keep:] + block
        return bool(block) or not self.eof

    def more(self) -> bool:
        """Whether anything is left to consume."""
        while self.at >= len(self.data):
            if not self.fill(self.at):
                return False
        return True

    def may_rescan(self, size: int) -> bool:
        """Whether `size` more bytes may be looked at a second time."""
        self._rescan -= size
        return self._rescan > 0


def _encoding(head: bytes) -> "tuple[int, codecs.IncrementalDecoder | None]":
    """The length of the byte order mark, and a decoder when the text is UTF-16."""
    if head.startswith(codecs.BOM_UTF8):
        return 3, None
    for mark, name, ascii_pattern in (
        (codecs.BOM_UTF16_LE, "utf-16-le", (1, 0)),
        (codecs.BOM_UTF16_BE, "utf-16-be", (0, 1)),
    ):
        zero, text = ascii_pattern
        if head.startswith(mark):
            return 2, codecs.getincrementaldecoder(name)("replace")
        if head[zero : zero + 1] == b"\0" and head[text : text + 1] in (b"{", b"["):
            return 0, codecs.getincrementaldecoder(name)("replace")
    return 0, None


def _whole_lines(window: _Window) -> Iterator[tuple[int, bytes | BadRecord]]:
    """The common case at full speed: lines that each are one object; stops at the first other."""
    while True:
        data, at, base = window.data, window.at, window.offset(0)
        scale = window.offset(1) - base
        find, length = data.find, len(data)
        while (end := find(b"\n", at)) >= 0 or (window.eof and at < length):
            stop = end if end >= 0 else length
            line = data[at:stop].strip()
            if line:
                if line[0] != 0x7B or not (_is_record(line) and _is_shallow(line)):
                    window.at = at
                    return
                window.at = stop + 1
                yield base + at * scale, line
            at = stop + 1
        window.at = min(at, length)
        if length - window.at > BLOCK or not window.fill(window.at):
            return


def _is_record(text: bytes) -> bool:
    """Whether `text` is one strict JSON object, and not an envelope of others."""
    try:
        _valid(text)
        if not text.isascii():
            text.decode()
        if _LONG_NUMBER.search(text) is not None:
            orjson.loads(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, orjson.JSONDecodeError):
        return False
    return _ENVELOPE.match(text, 0, _ENVELOPE_HEAD) is None


def _is_shallow(text: bytes) -> bool:
    """Whether `text` has too few brackets to be nested too deep; if not, they must be followed."""
    return text.count(b"{") + text.count(b"[") <= DEPTH


def _structure(window: _Window, nest: list[int]) -> Iterator[tuple[int, bytes | BadRecord]]:
    """Records by bracket, until a line ends outside every array; `nest` holds the open brackets."""
    while window.more():
        gap = _SPACE.match(window.data, window.at)
        window.at = at = gap.end() if gap else window.at
        if at >= len(window.data):
            continue
        byte = window.data[at]
        if not nest and gap and b"\n" in gap.group():
            return
        if byte == 0x7B:
            if _opens(window, _ENVELOPE):
                nest += b"{["
            else:
                yield _object(window)
        elif byte == 0x5B and len(nest) < DEPTH and _opens(window, _ARRAY):
            nest.append(byte)
        elif nest and _CLOSES.get(byte) == nest[-1]:
            nest.pop()
            window.at += 1
            if nest and nest[-1] == 0x7B:
                nest.pop()
                window.at, _ = _Scan(window, b"{").end(window.at, keep=False)
        else:
            if byte in b"[]}":
                nest.clear()
            yield _stray(window, inside=bool(nest))


def _opens(window: _Window, pattern: "re.Pattern[bytes]") -> bool:
    """Whether `pattern` matches here; if so it is consumed."""
    while len(window.data) - window.at < _ENVELOPE_HEAD and window.fill(window.at):
        pass
    found = pattern.match(window.data, window.at, window.at + _ENVELOPE_HEAD)
    if found:
        window.at = found.end()
    return found is not None


def _stray(window: _Window, *, inside: bool) -> tuple[int, BadRecord]:
    """Text that opens no object: inside an array one value, elsewhere the rest of the line."""
    offset, raw = window.offset(window.at), b""
    while window.more():
        data, at = window.data, window.at
        if inside:
            found = _SCALAR.match(data, at)
            end = found.end() if found else at + (not raw)
            done = end < len(data)
        else:
            end = data.find(b"\n", at)
            done = end >= 0
            end = end if done else len(data)
        raw += data[at : min(end, at + RAW - len(raw))]
        window.at = end
        if done:
            break
    return offset, BadRecord("not a JSON object", raw.rstrip())


def _object(window: _Window) -> tuple[int, bytes | BadRecord]:
    """The object that begins here; the window moves past it, or past what is broken of it."""
    offset = window.offset(window.at)
    scan = _Scan(window, b"")
    end, reason = scan.end(window.at, keep=True)
    start = scan.start
    raw = window.data[start:end] if scan.kept else scan.head
    window.at = end
    if not reason:
        if _is_record(raw):
            return offset, raw
        if (mended := _mend(raw)) is not None:
            return offset, mended
        return offset, BadRecord("not well-formed JSON", raw[:RAW])
    if scan.kept:
        resume = window.data.find(b"\n{", start, end)
        if resume >= 0 and window.may_rescan(end - resume):
            window.at = resume + 1
            raw = raw[: resume - start]
        elif not window.may_rescan(_RESUME):
            _stray(window, inside=False)
    return offset, BadRecord(reason, raw[:RAW].rstrip())


class _Scan:
    """Finds where a bracket closes, reading on as needed."""

    def __init__(self, window: _Window, opened: bytes) -> None:
        self._window = window
        self._stack = bytearray(opened)
        self.start = window.at
        self.kept = True
        self.head = b""
        self._in_string = False

    def end(self, at: int, *, keep: bool) -> tuple[int, str]:
        """The position after the closing bracket and "", or where it breaks off and why.

        With `keep` the window holds the text from `start` on, unless it outgrew the limit.
        """
        if not keep:
            self.kept = False
        stack = self._stack
        while True:
            data = self._window.data
            if not self._in_string and (found := _FLAT.match(data, at)):
                at = found.end()
            if self._in_string or at >= len(data) or data[at] == 0x22:
                at, reason = self._string_or_more(at)
                if reason:
                    return at, reason
                continue
            byte = data[at]
            if byte in b"{[":
                if byte == 0x7B and stack and not self._may_open(data, at):
                    return at, "a record begins inside another that never ends"
                stack.append(byte)
                if len(stack) > DEPTH:
                    return at + 1, f"nested more than {DEPTH} deep"
            elif stack.pop() != _CLOSES[byte]:
                return at + 1, "brackets do not match"
            at += 1
            if not stack:
                reason = "" if self.kept or not keep else f"longer than {LIMIT} bytes"
                return at, reason

    def _may_open(self, data: bytes, at: int) -> bool:
        """Whether an object may begin at `at`: after a colon, or between the items of a list."""
        before = at - 1
        while before >= 0 and data[before] in b" \t\r\n":
            before -= 1
        return before < 0 or data[before] in (b":" if self._stack[-1] == 0x7B else b"[,")

    def _string_or_more(self, at: int) -> tuple[int, str]:
        """Go on inside a string, or at the end of the window; a reason when there is no more."""
        window = self._window
        data = window.data
        if at < len(data):
            found = _STRING_REST.match(data, at if self._in_string else at + 1)
            at = found.end() if found else at
            self._in_string = True
            if data[at : at + 1] == b'"':
                self._in_string = False
                return at + 1, ""
            if data[at : at + 1] == b"\n" or data[at : at + 2] == b"\\\n":
                return at, "a string never ends on its line"
        if self.kept and len(data) - self.start > LIMIT:
            self.kept, self.head = False, data[self.start : self.start + RAW]
        drop = self.start if self.kept else at
        if not window.fill(drop):
            return len(window.data), "the text ends inside a record"
        self.start -= min(drop, self.start)
        return at - drop, ""


def _mend(raw: bytes) -> bytes | None:
    """The same object as strict JSON when it only bends the rules; None when it breaks them."""
    text = _SURROGATE.sub(_visible, raw.decode("utf-8", "surrogateescape"))
    try:
        value = json.loads(
            text, strict=False, parse_constant=str, parse_float=_finite, parse_int=_finite
        )
        if not isinstance(value, dict):
            return None
        dumped = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return _SURROGATE.sub(_visible, dumped).encode()


def _finite(text: str) -> int | float | str:
    """A number, or the text of one that is too large for any reader of JSON."""
    number = float(text)
    if not math.isfinite(number):
        return text
    return number if not text.lstrip("-").isdigit() else int(text)


def _visible(found: "re.Match[str]") -> str:
    """A lone surrogate, or the undecodable byte it stands for, spelled out inside a JSON string."""
    code = ord(found.group())
    return f"\\\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\\\u{code:04x}"

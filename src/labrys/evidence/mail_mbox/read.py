"""Reads mailboxes of the mbox family: messages one after the other, each behind a `From ` line.

Source: RFC 4155. Which way lines of text that begin with `From ` were marked is seen in each
message: by its Content-Length (mboxcl), or by `>` before them (mboxo, mboxrd).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from labrys.evidence.mail.mime import parse
from labrys.evidence.mail.read import LARGEST, header_score
from labrys.evidence.mail.rows import add
from labrys.evidence.records import Records, Shaped, Source

_BLOCK: Final = 1 << 20
_HEADER: Final = 64 << 10
_SEPARATOR: Final = re.compile(
    rb"From (?:[^\n]{0,400}?\d{1,2}:\d\d(?::\d\d)?[^\n]{0,60}|[^\s\n]{1,320}[ \t]*)\r?\n"
)
_FIELD: Final = re.compile(rb">?[!-9;-~]{1,76}[ \t]?:|>?From |[ \t]*\r?\n")
_LENGTH: Final = re.compile(rb"(?im)^content-length[ \t]*:[ \t]*(\d{1,12})[ \t]*\r?$")
_ESCAPED: Final = re.compile(rb"(?m)^>(>*From )")
_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,20}")


def sniff(head: bytes, name: str) -> float:
    """How surely this is a mailbox: by its first line and the header of its first message."""
    start = _START.match(head)
    first = _SEPARATOR.match(head, start.end() if start else 0)
    if first is None:
        return 0.0
    return header_score(head[first.end() :])


def read(source: Source) -> Iterator[Shaped]:
    """Each message, and all messages inside it; `_offset` is its number in the mailbox."""
    records = Records(source)
    with source.open() as stream:
        for number, message in enumerate(_messages(stream)):
            if message.cut:
                records.unparsed(number, f"a message of more than {LARGEST} bytes: cut there")
            content = message.content
            if message.escaped:
                content = _ESCAPED.sub(rb"\1", content)
            add(records, parse(content, 0, len(content)), number)
            if records.full:
                yield from records.drain()
    yield from records.drain()


@dataclass(frozen=True, slots=True)
class _Stored:
    content: bytes
    escaped: bool
    cut: bool = False


def _messages(stream: BinaryIO) -> Iterator[_Stored]:
    """The messages in the order of the file; no more than one is in memory."""
    window = _Window(stream)
    window.skip_separator()
    while window.data or not window.ended:
        yield window.message()


class _Window:
    """The part of the mailbox in memory: it begins behind a separator."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.data = stream.read(_BLOCK)
        self.ended = not self.data

    def _more(self) -> bool:
        block = self._stream.read(max(_BLOCK, len(self.data)))
        self.ended = not block
        self.data += block
        return bool(block)

    def skip_separator(self) -> None:
        """Drop what is before the first message."""
        start = _START.match(self.data)
        at = start.end() if start else 0
        first = _SEPARATOR.match(self.data, at)
        self.data = self.data[first.end() if first else at :]

    def message(self) -> _Stored:
        """The next message; the window then begins behind the separator after it."""
        length = self._by_length()
        if length is not None:
            return length
        at = 0
        while True:
            found = self._separator(at)
            if found is not None:
                content = self.data[: found.start()]
                self.data = self.data[found.end() :]
                cut = len(content) > LARGEST
                return _Stored(_without_last_newline(content)[:LARGEST], escaped=True, cut=cut)
            if len(self.data) > LARGEST:
                return self._too_large()
            at = max(len(self.data) - 1024, 0)
            if not self._more():
                content, self.data = self.data, b""
                return _Stored(content, escaped=True)

    def _separator(self, at: int) -> "re.Match[bytes] | None":
        """The next separator from `at` on: behind an empty line, or at least before a header."""
        data = self.data
        at = 0 if at == 0 else at
        while True:
            place = 0 if at == 0 and data.startswith(b"From ") else data.find(b"\nFrom ", at) + 1
            if place == 0 and not (at == 0 and data.startswith(b"From ")):
                return None
            found = _SEPARATOR.match(data, place)
            if found is not None:
                if found.end() + 100 > len(data) and not self.ended and len(data) < LARGEST:
                    return None  # what follows is not in memory yet
                if _is_separator(data, place, found.end()):
                    return found
            at = place + 1

    def _by_length(self) -> _Stored | None:
        """The message as its own Content-Length cuts it, if a separator or the end is there."""
        while len(self.data) < _HEADER and self._more():
            pass
        head = self.data[:_HEADER]
        ends = [place for mark in (b"\n\n", b"\n\r\n") if (place := head.find(mark)) >= 0]
        body = min(ends, default=-1)
        if body < 0 or (found := _LENGTH.search(head, 0, body + 1)) is None:
            return None
        body += 2 if head[body + 1 : body + 2] == b"\n" else 3
        end = body + int(found[1])
        if end > LARGEST:
            return None
        while len(self.data) < end + 512 and self._more():
            pass
        rest = _START.match(self.data, end)
        begin = rest.end() if rest else end
        if end <= len(self.data) and begin >= len(self.data) and self.ended:
            content, self.data = self.data[:end], b""
            return _Stored(content, escaped=False)
        after = _SEPARATOR.match(self.data, begin)
        if after is None or end > len(self.data) or self.data[begin - 1 : begin] != b"\n":
            return None
        content, self.data = self.data[:end], self.data[after.end() :]
        return _Stored(content, escaped=False)

    def _too_large(self) -> _Stored:
        """What may be kept of a message; the rest is read past."""
        content = self.data[:LARGEST]
        self.data = self.data[LARGEST:]
        at = 0
        while (found := self._separator(at)) is None:
            self.data = self.data[-1024:]
            if not self._more():
                self.data = b""
                return _Stored(content, escaped=True, cut=True)
        self.data = self.data[found.end() :]
        return _Stored(content, escaped=True, cut=True)


def _is_separator(data: bytes, at: int, end: int) -> bool:
    """Whether a line that looks like a separator is one."""
    if _FIELD.match(data, end) is None and end < len(data):
        return False
    return (
        at == 0
        or data[at - 2 : at] == b"\n\n"
        or data[at - 3 : at] == b"\n\r\n"
        or (data[at - 1 : at] == b"\n" and b":" in data[end : end + 80].partition(b"\n")[0])
    )


def _without_last_newline(content: bytes) -> bytes:
    """The empty line before a separator is not of the message."""
    if content.endswith(b"\r\n\r\n"):
        return content[:-2]
    return content[:-1] if content.endswith(b"\n\n") else content

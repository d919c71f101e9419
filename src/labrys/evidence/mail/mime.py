"""Takes a message apart: its headers, and its parts as places in the bytes (RFC 5322, RFC 2046).

Nothing is copied and nothing decoded here. Lenient as mail programs are, because what they show is
what counts; each leniency that was needed, and every bound that was met, is named in `problems`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from labrys.evidence.mail.words import Parameters, decoded, parameters

MOST_HEADER: Final = 512 << 10
"""Bytes of one header block that are read."""
MOST_FIELDS: Final = 2_000
MOST_PARTS: Final = 10_000
DEEPEST: Final = 30
"""How deep parts may be nested within one message."""
_MOST_PROBLEMS: Final = 32
_MOST_STRAY: Final = 20
_FIELD: Final = re.compile(
    rb"([!-9;-~]{1,200}+)[ \t]*+:[ \t]*+([^\n]*+(?:\n[ \t]++[^\n\t ][^\n]*+)*+)(?:\n|\Z)"
)
_BLANK: Final = re.compile(rb"[ \t]*+\r?(?:\n|\Z)")
_LINE: Final = re.compile(rb"[^\n]*+(?:\n|\Z)")
_LEADING: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t]*+\r?\n)*+")
_END_OF_DELIMITER: Final = re.compile(rb"(--)?[ \t]*+\r?(?:\n|\Z)")


@dataclass(slots=True)
class Headers:
    """A header block: `block` its bytes, `fields` its fields in order, names lower-cased."""

    block: bytes
    fields: list[tuple[str, bytes]]
    by_name: dict[str, list[bytes]]

    def first(self, name: str) -> bytes:
        """The value of the first field of that name, b"" without one."""
        found = self.by_name.get(name)
        return found[0] if found else b""

    def all(self, name: str) -> Sequence[bytes]:
        """The values of all fields of that name, topmost first."""
        return self.by_name.get(name, ())

    def text(self, name: str) -> str | None:
        """The first field of that name as its reader sees it."""
        found = self.by_name.get(name)
        return decoded(found[0]) or None if found else None


@dataclass(slots=True)
class Part:
    """A leaf of a message: `buffer[start:end]` is its content, still transfer-encoded.

    `within` is the kind of multipart that holds it, `alternative` the number of the innermost
    multipart/alternative around it (-1: none), `depth` how many multiparts are around it.
    """

    kind: str
    parameters: Parameters
    disposition: str
    name: str
    encoding: str
    content_id: str
    buffer: bytes
    start: int
    end: int
    depth: int = 0
    within: str = ""
    alternative: int = -1


@dataclass(slots=True)
class Message:
    """A message taken apart; `size` in bytes. `buffer[body:end]` is its body as it came, where it
    came as bytes."""

    headers: Headers
    parts: list[Part]
    size: int
    kind: str = ""
    problems: list[str] = field(default_factory=list)
    buffer: bytes = b""
    body: int = 0
    end: int = 0

    def problem(self, said: str) -> None:
        """Note, once, something that could not be understood."""
        if said not in self.problems and len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(said)


def parse(buffer: bytes, start: int, end: int) -> Message:
    """The message in `buffer[start:end]`. Never raises."""
    message = Message(_NO_HEADERS, [], end - start)
    leading = _LEADING.match(buffer, start, end)
    at = leading.end() if leading else start
    message.headers, body = _headers(buffer, at, end, message)
    message.buffer, message.body, message.end = buffer, min(body, end), end
    for name in ("from", "subject", "date", "content-type", "message-id", "sender", "reply-to"):
        if len(message.headers.all(name)) > 1:
            message.problem(f"more than one {name.title()} header")
    walk = _Walk(message, buffer)
    message.kind = walk.entity(message.headers, body, end, _Place(0, "", -1, "text/plain"))
    return message


def headers_of(block: bytes) -> Headers:
    """Only the fields of a header block."""
    return _headers(block, 0, len(block), Message(_NO_HEADERS, [], 0))[0]


_NO_HEADERS: Final = Headers(b"", [], {})


def _headers(buffer: bytes, start: int, end: int, message: Message) -> tuple[Headers, int]:
    """The header block that begins at `start`, and where the body does."""
    limit = min(end, start + MOST_HEADER)
    fields: list[tuple[str, bytes]] = []
    by_name: dict[str, list[bytes]] = {}
    at, stray = start, 0
    match, blank = _FIELD.match, _BLANK.match
    while at < limit:
        found = match(buffer, at, limit)
        if found is not None:
            name, value = found[1].decode("ascii").lower(), found[2]
            fields.append((name, value))
            by_name.setdefault(name, []).append(value)
            at = found.end()
            if len(fields) < MOST_FIELDS:
                continue
            limit = at
            break
        if (empty := blank(buffer, at, end)) is not None:
            return Headers(buffer[start:at], fields, by_name), empty.end()
        stray += 1
        after = _LINE.match(buffer, at, limit)
        beyond = after.end() if after else limit
        if stray > _MOST_STRAY or not _goes_on(buffer, at, beyond, limit, first=not fields):
            if fields:
                message.problem("headers end without an empty line")
            return Headers(buffer[start:at], fields, by_name), at
        if fields:
            message.problem("a line among the headers that is none")
        at = beyond
    block = Headers(buffer[start:at], fields, by_name)
    if limit >= end:
        return block, end
    message.problem("headers too long: the rest of them is not read")
    return block, _after_headers(buffer, at, end)


def _goes_on(buffer: bytes, at: int, beyond: int, limit: int, *, first: bool) -> bool:
    """Whether headers go on behind a line that is none."""
    if buffer[at : at + 6].lstrip(b">").startswith(b"From "):
        return True
    if first or beyond >= limit:
        return False
    return _FIELD.match(buffer, beyond, limit) is not None


def _after_headers(buffer: bytes, at: int, end: int) -> int:
    """Where the first empty line ends; the end when there is none."""
    found = [
        place + len(mark)
        for mark in (b"\n\n", b"\n\r\n")
        if (place := buffer.find(mark, at, end)) >= 0
    ]
    return min(found, default=end)


@dataclass(frozen=True, slots=True)
class _Place:
    depth: int
    within: str
    alternative: int
    default: str


class _Walk:
    """Goes through a message's parts in the order of its bytes."""

    def __init__(self, message: Message, buffer: bytes) -> None:
        self._message, self._buffer = message, buffer
        self._boundaries: set[bytes] = set()
        self._alternatives = 0
        self._seen = 0

    def entity(self, headers: Headers, start: int, end: int, place: _Place) -> str:
        """Take apart one entity; its type."""
        raw = headers.first("content-type")
        kind, given = parameters(raw) if raw else (place.default, _NONE)
        if "/" not in kind:
            if raw:
                self._message.problem("a Content-Type that is none")
            kind = _SHORT.get(kind, "text/plain" if not kind else "application/octet-stream")
        if kind.startswith("multipart/") and self._multipart(kind, given, start, end, place):
            return kind
        if kind.startswith("multipart/"):
            kind = "text/plain"
        self._leaf(headers, kind, given, start, end, place)
        return kind

    def _leaf(
        self, headers: Headers, kind: str, given: Parameters, start: int, end: int, place: _Place
    ) -> None:
        disposition, more = "", _NONE
        if raw := headers.first("content-disposition"):
            disposition, more = parameters(raw)
        encoding = ""
        if raw := headers.first("content-transfer-encoding"):
            encoding = parameters(raw)[0].strip('"')
        name = more.get("filename") or given.get("name") or ""
        self._message.parts.append(
            Part(
                kind,
                given,
                disposition,
                name[:1000],
                encoding,
                headers.first("content-id").strip(b" <>\r\n\t")[:200].decode("ascii", "replace"),
                self._buffer,
                start,
                end,
                place.depth,
                place.within,
                place.alternative,
            )
        )

    def _multipart(self, kind: str, given: Parameters, start: int, end: int, place: _Place) -> bool:
        """Take apart a multipart; False when it is none, so that its text is looked at instead."""
        message = self._message
        boundary = given.get("boundary", "").rstrip().encode("utf-8", "replace")[:500]
        if not boundary:
            message.problem("a multipart without a boundary")
            return False
        if place.depth >= DEEPEST:
            message.problem(f"parts nested more than {DEEPEST} deep: not taken apart")
            return False
        if boundary in self._boundaries:
            message.problem("a boundary that is used twice")
        self._boundaries.add(boundary)
        spans, closed = self._delimited(b"--" + boundary, start, end)
        if not spans:
            message.problem("a multipart whose boundary never comes")
            return False
        if not closed:
            message.problem("a multipart that never ends")
        alternative = place.alternative
        if kind == "multipart/alternative":
            self._alternatives += 1
            alternative = self._alternatives
        default = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        below = _Place(place.depth + 1, kind[10:60], alternative, default)
        for first, last in spans:
            self._seen += 1
            if self._seen > MOST_PARTS:
                message.problem(f"more than {MOST_PARTS} parts: the rest is not read")
                break
            headers, body = _headers(self._buffer, first, last, message)
            self.entity(headers, min(body, last), last, below)
        return True

    def _delimited(self, mark: bytes, start: int, end: int) -> tuple[list[tuple[int, int]], bool]:
        """The spans between the delimiter lines, and whether the closing one is there."""
        buffer, spans = self._buffer, []
        opened, at = -1, start
        while (found := buffer.find(mark, at, end)) >= 0:
            at = found + len(mark)
            if found > start and buffer[found - 1] != 0x0A:
                continue
            tail = _END_OF_DELIMITER.match(buffer, at, end)
            if tail is None:
                continue
            if opened >= 0:
                spans.append((opened, max(opened, _before_newline(buffer, opened, found))))
            if tail[1]:
                return spans, True
            opened = at = tail.end()
            if len(spans) > MOST_PARTS:
                return spans, True
        if opened >= 0:
            spans.append((opened, end))
        return spans, False


def _before_newline(buffer: bytes, start: int, at: int) -> int:
    """The place before the line break that ends at `at`: it belongs to the delimiter."""
    if at - 1 >= start and buffer[at - 1] == 0x0A:
        at -= 1
        if at - 1 >= start and buffer[at - 1] == 0x0D:
            at -= 1
    return at


_NONE: Final[Parameters] = {}
_SHORT: Final = {"text": "text/plain", "html": "text/html", "plain": "text/plain"}

"""Reads the heads of HTTP/1 requests and responses (RFC 9112), named as in Zeek's `http.log`.

Bodies are skipped: a head is looked for where a packet begins like one.
"""

import base64
import binascii
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from labrys.evidence.pcap.services import METHODS
from labrys.evidence.pcap.talk import Piece, Stream, Talk, emit, printable
from labrys.evidence.records import Records

SHAPE: Final = "net.http"
MOST_WAITING: Final = 64
"""Requests of a connection that may wait for their response."""
_MOST_HEAD: Final = 16 << 10
_MOST_LINES: Final = 256
_MOST_VALUE: Final = 4_096
_STARTS: Final = (*METHODS, b"HTTP/1.")
_REQUEST: Final = {
    "host": "host", "user-agent": "user_agent", "referer": "referrer", "origin": "origin",
    "content-length": "request_body_len", "content-type": "orig_content_type", "cookie": "cookie",
    "x-forwarded-for": "x_forwarded_for", "accept-language": "accept_language",
}  # fmt: skip
_RESPONSE: Final = {
    "content-length": "response_body_len", "content-type": "content_type", "server": "server",
    "location": "location", "content-disposition": "content_disposition",
    "content-encoding": "content_encoding",
}  # fmt: skip
_PROXIED: Final = ("via", "x-forwarded-for", "forwarded", "proxy-authorization", "client-ip")


@dataclass(slots=True)
class _Waiting:
    requests: deque[tuple[Piece, dict[str, Any]]] = field(default_factory=deque)
    depth: int = 0
    weight: int = 0


def step(talk: Talk, records: Records, final: bool) -> None:
    """Every head that is whole, or, at the end, what there is."""
    if talk.state is None:
        talk.state = _Waiting()
    waiting: _Waiting = talk.state
    heads = [(piece, data, False) for piece, data in _heads(talk.asked, final)]
    heads += [(piece, data, True) for piece, data in _heads(talk.said, final)]
    heads.sort(key=lambda each: each[0].number)
    for piece, data, reply in heads:
        if reply:
            _answered(talk, records, waiting, piece, data)
        else:
            fields = request(data)
            waiting.depth += 1
            fields["trans_depth"] = str(waiting.depth)
            if len(waiting.requests) >= MOST_WAITING:
                _emit(talk, records, *waiting.requests.popleft())
            waiting.requests.append((piece._replace(data=b""), fields))
            waiting.weight += 1_000 + len(data)
    while final and waiting.requests:
        _emit(talk, records, *waiting.requests.popleft())
    if not waiting.requests:
        waiting.weight = 0


def _answered(talk: Talk, records: Records, waiting: _Waiting, piece: Piece, data: bytes) -> None:
    fields = response(data)
    if waiting.requests:
        if fields.get("status_code", "").startswith("1") and fields["status_code"] != "101":
            waiting.requests[0][1]["info_code"] = fields["status_code"]
            waiting.requests[0][1]["info_msg"] = fields.get("status_msg")
            return  # the response proper is still to come
        piece, asked = waiting.requests.popleft()
        fields = asked | fields
    _emit(talk, records, piece, fields)


def _emit(talk: Talk, records: Records, piece: Piece, fields: dict[str, Any]) -> None:
    emit(records, talk, SHAPE, fields, piece)


def _heads(side: Stream, final: bool) -> list[tuple[Piece, bytes]]:
    """The heads in what one side said; what is unfinished stays for later, unless it is `final`."""
    made: list[tuple[Piece, bytes]] = []
    open_at: Piece | None = None
    data, after = b"", 0
    kept: list[Piece] = []
    last = -1 << 40
    for place, piece in side.ordered():
        if place + len(piece.data) <= last:
            continue  # sent again
        last = place + len(piece.data)
        if open_at is not None and place == after:
            data, after = data + piece.data, last
            kept.append(piece)
        else:
            if open_at is not None:
                made.append((open_at, data))
            if not piece.data.startswith(_STARTS):
                open_at = None
                continue
            open_at, data, after, kept = piece, piece.data, last, [piece]
        if b"\r\n\r\n" in data or b"\n\n" in data or len(data) > _MOST_HEAD:
            made.append((open_at, data))
            open_at = None
    side.forget()
    if open_at is not None:
        if final:
            made.append((open_at, data))
        else:
            for piece in kept:
                side.add(piece)
    return made


def _lines(data: bytes) -> tuple[bytes, list[tuple[str, str]]]:
    """The first line, and the header fields by their names in lower case."""
    head = data[:_MOST_HEAD]
    for mark in (b"\r\n\r\n", b"\n\n"):
        head = head.partition(mark)[0]
    first, *lines = head.split(b"\n", _MOST_LINES)
    found = []
    for line in lines[:_MOST_LINES]:
        name, colon, value = line.partition(b":")
        if colon:
            found.append((printable(name.strip()).lower(), printable(value.strip())[:_MOST_VALUE]))
    return first.strip(b"\r"), found


def request(data: bytes) -> dict[str, Any]:
    """The fields of a request's head."""
    first, headers = _lines(data)
    method, _, rest = first.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if not version.startswith(b"HTTP/"):
        target, version = rest, b""
    made: dict[str, Any] = {"method": printable(method), "uri": printable(target)}
    if version:
        made["version"] = printable(version[5:])
    proxied = []
    for name, value in headers:
        column = _REQUEST.get(name)
        if column is not None and column not in made:
            made[column] = value
        if name in _PROXIED:
            proxied.append(f"{name.upper()} -> {value}")
        if name in ("authorization", "proxy-authorization"):
            made |= _credentials(value)
    if proxied:
        made["proxied"] = proxied
    made["client_header_names"] = [name.upper() for name, _ in headers[:64]]
    host = made.get("host")
    if host and ":" in host and not host.endswith("]"):
        made["host"] = host.rpartition(":")[0]  # Zeek's `host` is without the port
    if "request_body_len" not in made:
        made["request_body_len"] = "0"
    return made


def _credentials(value: str) -> dict[str, Any]:
    """Who logs in; a password is only said to be there, as Zeek does by default."""
    scheme, _, rest = value.partition(" ")
    made: dict[str, Any] = {"auth_scheme": scheme[:32]}
    if scheme.lower() == "basic":
        try:
            plain = base64.b64decode(rest[:1024], validate=False)
        except (binascii.Error, ValueError):
            return made
        user, colon, _ = printable(plain).partition(":")
        made["username"] = user
        made["password"] = "<password>" if colon else None
    elif scheme.lower() == "digest" and 'username="' in rest:
        made["username"] = unquote(rest.partition('username="')[2].partition('"')[0])
    return made


def response(data: bytes) -> dict[str, Any]:
    """The fields of a response's head."""
    first, headers = _lines(data)
    version, _, rest = first.partition(b" ")
    code, _, message = rest.partition(b" ")
    made: dict[str, Any] = {
        "status_code": printable(code)[:3],
        "status_msg": printable(message),
        "resp_version": printable(version[5:]),
    }
    for name, value in headers:
        column = _RESPONSE.get(name)
        if column is not None and column not in made:
            made[column] = value
    kind = made.get("content_type")
    if kind:
        made["resp_mime_types"] = kind.partition(";")[0].strip()
    disposition = made.get("content_disposition")
    if disposition and "filename" in disposition:
        made["resp_filenames"] = disposition.partition("filename")[2].lstrip("*=").strip('"; ')
    made.setdefault("response_body_len", None)
    return made

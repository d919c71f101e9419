"""Opens what Outlook packs a mail into for itself, winmail.dat: TNEF ([MS-OXTNEF], [MS-OXPROPS]).

Its bodies and attachments become parts of the message that carries it. Only what they are made of is
read; everything is bounded by the bytes there are, and what is cut off is read as far as it goes.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from labrys.evidence.mail.charset import codec
from labrys.evidence.mail.mime import Message, Part
from labrys.evidence.mail.transfer import Decoder
from labrys.evidence.mail_outlook import rtf

SIGNATURE: Final = b"\x78\x9f\x3e\x22"
MOST: Final = 8
"""Streams that are opened for one message and all inside it."""
MOST_ATTACHMENTS: Final = 1_000
_MOST_PROPERTIES: Final = 20_000
_LARGEST_RTF: Final = 512 << 10
"""Bytes of a packed body that are unpacked: that is slow, and ten times as much comes out."""
_KINDS: Final = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_BODY, _CODE_PAGE, _PROPERTIES, _SUBJECT = 0x0002800C, 0x00069007, 0x00069003, 0x00018004
_NEXT, _TITLE, _DATA, _OF_ATTACHMENT = 0x00069002, 0x00018010, 0x0006800F, 0x00069005
_FIXED: Final = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
"""Bytes of a property's value by its type, filled up to four."""
_TEXT, _WIDE, _OBJECT, _BINARY, _TIME, _SEVERAL = 0x1E, 0x1F, 0x0D, 0x102, 0x40, 0x1000
_MESSAGE: Final = bytes.fromhex("0703020000000000c000000000000046")
"""What an attached item begins with: the interface of a message."""
_NAMES, _CONTENT, _KIND, _ID = (0x3707, 0x3704, 0x3001), 0x3701, 0x370E, 0x3712
_TOLD: Final = (0x0C1A, 0x0042, 0x5D01, 0x0C1F, 0x0065, 0x0E04, 0x0037, 0x1035)
_BREAK: Final = re.compile(r"[\r\n\0]+")

Properties = dict[int, tuple[int, bytes]]


@dataclass(slots=True)
class _Attached:
    title: bytes = b""
    data: bytes = b""
    properties: Properties = field(default_factory=dict)


@dataclass(slots=True)
class _Opened:
    """What a stream holds; `page` is the code page of its texts."""

    page: str = "cp1252"
    plain: bytes = b""
    subject: bytes = b""
    properties: Properties = field(default_factory=dict)
    attached: list[_Attached] = field(default_factory=list)
    problem: str = ""


def open_all(message: Message, limit: int, most: int) -> int:
    """Add the bodies and attachments of the TNEF streams among a message's parts to its parts.

    No more than `limit` bytes of all streams together are read, and no more than `most` streams
    opened; how many were. Never raises.
    """
    opened = 0
    for part in message.parts:  # it grows while it is gone through: streams within streams
        if part.kind not in _KINDS and part.name.lower() != "winmail.dat":
            continue
        data = Decoder(part.buffer, part.start, part.end, part.encoding).head(limit)
        if not data.startswith(SIGNATURE):
            continue
        if opened >= most or not limit:
            message.problem("too much in TNEF: the rest is not opened")
            break
        opened += 1
        limit -= len(data)
        made = _read(data)
        if made.problem:
            message.problem(made.problem)
        said = any(each.kind.startswith("text/") and not each.name for each in message.parts)
        message.parts += _parts(made, part.depth + 1, plain=not said)
    return opened


def header(data: bytes) -> bytes:
    """The header of the message in a stream, as far as it tells: sender, recipients, subject, time."""
    made = _read(data)
    said = {name: _text(made.properties, name, made.page) for name in _TOLD}
    sender = next((said[name] for name in (0x0C1A, 0x0042) if said[name]), "")
    address = next((said[name] for name in (0x5D01, 0x0C1F, 0x0065) if "@" in said[name]), "")
    sender = sender.replace('"', "'").replace("\\", "")
    lines = [
        ("From", f'"{sender}" <{address}>' if address else f'"{sender}"' if sender else ""),
        ("To", said[0x0E04]),
        ("Subject", said[0x0037] or made.subject.decode(made.page, "replace")),
        ("Message-ID", said[0x1035]),
        ("Date", _sent(made.properties)),
    ]
    block = "".join(f"{name}: {_BREAK.sub(' ', text)}\n" for name, text in lines if text)
    return block.encode("utf-8", "replace")


def _sent(found: Properties) -> str:
    kind, raw = found.get(0x0039, found.get(0x0E06, (0, b"")))
    if kind != _TIME or len(raw) < 8:
        return ""
    seconds = int.from_bytes(raw[:8], "little") // 10_000_000 - 11_644_473_600
    if not 0 < seconds < 4_133_980_800:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %b %Y %H:%M:%S +0000")


def _read(data: bytes) -> _Opened:
    made = _Opened()
    at = 6  # behind the signature and a key
    while at + 9 <= len(data):
        (name, size) = struct.unpack_from("<II", data, at + 1)
        value = data[at + 9 : at + 9 + size]
        if len(value) < size:
            made.problem = "a part in TNEF that is cut off"
        _attribute(made, name, value)
        at += 9 + size + 2
    return made


def _attribute(made: _Opened, name: int, value: bytes) -> None:
    if name == _CODE_PAGE and len(value) >= 4:
        made.page = codec(f"cp{int.from_bytes(value[:4], 'little')}") or made.page
    elif name == _SUBJECT:
        made.subject = value.rstrip(b"\0")[:1000]
    elif name == _BODY:
        made.plain = value.rstrip(b"\0")
    elif name == _PROPERTIES:
        made.properties = dict(_properties(value))
    elif name == _NEXT:
        if len(made.attached) < MOST_ATTACHMENTS:
            made.attached.append(_Attached())
        else:
            made.problem = f"more than {MOST_ATTACHMENTS} attachments in TNEF: the rest is left out"
            made.attached[-1] = _Attached()
    elif made.attached:
        last = made.attached[-1]
        if name == _TITLE:
            last.title = value.rstrip(b"\0")
        elif name == _DATA:
            last.data = value
        elif name == _OF_ATTACHMENT:
            last.properties = dict(_properties(value))


def _properties(data: bytes) -> Iterator[tuple[int, tuple[int, bytes]]]:
    """Each property's id with its type and its value (of several the first), as far as it goes."""
    at = 4
    try:
        for _ in range(min(int.from_bytes(data[:4], "little"), _MOST_PROPERTIES)):
            kind, name = struct.unpack_from("<HH", data, at)
            at += 4
            if name >= 0x8000:
                at = _after_name(data, at)
            several, kind = bool(kind & _SEVERAL), kind & ~_SEVERAL
            fixed = _FIXED.get(kind)
            count = 1
            if several or fixed is None:
                (count,) = struct.unpack_from("<I", data, at)
                at += 4
            if fixed is not None:
                yield name, (kind, data[at : at + fixed])
                at += fixed * count
                continue
            for number in range(count):
                (size,) = struct.unpack_from("<I", data, at)
                if number == 0:
                    yield name, (kind, data[at + 4 : at + 4 + size])
                at += 4 + size + -size % 4
                if at > len(data):
                    return
    except struct.error:
        return


def _after_name(data: bytes, at: int) -> int:
    """The place behind the name of a property that has one."""
    kind, size = struct.unpack_from("<II", data, at + 16)
    return at + 24 if kind == 0 else at + 24 + int(size + -size % 4)


def _text(found: Properties, name: int, page: str) -> str:
    kind, raw = found.get(name, (0, b""))
    if kind == _WIDE:
        return raw.decode("utf-16-le", "replace").rstrip("\0")
    return raw.decode(page, "replace").rstrip("\0") if kind == _TEXT else ""


def _parts(made: _Opened, depth: int, *, plain: bool) -> Iterator[Part]:
    """The body, of several the richest, and the attachments; `plain`: nothing else says it."""
    found, page = made.properties, made.page
    kind, html = found.get(0x1013, (0, b""))
    if kind == _WIDE:
        html = html.decode("utf-16-le", "replace").encode("utf-8")
        page = "utf-8"
    packed = found.get(0x1009, (0, b""))[1][:_LARGEST_RTF]
    text = _text(found, 0x1000, page).encode("utf-8", "replace")
    rich, is_html = rtf.body(rtf.unpacked(packed)) if packed and not html else ("", False)
    if html:
        said = codec(f"cp{int.from_bytes(found.get(0x3FDE, (0, b''))[1], 'little')}") or page
        yield _part("text/html", html.rstrip(b"\0"), depth, charset=said)
    elif is_html or (rich.strip() and plain):
        kind_ = "text/html" if is_html else "text/plain"
        yield _part(kind_, rich.encode("utf-8", "replace"), depth, charset="utf-8")
    elif plain and text:
        yield _part("text/plain", text, depth, charset="utf-8")
    elif plain and made.plain:
        yield _part("text/plain", made.plain, depth, charset=page)
    for number, one in enumerate(made.attached):
        yield _attachment(one, made.page, number, depth)


def _attachment(one: _Attached, page: str, number: int, depth: int) -> Part:
    found = one.properties
    named = (_text(found, name, page) for name in _NAMES)
    name = next((each for each in named if each), "") or one.title.decode(page, "replace")
    kind, content = found.get(_CONTENT, (0, b""))
    declared = _text(found, _KIND, page).strip().lower()
    if kind == _OBJECT and content.startswith(_MESSAGE):
        content, declared = content[16:], "application/vnd.ms-tnef"
    elif kind == _OBJECT:
        content = content[16:]
    made = _part(declared or "application/octet-stream", content or one.data, depth)
    made.name = (name or f"attachment {number}")[:1000]
    made.disposition, made.content_id = "attachment", _text(found, _ID, page)[:200]
    return made


def _part(kind: str, content: bytes, depth: int, charset: str = "") -> Part:
    return Part(
        kind=kind,
        parameters={"charset": charset} if charset else {},
        disposition="",
        name="",
        encoding="",
        content_id="",
        buffer=content,
        start=0,
        end=len(content),
        depth=depth,
        within="tnef",
    )

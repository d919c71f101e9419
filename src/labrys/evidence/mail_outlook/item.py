"""Makes a message of an Outlook item: its own header when it kept one, else one from its properties.

The rest of labrys then reads it like any other mail. Source: MS-OXMSG, MS-OXPROPS.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Final, Protocol

from labrys.evidence.mail.charset import codec
from labrys.evidence.mail.mime import Message, Part, headers_of
from labrys.evidence.mail_outlook import rtf

MOST_ATTACHMENTS: Final = 1_000
MOST_RECIPIENTS: Final = 1_000
_DEEPEST: Final = 10
_KINDS: Final = {1: "To", 2: "Cc", 3: "Bcc"}
_BREAK: Final = re.compile(r"[\r\n\0]+")
_EMBEDDED: Final = 5


class Item(Protocol):
    """An item, a recipient or an attachment: its properties by number, and what belongs to it."""

    def text(self, uid: int, code_page: str = "cp1252") -> str:
        """A property of text; "" where there is none."""

    def binary(self, uid: int) -> bytes | None:
        """A property of bytes; None where there is none."""

    def number(self, uid: int) -> int | None:
        """A property that is a number or a truth value."""

    def time(self, uid: int) -> int | None:
        """A property that is a time, as epoch milliseconds."""

    def recipients(self) -> "Iterable[Item]":
        """Whom the item is for."""

    def attachments(self) -> "Iterable[Item]":
        """What is attached to the item."""

    def embedded(self) -> "Item | None":
        """The item that this attachment is."""


def message_of(store: Item, depth: int = 0) -> tuple[Message, list[Message]]:
    """The message an item is, and those attached to it (to any depth, each with its own)."""
    page = codec(f"cp{store.number(0x3FFD) or 1252}") or "cp1252"
    block = _header_block(store, page)
    headers = headers_of(block)
    message = Message(headers, [], len(block))
    if store.text(0x001A).lower().startswith(("ipm.note.smime", "ipm.note.rpmsg")):
        message.problem("an encrypted or signed item: not opened")
    message.parts = _bodies(store, page)
    inner: list[Message] = []
    for number, attached in enumerate(store.attachments()):
        if number >= MOST_ATTACHMENTS:
            message.problem(f"more than {MOST_ATTACHMENTS} attachments: the rest is not read")
            break
        below = attached.embedded() if attached.number(0x3705) == _EMBEDDED else None
        if below is not None:
            if depth >= _DEEPEST:
                message.problem(f"messages nested more than {_DEEPEST} deep: not read")
                continue
            made, more = message_of(below, depth + 1)
            inner += (made, *more)
            content, kind = made.headers.block, "message/rfc822"
        else:
            content, kind = attached.binary(0x3701) or b"", attached.text(0x370E, page).lower()
        name = attached.text(0x3707, page) or attached.text(0x3704, page)
        uid = attached.text(0x3712, page)
        message.parts.append(_part(kind or "application/octet-stream", content, name, uid))
        if kind == "message/rfc822":
            message.parts[-1].kind = "application/vnd.ms-outlook"
    message.kind = "multipart/mixed" if len(message.parts) > 1 else "text/plain"
    message.size = len(block) + sum(part.end for part in message.parts)
    return message, inner


def _part(kind: str, content: bytes, name: str = "", uid: str = "", charset: str = "") -> Part:
    return Part(
        kind=kind,
        parameters={"charset": charset} if charset else {},
        disposition="attachment" if name else "",
        name=name[:1000],
        encoding="",
        content_id=uid[:200],
        buffer=content,
        start=0,
        end=len(content),
        alternative=1 if charset else -1,
    )


def _bodies(store: Item, page: str) -> list[Part]:
    """The text of an item: plain, and as HTML where there is that."""
    parts: list[Part] = []
    plain = store.text(0x1000, page)
    if plain:
        parts.append(_part("text/plain", plain.encode("utf-8", "replace"), charset="utf-8"))
    html = store.binary(0x1013)
    if html is None and (said := store.text(0x1013, page)):
        html = said.encode("utf-8", "replace")
        page = "utf-8"
    if html:
        charset = codec(f"cp{store.number(0x3FDE) or 0}") or page
        parts.append(_part("text/html", html, charset=_utf8(html) or charset))
    elif packed := store.binary(0x1009):
        made, is_html = rtf.body(rtf.unpacked(packed))
        if made.strip() and (is_html or not plain):
            kind = "text/html" if is_html else "text/plain"
            parts.append(_part(kind, made.encode("utf-8", "replace"), charset="utf-8"))
    return parts


def _utf8(html: bytes) -> str:
    return "utf-8" if b"utf-8" in html[:2048].lower() else ""


def _header_block(store: Item, page: str) -> bytes:
    """The header that came with the message, completed from what Outlook knows."""
    kept = store.text(0x007D, page)
    start = kept.find("\n") + 1 if kept.startswith("Microsoft Mail Internet Headers") else 0
    block = kept[start:].strip().replace("\r\n", "\n").encode("utf-8", "replace")
    block = block.split(b"\n\n", 1)[0]
    have = headers_of(block)
    lines = [line for name, line in _known(store, page) if name.lower() not in have.by_name]
    made = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
    return (block + b"\n" if block else b"") + made


def _known(store: Item, page: str) -> list[tuple[str, str]]:
    """Header fields that the item's properties can tell."""
    name = store.text(0x0C1A, page) or store.text(0x0042, page)
    address = store.text(0x5D01, page) or store.text(0x5D02, page)
    if not address and "@" in (other := store.text(0x0C1F, page)):
        address = other
    made = [("From", _mailbox(name, address))] if name or address else []
    told: dict[str, list[str]] = {}
    for one in islice(store.recipients(), MOST_RECIPIENTS):
        kind = _KINDS.get((one.number(0x0C15) or 1) & 0xF, "To")
        mailbox = one.text(0x39FE, page)
        if not mailbox and "@" in (other := one.text(0x3003, page)):
            mailbox = other
        told.setdefault(kind, []).append(_mailbox(one.text(0x3001, page), mailbox))
    made += [(kind, ", ".join(each)) for kind, each in told.items()]
    for field, uid in (("Subject", 0x0037), ("Message-ID", 0x1035), ("In-Reply-To", 0x1042)):
        if said := store.text(uid, page):
            made.append((field, said))
    if (sent := store.time(0x0039) or store.time(0x0E06)) is not None:
        when = datetime.fromtimestamp(sent / 1000, UTC)
        made.append(("Date", when.strftime("%d %b %Y %H:%M:%S +0000")))
    return [(field, f"{field}: {_BREAK.sub(' ', said)}") for field, said in made]


def _mailbox(name: str, address: str) -> str:
    plain = name.replace('"', "'").replace("\\", "")
    return f'"{plain}" <{address}>' if address else f'"{plain}"'

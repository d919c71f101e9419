"""Makes the rows of a message: `mail.message`, `mail.link`, `mail.attachment` and `mail.hop`.

Messages inside messages become messages of their own, with the `_id` of the one around them.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from labrys.evidence.mail import (
    alike,
    attachments,
    body,
    carried,
    enclosed,
    links,
    pdf,
    pictures,
    tnef,
)
from labrys.evidence.mail.charset import text
from labrys.evidence.mail.dates import moment, zone
from labrys.evidence.mail.domains import ascii_host, registered
from labrys.evidence.mail.hops import Hop, Results, border, hops, results
from labrys.evidence.mail.mime import MOST_PARTS, Headers, Message, Part, parse
from labrys.evidence.mail.transfer import Decoder
from labrys.evidence.mail.words import addresses, domain_of
from labrys.evidence.mail_auth.zone import given
from labrys.evidence.records import Records

DEEPEST: Final = 10
"""How deep messages inside messages are read."""
MOST_MESSAGES: Final = 1_000
_MOST_INSIDE: Final = 32 << 20
_MOST_HEADERS: Final = 64 << 10
_MOST_SIGNATURES: Final = 400
_DAY: Final = 86_400_000
_HELD: Final = frozenset(("message/rfc822", "message/global"))
_LOCKED: Final = {
    "application/pkcs7-mime": "a part in S/MIME: not opened",
    "application/x-pkcs7-mime": "a part in S/MIME: not opened",
    "application/pgp-encrypted": "encrypted with PGP",
    "message/partial": "only a piece of a message",
    "message/external-body": "a part that is kept elsewhere",
}


@dataclass(slots=True)
class _Budget:
    """What is left for one message and all inside it."""

    parts: int = MOST_PARTS
    messages: int = MOST_MESSAGES
    inside: int = _MOST_INSIDE
    pictures: int = pictures.MOST
    signatures: int = _MOST_SIGNATURES
    streams: int = tnef.MOST


@dataclass(slots=True)
class _Waiting:
    """A message that is still to be read."""

    message: Message
    parent: str | None
    depth: int


@dataclass(slots=True)
class Context:
    """Where rows go, and where in the source the outermost message is."""

    records: Records
    offset: int
    waiting: deque[_Waiting] = field(default_factory=deque)
    budget: _Budget = field(default_factory=_Budget)


def add(
    records: Records, message: Message, offset: int, *, parent: str | None = None, depth: int = 0
) -> None:
    """Add the rows of a message and of all messages inside it. Never raises."""
    context = Context(records, offset)
    context.waiting.append(_Waiting(message, parent, depth))
    while context.waiting:
        _add(context, context.waiting.popleft())


def _add(context: Context, waiting: _Waiting) -> None:
    message, records = waiting.message, context.records
    headers = message.headers
    uid = records.next_id
    way = hops(headers)
    budget = context.budget
    budget.streams -= tnef.open_all(message, min(budget.inside, _MOST_INSIDE), budget.streams)
    parts = message.parts
    if len(parts) > context.budget.parts:
        message.problem(f"more than {MOST_PARTS} parts: the rest is not read")
        parts = message.parts = parts[: context.budget.parts]
    context.budget.parts -= len(parts)
    shown = body.texts(message)
    said = body.read(message, shown)
    attached, seen = _attachments(context, waiting, uid, shown)
    found, left_out = links.rows(uid, [*said.seen, *seen])
    if left_out:
        message.problem(f"more than {links.MOST} links: the rest is left out")
    time, date = _time(headers, way)
    fields: dict[str, Any] = {
        **_identity(headers),
        **_subject(headers),
        **_origin(context, message, way),
        "date": date,
        "date_zone": zone(date) if date else None,
        "received_time": way[0].time if way else None,
        "content_types": _kinds(message),
        "text_visible": said.visible or None,
        "text_quoted": said.quoted or None,
        "text_hidden": said.hidden or None,
        "text_alternative": said.alternative or None,
        **said.columns,
        "links_count": len(found) or None,
        **carried.of_links(found),
        "attachments_count": len(attached) or None,
        **carried.of_attachments(attached),
        "campaign_keys": alike.keys(said.visible, attached),
        "parts_count": len(parts),
        "size": message.size,
        "parent": waiting.parent,
        "depth": waiting.depth,
        "headers": _raw(headers),
        "problems": message.problems,
    }
    size = len(said.visible) + len(said.quoted) + len(said.hidden) + len(said.alternative)
    size += min(len(headers.block), _MOST_HEADERS) + 2000 + 1200 * (len(found) + len(attached))
    offset = context.offset
    records.add("mail.message", _filled(fields), time=time, offset=offset, size=size)
    message_id = fields["message_id"]
    for shape, rows in (("mail.link", found), ("mail.attachment", attached)):
        for row in rows:
            row["message_id"] = message_id
            records.add(shape, _filled(row), time=time, offset=offset, size=0)
    for number, hop in enumerate(way):
        row = _filled(_hop(uid, number, hop))
        records.add("mail.hop", row, time=hop.time, offset=offset, size=300)


def _kinds(message: Message) -> list[str]:
    """The type of the message as a whole and those of its parts."""
    kinds = [part.kind for part in message.parts[:100]]
    return [message.kind, *kinds] if message.kind.startswith("multipart/") else kinds


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    """The row without its empty cells: most are, and in a file of one message each is a column.

    Numbers become text at once, and a list of one its element: a column of nothing but text is
    made several times faster.
    """
    made: dict[str, Any] = {}
    for name, value in row.items():
        kind = type(value)
        if kind is str:
            made[name] = value
        elif kind is int:
            made[name] = str(value)
        elif kind is bool:
            made[name] = "true" if value else "false"
        elif kind is list:
            if value:
                made[name] = value[0] if len(value) == 1 else value
        elif value is not None:
            made[name] = value
    return made


def _identity(headers: Headers) -> dict[str, Any]:
    """Who wrote, who is to get it, and where answers go."""
    senders = [one for raw in headers.all("from")[:10] for one in addresses(raw)]
    name, sender = senders[0] if senders else ("", "")
    row: dict[str, Any] = {
        "from_name": name or None,
        "from_address": sender or None,
        "from_domain": _domain(sender),
        "from_count": len(senders),
    }
    for column, field_name in (("sender", "sender"), ("reply_to", "reply-to")):
        first = next(iter(addresses(headers.first(field_name))), ("", ""))
        row[f"{column}_name"] = first[0] or None
        row[f"{column}_address"] = first[1] or None
        row[f"{column}_domain"] = _domain(first[1])
    back = next(iter(addresses(headers.first("return-path"))), ("", ""))[1]
    row["return_path_address"], row["return_path_domain"] = back or None, _domain(back)
    for name in ("to", "cc", "bcc"):
        found = [one for raw in headers.all(name)[:20] for one in addresses(raw)]
        row[name] = [mailbox for _, mailbox in found[:500] if mailbox]
        row[f"{name}_names"] = [shown for shown, _ in found[:500] if shown]
    row["to_count"] = len(row["to"]) + len(row["cc"]) + len(row["bcc"])
    row["delivered_to"] = [
        mailbox
        for raw in headers.all("delivered-to")[:10]
        for _, mailbox in addresses(raw)
        if mailbox
    ]
    return row


def _domain(mailbox: str) -> str | None:
    host = domain_of(mailbox)
    return (registered(host) or ascii_host(host) or None) if host else None


def _subject(headers: Headers) -> dict[str, Any]:
    message_id = headers.text("message-id")
    references = headers.first("references")
    return {
        "message_id": message_id.strip("<> ")[:500] if message_id else None,
        "message_id_domain": _domain(message_id.strip("<> \t")) if message_id else None,
        "subject": headers.text("subject"),
        "in_reply_to": (headers.text("in-reply-to") or "").strip("<> ")[:500] or None,
        "references_count": references.count(b"<") or None,
        "mailer": headers.text("x-mailer") or headers.text("user-agent"),
        "list_id": headers.text("list-id"),
        "list_unsubscribe": headers.text("list-unsubscribe"),
        "list_headers": [name for name in _LIST if name in headers.by_name],
        "precedence": headers.text("precedence"),
        "auto_submitted": headers.text("auto-submitted"),
        "importance": headers.text("importance") or headers.text("x-priority"),
        "feedback_id": headers.text("feedback-id"),
        "dkim_signed_by": [
            host for raw in headers.all("dkim-signature")[:10] if (host := _tag(raw, b"d"))
        ],
        "has_arc": "arc-seal" in headers.by_name or None,
    }


_LIST: Final = (
    *("list-id", "list-unsubscribe", "list-unsubscribe-post", "list-post", "list-help"),
    *("list-subscribe", "list-archive", "list-owner", "mailing-list", "precedence"),
)


def _tag(raw: bytes, name: bytes) -> str:
    """One tag of a DKIM-Signature (RFC 6376 section 3.5)."""
    for one in raw[:4096].split(b";"):
        key, equals, value = one.partition(b"=")
        if equals and key.strip() == name:
            return b"".join(value.split()).decode("ascii", "replace").lower()[:253]
    return ""


def _origin(context: Context, message: Message, way: list[Hop]) -> dict[str, Any]:
    """Which host handed the message over, and what was found out about the sender."""
    headers, records = message.headers, given()
    made: Results = results(headers, way)
    checked: dict[str, Any] = {}
    if records is not None:
        from labrys.evidence.mail_auth import columns as own_auth

        left = context.budget.signatures
        checked, used = own_auth.of(message, way, made.spf_domain, records, left)
        context.budget.signatures -= used
    entry = way[border(way, strict=False)] if way else None
    own = next((hop for hop in reversed(way) if hop.address), None)
    return {
        "received_count": len(headers.all("received")),
        "received_by": way[0].by or None if way else None,
        "border_ip": entry.address or None if entry else None,
        "border_helo": entry.helo or None if entry else None,
        "border_name": entry.name or None if entry else None,
        "origin_ip": _origin_ip(headers) or (own.address if own else None),
        "auth_host": made.host or None,
        "auth_trust": made.trust,
        "auth_spf": made.spf or None,
        "auth_dkim": made.dkim or None,
        "auth_dmarc": made.dmarc or None,
        "auth_arc": made.arc or None,
        "auth_dkim_domains": list(made.dkim_domains),
        "auth_spf_domain": made.spf_domain or None,
        "auth_results": made.raw or None,
        **checked,
    }


def _origin_ip(headers: Headers) -> str:
    return (headers.text("x-originating-ip") or "").strip("[] ")[:45]


def _time(headers: Headers, way: list[Hop]) -> tuple[int | None, str | None]:
    """When the message was sent: its Date when that can be, else when it was last received."""
    date = headers.text("date")
    sent = moment(date) if date else None
    received = next((hop.time for hop in way if hop.time is not None), None)
    if sent is None or (received is not None and not -30 * _DAY <= sent - received <= _DAY):
        return (received if received is not None else sent), date
    return sent, date


def _raw(headers: Headers) -> str:
    block = headers.block[:_MOST_HEADERS]
    try:
        made = block.decode("utf-8")
    except UnicodeDecodeError:
        made = block.decode("cp1252", "backslashreplace")
    return made.replace("\r\n", "\n").rstrip("\n")


def _hop(uid: str, number: int, hop: Hop) -> dict[str, Any]:
    return {
        "message": uid,
        "number": number,
        "helo": hop.helo or None,
        "name": hop.name or None,
        "ip": hop.address or None,
        "by": hop.by or None,
        "protocol": hop.protocol or None,
        "recipient": hop.recipient or None,
        "domain": registered(hop.name or hop.helo) or None,
        "by_domain": registered(hop.by) or None,
        "received": hop.raw,
    }


def _attachments(
    context: Context, waiting: _Waiting, uid: str, shown: list[Part]
) -> tuple[list[dict[str, Any]], list[links.Seen]]:
    """A row for each part that is not the text, and the links found in them."""
    texts = set(map(id, shown))
    rows: list[dict[str, Any]] = []
    seen: list[links.Seen] = []
    for number, part in enumerate(waiting.message.parts):
        if id(part) in texts:
            continue
        row, more = _attachment(context, waiting, uid, number, part)
        rows.append({"message": uid, "number": number, **row})
        seen += more
    return rows, seen


def _attachment(
    context: Context, waiting: _Waiting, uid: str, number: int, part: Part
) -> tuple[dict[str, Any], list[links.Seen]]:
    message = waiting.message
    decoder = Decoder(part.buffer, part.start, part.end, part.encoding)
    keep = min(context.budget.inside, _MOST_INSIDE)
    size, digest, content = decoder.digest(max(keep, 4096))
    context.budget.inside -= len(content)
    looked = attachments.look(content, size, part.kind)
    kind = looked.kind or part.kind
    for said in (*decoder.problems, *looked.problems, _LOCKED.get(part.kind, "")):
        if said:
            message.problem(f"{part.name[:80]}: {said}" if part.name else said)
    row: dict[str, Any] = {
        "name": part.name or None,
        "extension": _extension(part.name),
        "content_type": part.kind,
        "sniffed_type": looked.kind or None,
        "size": size,
        "sha256": digest,
        "disposition": part.disposition or None,
        "content_id": part.content_id or None,
        "depth": part.depth,
        "within": part.within or None,
        "tricks": attachments.tricks(part.name, part.kind, looked.kind),
        "is_archive": looked.is_archive or None,
        "is_encrypted": looked.encrypted or None,
        "is_html": kind == "text/html" or None,
        "members": looked.members,
        **{f"calendar_{name}": looked.calendar.get(name) for name in _CALENDAR},
    }
    if not _nested(context, waiting, uid, part, content, size):
        inside, offset = context.records.inside, context.offset
        if inside is not None:
            enclosed.leave(inside, part, looked.kind, size, content, number=number, offset=offset)
    return row, _inside(row, message, part, kind, content, context.budget)


_CALENDAR: Final = ("method", "organizer", "url", "summary", "location")


def _extension(name: str) -> str | None:
    _, dot, last = name.strip().rpartition(".")
    return last.lower()[:20] if dot and last else None


def _inside(
    row: dict[str, Any], message: Message, part: Part, kind: str, content: bytes, budget: _Budget
) -> list[links.Seen]:
    """The links in an attachment; what HTML does there goes into its row."""
    name = part.name or part.kind
    if kind in ("text/html", "image/svg+xml"):
        if len(content) > body.MOST_TEXT:
            message.problem("an HTML attachment too long: the rest of it is not read")
        raw = content[: body.MOST_TEXT]
        made = body.rendered(text(raw, part.parameters.get("charset", ""))[0])
        row["html_forms"] = made.counts.get("forms")
        row["html_password_inputs"] = made.counts.get("password_inputs")
        row["html_scripts"] = made.counts.get("script")
        row["html_data_uris"] = made.counts.get("data_uris")
        row["html_scripted"] = list(made.scripts)
        row["text"] = body.bounded(made.visible)[:8192] or None
        return links.of_html(made, name)
    if kind == "application/pdf":
        return [links.Seen("pdf", href, attachment=name) for href in pdf.links(content)]
    if kind.startswith("image/") and budget.pictures > 0:
        budget.pictures -= 1
        found = pictures.codes(content)
        row["qr_codes"] = found
        return [links.Seen("qr", href, attachment=name) for href in found]
    if kind == "text/calendar":
        said = text(content[: 256 << 10], "utf-8")[0].replace("\r\n", "\n").replace("\n ", "")
        return [
            links.Seen("calendar", one.href, "", attachment=name)
            for one in links.of_text(said.replace("\\n", "\n"))
        ]
    return []


def _nested(
    context: Context, waiting: _Waiting, uid: str, part: Part, content: bytes, size: int
) -> bool:
    """Let a message that is attached wait for its turn; whether it is one."""
    if part.kind not in _HELD and not (
        part.name.lower().endswith(".eml")
        or (part.kind == "application/octet-stream" and not part.name)
    ):
        return False
    if part.kind not in _HELD and not content[:2000].lstrip()[:80].partition(b":")[1]:
        return False
    message, budget = waiting.message, context.budget
    if waiting.depth + 1 > DEEPEST:
        message.problem(f"messages nested more than {DEEPEST} deep: not read")
        return True
    if budget.messages <= 0:
        message.problem(f"more than {MOST_MESSAGES} messages inside: the rest is not read")
        return True
    if len(content) < size:
        message.problem("a message inside that is too large: not read")
        return True
    budget.messages -= 1
    context.waiting.append(_Waiting(parse(content, 0, len(content)), uid, waiting.depth + 1))
    return True

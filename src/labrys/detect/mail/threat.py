"""How an attacker rewrites a message so that it passes and still does what it is for, and the cost.

Every rewriting takes a raw message and gives a new one that shows the same request to its reader.
`COST`: 0 what any kit does by itself, 1 what makes the message look odd, 2 what needs other means
(a domain, a mailbox, a redirector). `filler` is harmless text of the attacker's choice.
"""

import re
from collections.abc import Callable, Mapping
from email import message_from_bytes
from email.message import Message
from typing import Final

import numpy as np

Draw = np.random.Generator
Rewrite = Callable[[bytes, Draw, str], bytes]
Change = Callable[[str], str]

_NODE: Final = re.compile(r"(?<=>)([^<>]+)(?=<)")
_WORD: Final = re.compile(r"[A-Za-z]{3,}")
_LOOK: Final = str.maketrans("aceiopxysjAEOPCTXHKMB", "асеіорхуѕјАЕОРСТХНКМВ")
_LINK: Final = re.compile(r"(https?://)([^\s\"'<>]+)")
_BODY: Final = re.compile(r"(<body[^>]*>)", re.I)
_END: Final = re.compile(r"(</body>|\Z)", re.I)
_HIDE: Final = (
    '<div style="display:none">{}</div>',
    '<div style="font-size:0;line-height:0">{}</div>',
    '<div style="color:#ffffff;background:#ffffff">{}</div>',
    '<div style="position:absolute;left:-9999px">{}</div>',
)
_OTHER: Final = {
    "account": "profile", "verify": "review", "password": "passphrase", "immediately": "today",
    "urgent": "timely", "click": "follow", "payment": "settlement", "invoice": "statement",
    "bank": "institution", "transfer": "remit", "confirm": "acknowledge", "suspended": "paused",
    "update": "refresh", "customer": "client", "free": "complimentary", "offer": "proposal",
    "money": "funds", "million": "mn", "security": "safety", "access": "entry", "limited": "reduced",
    "buy": "get", "order": "request", "price": "rate", "please": "kindly", "dear": "hello",
    "contact": "reach", "reply": "respond", "send": "forward", "winner": "recipient",
}  # fmt: skip
_POLITE: Final = (
    "I hope this message finds you well and that you had a pleasant start into the week.",
    "Thank you very much for your time and your continued support.",
    "Please do not hesitate to reach out should you have any questions. Warm regards",
)


def said(raw: bytes, change: Change, *, subject: bool = True) -> bytes:
    """A message with another text: `change` is asked for each piece of text that is shown."""
    message = message_from_bytes(raw)
    for part in message.walk():
        if part.get_content_type() in ("text/plain", "text/html") and not part.get_filename():
            _retext(part, change)
    if subject and message["Subject"]:
        new = change(str(message["Subject"]))
        del message["Subject"]
        message["Subject"] = new if new.isascii() else _encoded(new)
    return _bytes(message, raw)


def _encoded(text: str) -> str:
    from email.header import Header

    return Header(" ".join(text.split()), "utf-8").encode()


def _bytes(message: Message, raw: bytes) -> bytes:
    try:
        return message.as_bytes()
    except (UnicodeError, LookupError, ValueError, KeyError):
        return raw


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return content.decode("latin-1")


def _put(part: Message, text: str) -> None:
    del part["Content-Transfer-Encoding"]
    part.set_payload(text.encode("utf-8", "replace"), "utf-8")


def _retext(part: Message, change: Change) -> None:
    text = _text(part)
    if part.get_content_type() == "text/html":
        _put(part, _NODE.sub(lambda found: change(found[0]), text))
    else:
        # Addresses must still work.
        pieces = re.split(r"(https?://\S+|\S+@\S+)", text)
        _put(part, "".join(change(one) if at % 2 == 0 else one for at, one in enumerate(pieces)))


def _around(raw: bytes, plain: Change, html: Change) -> bytes:
    """A message with its texts as wholes changed."""
    message = message_from_bytes(raw)
    for part in message.walk():
        if part.get_filename() or part.get_content_maintype() != "text":
            continue
        change = html if part.get_content_type() == "text/html" else plain
        _put(part, change(_text(part)))
    return _bytes(message, raw)


def _front(raw: bytes, _: Draw, filler: str) -> bytes:
    return _around(
        raw,
        lambda text: f"{filler}\n\n{text}",
        lambda text: _inserted(_BODY, text, f"<p>{filler}</p>", first=True),
    )


def _behind(raw: bytes, _: Draw, filler: str) -> bytes:
    return _around(
        raw,
        lambda text: f"{text}\n\n{filler}",
        lambda text: _inserted(_END, text, f"<p>{filler}</p>", first=False),
    )


def _invisible(raw: bytes, draw: Draw, filler: str) -> bytes:
    """Hidden text in front; a message in plain text becomes one in HTML for it."""
    hidden = _HIDE[int(draw.integers(len(_HIDE)))].format(filler)
    message = message_from_bytes(raw)
    if not any(part.get_content_type() == "text/html" for part in message.walk()):
        for part in message.walk():
            if part.get_content_type() == "text/plain" and not part.get_filename():
                text = _text(part).replace("&", "&amp;").replace("<", "&lt;")
                lines = text.replace("\n", "<br>\n")
                del part["Content-Type"]
                part["Content-Type"] = "text/html; charset=utf-8"
                _put(part, f"<html><body>{hidden}{lines}</body></html>")
                break
        return _bytes(message, raw)
    return _around(raw, lambda text: text, lambda text: _inserted(_BODY, text, hidden, first=True))


def _inserted(where: "re.Pattern[str]", text: str, piece: str, *, first: bool) -> str:
    found = where.search(text)
    if found is None or not found[0]:
        return piece + text if first else text + piece
    at = found.end() if first else found.start()
    return text[:at] + piece + text[at:]


def _homoglyphs(share: float) -> Rewrite:
    def rewrite(raw: bytes, draw: Draw, _: str) -> bytes:
        def one(found: re.Match[str]) -> str:
            return found[0].translate(_LOOK) if draw.random() < share else found[0]

        return said(raw, lambda text: _WORD.sub(one, text))

    return rewrite


def _zero_width(raw: bytes, draw: Draw, _: str) -> bytes:
    def one(found: re.Match[str]) -> str:
        at = int(draw.integers(1, len(found[0])))
        return found[0][:at] + "\u200b" + found[0][at:]

    return said(raw, lambda text: _WORD.sub(one, text))


def _reworded(raw: bytes, _: Draw, __: str) -> bytes:
    def one(found: re.Match[str]) -> str:
        other = _OTHER.get(found[0].lower())
        if other is None:
            return found[0]
        return other.capitalize() if found[0][0].isupper() else other

    return said(raw, lambda text: _WORD.sub(one, text))


def _polite(raw: bytes, _: Draw, __: str) -> bytes:
    first, thanks, last = _POLITE
    return _around(
        raw,
        lambda text: f"{first}\n\n{text}\n\n{thanks} {last}",
        lambda text: _inserted(
            _END,
            _inserted(_BODY, text, f"<p>{first}</p>", first=True),
            f"<p>{thanks} {last}</p>",
            first=False,
        ),
    )


def _wrapped(raw: bytes, _: Draw, __: str) -> bytes:
    """Links through a redirector of a large company."""
    return _around(
        raw,
        lambda text: _LINK.sub(r"https://www.google.com/url?q=\1\2", text),
        lambda text: _LINK.sub(r"https://www.google.com/url?q=\1\2", text),
    )


def _without_reply_to(raw: bytes, _: Draw, __: str) -> bytes:
    message = message_from_bytes(raw)
    for name in ("Reply-To", "X-Mailer", "X-Priority", "Importance"):
        del message[name]
    return _bytes(message, raw)


def _all(raw: bytes, draw: Draw, filler: str) -> bytes:
    for rewrite in (_reworded, _polite, _homoglyphs(0.3), _zero_width):
        raw = rewrite(raw, draw, filler)
    return raw


def _hidden_behind(raw: bytes, draw: Draw, filler: str) -> bytes:
    """Hidden text behind what there is, where the message is in HTML."""
    hidden = _HIDE[int(draw.integers(len(_HIDE)))].format(filler)
    return _around(raw, lambda text: text, lambda text: _inserted(_END, text, hidden, first=False))


def _picture_behind(raw: bytes, draw: Draw, _: str) -> bytes:
    shown = f'<img src="https://img.example.org/{draw.integers(1000)}.png">'
    return _around(raw, lambda text: text, lambda text: _inserted(_END, text, shown, first=False))


def _link_behind(raw: bytes, draw: Draw, _: str) -> bytes:
    """A link to an ordinary site, around nothing that is seen."""
    made = f'<a href="https://www.example.org/{draw.integers(1000)}"></a>'
    return _around(raw, lambda text: text, lambda text: _inserted(_END, text, made, first=False))


def _attachment(raw: bytes, draw: Draw, filler: str) -> bytes:
    """A harmless document more."""
    message = message_from_bytes(raw)
    added = Message()
    name = f"notes{draw.integers(1000)}.{draw.choice(['txt', 'csv', 'pdf'])}"
    added["Content-Type"] = "application/octet-stream"
    added["Content-Disposition"] = f'attachment; filename="{name}"'
    added.set_payload(filler[:400].encode("ascii", "replace").decode())
    if message.get_content_type() == "multipart/mixed":
        message.attach(added)
        return _bytes(message, raw)
    inner = Message()
    for header in ("Content-Type", "Content-Transfer-Encoding"):
        if message[header]:
            inner[header] = str(message[header])
            del message[header]
    inner.set_payload(message.get_payload())
    message["Content-Type"] = f'multipart/mixed; boundary="=={draw.integers(1 << 40):x}"'
    message.set_payload([inner, added])
    return _bytes(message, raw)


REWRITES: Final[Mapping[str, Rewrite]] = {
    "filler in front": _front,
    "filler behind": _behind,
    "filler invisible": _invisible,
    "look-alike letters": _homoglyphs(1.0),
    "some look-alike letters": _homoglyphs(0.3),
    "zero-width characters": _zero_width,
    "reworded": _reworded,
    "polite wrapper": _polite,
    "links through a redirector": _wrapped,
    "no Reply-To": _without_reply_to,
    "all of letters, words and manner": _all,
}
COST: Final[Mapping[str, int]] = {
    **dict.fromkeys(REWRITES, 0),
    "filler in front": 1,
    "filler behind": 1,
    "links through a redirector": 2,
    "no Reply-To": 2,
}

ADD_ONLY: Final[Mapping[str, Rewrite]] = {
    "hidden text behind": _hidden_behind,
    "a picture behind": _picture_behind,
    "a link behind": _link_behind,
    "an attachment more": _attachment,
}
"""What only adds and leaves what is read as it is: none of it may ever lower a score. Text that is
seen is not among it: it dilutes the windows that it shares with the message (`text.py`)."""

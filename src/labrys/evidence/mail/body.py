"""What a message says: which parts are its text, what of it is seen, hidden and quoted."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from labrys.evidence.mail import links
from labrys.evidence.mail.charset import text
from labrys.evidence.mail.html import Rendered, render
from labrys.evidence.mail.mime import Message, Part
from labrys.evidence.mail.thread import split
from labrys.evidence.mail.transfer import KNOWN, Decoder

MOST_TEXT: Final = 2 << 20
"""Bytes of text in one message that are looked at, HTML and plain together; twice that for HTML."""
_KEPT: Final = 64 << 10
_KEPT_TAIL: Final = 16 << 10
_MOST_BODIES: Final = 100
_DATA: Final = re.compile(r"(data:[\w/+.;=-]{0,100},)[A-Za-z0-9+/=%\s]{200,}")
_ZERO_WIDTH: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2060-\u2064\u2066-\u206f"
    "\u202a-\u202e\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e007f]"
)
_TAGGED: Final = re.compile("[\U000e0020-\U000e007e]{8,}")
"""Tag characters as letters; flags of regions have fewer (Unicode Technical Standard 51)."""
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_TAG: Final = re.compile(r"<[^<>]{1,200}>")


@dataclass(slots=True)
class Body:
    """The text of a message, its links, and columns that only rendering can know."""

    visible: str = ""
    quoted: str = ""
    hidden: str = ""
    alternative: str = ""
    seen: list[links.Seen] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Gathered:
    visible: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    alternative: list[str] = field(default_factory=list)
    markup: list[str] = field(default_factory=list)
    hidden_by: dict[str, None] = field(default_factory=dict)
    quoted_by: dict[str, None] = field(default_factory=dict)
    charsets: dict[str, None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, None] = field(default_factory=dict)
    seen: list[links.Seen] = field(default_factory=list)
    left: int = MOST_TEXT
    html_size: int = 0


def is_text(part: Part) -> bool:
    """Whether a part is shown as the message itself and not as an attachment."""
    if part.kind not in _SHOWN or part.disposition == "attachment":
        return False
    return not part.name or (part.disposition == "inline" and part.kind == "text/plain")


_SHOWN: Final = frozenset(
    ("text/plain", "text/html", "text/enriched", "text/x-amp-html", "text/richtext")
)


def texts(message: Message) -> list[Part]:
    """The parts that are the message's text; a lone part of text is, whatever its name."""
    found = [part for part in message.parts if is_text(part)]
    if not found and message.parts and message.parts[0].kind in ("text/plain", "text/html"):
        first = message.parts[0]
        if first.disposition != "attachment" or len(message.parts) == 1:
            found = [first]
    return found


def read(message: Message, parts: list[Part]) -> Body:
    """The text of the message whose text parts these are; what was wrong goes to its problems."""
    gathered = _Gathered()
    with_html = {
        part.alternative for part in parts if part.kind == "text/html" and part.alternative >= 0
    }
    if len(parts) > _MOST_BODIES:
        message.problem(f"more than {_MOST_BODIES} parts of text: the rest is not read")
    for part in parts[:_MOST_BODIES]:
        said = decoded(part, message, gathered.left * (2 if part.kind == "text/html" else 1))
        gathered.left = max(gathered.left - len(said), 0)
        if charset := part.parameters.get("charset"):
            gathered.charsets[charset.lower()[:40]] = None
        if part.kind == "text/html" or (part.kind == "text/plain" and _is_html(said)):
            _html(said, message, gathered)
        elif part.kind == "text/x-amp-html" or part.alternative in with_html:
            gathered.alternative.append(said)
        else:
            _plain(_TAG.sub("", said) if part.kind != "text/plain" else said, gathered)
    return _body(gathered)


def decoded(part: Part, message: Message, most: int) -> str:
    """The text of a part, no more than `most` bytes of it."""
    decoder = Decoder(part.buffer, part.start, part.end, part.encoding)
    raw = decoder.head(most + 1)
    if len(raw) > most:
        raw = raw[:most]
        message.problem("a text too long: the rest of it is not read")
    made, trouble = text(raw, part.parameters.get("charset", ""))
    for said in (*decoder.problems, trouble):
        if said:
            message.problem(said)
    if part.encoding not in KNOWN:
        message.problem(f"unknown transfer encoding {part.encoding[:40]}")
    return made.replace("\r\n", "\n")


def _is_html(said: str) -> bool:
    """Whether a text that is called plain is HTML all the same, as some programs show it."""
    return said[:200].lstrip().lower().startswith(("<html", "<!doctype html"))


def shorn(html: str) -> tuple[str, int]:
    """HTML without the content of its data: addresses, and how many of those there were."""
    return _DATA.subn(r"\1", html) if "data:" in html else (html, 0)


def rendered(html: str) -> Rendered:
    """HTML as text and features."""
    small, inlined = shorn(html)
    made = render(small)
    if inlined:
        made.counts["data_uris"] = max(inlined, made.counts.get("data_uris", 0))
    return made


def _html(said: str, message: Message, gathered: _Gathered) -> None:
    made = rendered(said)
    gathered.html_size += len(said)
    current, quoted, how = split(made.visible)
    gathered.visible.append(current)
    if how:
        gathered.quoted_by[how] = None
    if made.quoted:
        gathered.quoted_by["marked"] = None
    gathered.quoted += [one for one in (made.quoted, quoted) if one]
    if made.hidden:
        gathered.hidden.append(made.hidden)
    gathered.hidden_by.update(made.hidden_by)
    gathered.markup += made.markup
    gathered.scripts.update(made.scripts)
    gathered.seen += links.of_html(made)
    for name, count in made.counts.items():
        gathered.counts[name] = gathered.counts.get(name, 0) + count
    for problem in made.problems:
        message.problem(problem)


def _plain(said: str, gathered: _Gathered) -> None:
    current, quoted, how = split(said)
    gathered.visible.append(current)
    gathered.seen += links.of_text(current)
    if how:
        gathered.quoted_by[how] = None
        gathered.quoted.append(quoted)
        gathered.seen += links.of_text(quoted, quoted=True)


def _untag(visible: str, gathered: _Gathered) -> None:
    """Text in tag characters, which nobody sees and assistants read, is hidden text."""
    runs = _TAGGED.findall(visible)
    if runs:
        gathered.hidden += ["".join(chr(ord(char) - 0xE0000) for char in run) for run in runs]
        gathered.hidden_by["tag characters"] = None


def _body(gathered: _Gathered) -> Body:
    visible = "\n".join(one for one in gathered.visible if one)
    zero_width = bidi = 0
    if not visible.isascii():
        _untag(visible, gathered)
        visible, zero_width = _ZERO_WIDTH.subn("", visible)
        if zero_width:
            bidi = len(_BIDI.findall("\n".join(gathered.visible)))
    hidden = "\n".join(gathered.hidden)
    if not hidden.isascii():
        hidden = _ZERO_WIDTH.sub("", hidden).strip()
    quoted, alternative = "\n".join(gathered.quoted), "\n".join(gathered.alternative).strip()
    counts = gathered.counts
    columns: dict[str, Any] = {
        "charset": list(gathered.charsets),
        "text_markup": bounded("\n".join(gathered.markup)) or None,
        "quoted_by": list(gathered.quoted_by),
        "text_length": len(visible),
        "quoted_length": len(quoted) or None,
        "hidden_length": len(hidden) or None,
        "hidden_by": list(gathered.hidden_by) if hidden else None,
        "zero_width": zero_width or None,
        "bidi_controls": bidi or None,
        "html_size": gathered.html_size or None,
        "html_scripted": list(gathered.scripts),
        **{f"html_{name}": counts.get(counted) for name, counted in _COUNTED},
    }
    return Body(
        bounded(visible),
        bounded(quoted),
        bounded(hidden),
        bounded(alternative),
        gathered.seen,
        columns,
    )


_COUNTED: Final = (
    ("tags", "tags"),
    ("links", "anchors"),
    ("forms", "forms"),
    ("inputs", "inputs"),
    ("password_inputs", "password_inputs"),
    ("scripts", "script"),
    ("script_size", "script_size"),
    ("iframes", "iframe"),
    ("styles", "style"),
    ("images_outside", "images_outside"),
    ("images_inside", "images_inside"),
    ("dots", "dots"),
    ("data_uris", "data_uris"),
    ("refreshes", "refreshes"),
    ("bases", "bases"),
    ("embedded", "embedded"),
    ("svgs", "svgs"),
    ("comments", "comments"),
    ("conditional", "conditional"),
)


def bounded(said: str) -> str:
    """A text of bounded length: of a longer one its beginning and its end."""
    if len(said) <= _KEPT:
        return said
    return f"{said[: _KEPT - _KEPT_TAIL]}\n[…]\n{said[-_KEPT_TAIL:]}"

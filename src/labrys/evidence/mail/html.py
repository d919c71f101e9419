"""Renders the HTML of a mail as text: what is seen, what is hidden, what is quoted, and its links.

One pass over the tags with a stack of open elements, linear in the text whatever it holds: a full
HTML tree is not built, because formatting elements let a few kilobytes make one of gigabytes.
Source: WHATWG HTML Standard (tokenization), and the marks that mail programs leave on quotations.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Final

from labrys.evidence.mail.css import UNKNOWN, Colour, Style, alike, colour, sheet, style
from labrys.evidence.mail.lists import words
from labrys.evidence.mail.tags import (
    BLOCKS,
    BREAK,
    CLOSE_P,
    CLOSES,
    TOKEN,
    VOID,
    attributes_of,
    flowed,
    is_dot,
)

MOST_TAGS: Final = 200_000
MOST_LINKS: Final = 500
_DEEPEST: Final = 2_000
_QUOTES: Final = words("quote_classes")
_QUOTES_BY_ID: Final = words("quote_ids")
_QUOTE_REST: Final = frozenset(("divrplyfwdmsg", "appendonsend", "outlookmessageheader"))
_INVISIBLE: Final = frozenset(("script", "style", "iframe", "noembed", "noframes", "title"))
_DATA: Final = re.compile(r"data:[a-z]{0,20}/?[\w.+-]{0,60}(?:;[\w=-]{1,40})*,", re.I)
_SCRIPTED: Final = re.compile(
    r"\b(atob|btoa|unescape|decodeURIComponent|fromCharCode|createObjectURL|msSaveOrOpenBlob|"
    r"msSaveBlob|Uint8Array|new\s+Blob|new\s+File|document\.write|eval|location\.(?:href|replace|"
    r"assign)|window\.location|XMLHttpRequest|fetch|FileReader|charCodeAt|crypto|importScripts|"
    r"WebAssembly|debugger|navigator\.userAgent)\b"
)
_CONDITIONAL: Final = re.compile(r"\[if\s[^\]]{1,80}\]>", re.I)


@dataclass(slots=True)
class Link:
    """Where one element leads: `kind` is a, area, form, img, frame, meta, link or comment."""

    kind: str
    href: str
    text: list[str] = field(default_factory=list)
    hidden: bool = False
    image: bool = False
    quoted: bool = False


@dataclass(slots=True)
class Rendered:
    """What a reader sees of HTML, what not and why, and what it is made of, by name."""

    visible: str = ""
    quoted: str = ""
    hidden: str = ""
    hidden_by: dict[str, None] = field(default_factory=dict)
    markup: list[str] = field(default_factory=list)
    """Comments and texts in attributes, which no program shows and assistants may read."""
    links: list[Link] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What holds inside an element."""

    hides: str = ""
    tiny: bool = False
    colour: Colour = (0, 0, 0)
    background: Colour = (255, 255, 255)
    quoted: bool = False
    kept: bool = False
    why: str = field(init=False, compare=False)
    """Why text here is not seen, "" when it is."""

    def __post_init__(self) -> None:
        unseen = self.hides or ("size" if self.tiny else "")
        if not unseen and alike(self.colour, self.background):
            unseen = "colour"
        object.__setattr__(self, "why", unseen)


_TOP: Final = _Frame()
_MOST_MARKUP: Final = 1 << 14
_LEAST_SAID: Final = 20
_SAID: Final = re.compile(r"(?i)\b(?:alt|title|aria-label)\s*=")


def render(text: str) -> Rendered:
    """The HTML as its reader gets it. Never raises, linear in `text`."""
    reader = _Reader(text)
    reader.run()
    return reader.done()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text.replace(BREAK, " ") if BREAK in text else text
        self._out = Rendered()
        self._visible: list[str] = []
        self._quoted: list[str] = []
        self._hidden: list[str] = []
        self._stack: list[tuple[str, _Frame, str]] = []  # name, what held outside, why then
        self._open: dict[str, int] = {}
        self._frame, self._why = _TOP, ""
        self._rules: dict[str, Style] = {}
        self._frames: dict[tuple[int, str, str], _Frame] = {}
        self._interned: dict[_Frame, _Frame] = {_TOP: _TOP}  # also keeps their ids theirs
        self._parsed: dict[str, dict[str, str]] = {"": {}}
        self._says: dict[str, bool] = {}
        self._link: Link | None = None
        self._rest_quoted = False
        self._markup_left = _MOST_MARKUP
        self._counts = self._out.counts
        self._target = self._visible

    def run(self) -> None:
        """Go through the text once."""
        text, last, tags = self._text, 0, 0
        # Behind the last > there can be no tag; without that bound each < there is looked for one.
        for found in TOKEN.finditer(text, 0, text.rfind(">") + 1):
            at = found.start()
            if at > last:
                self._said(text[last:at])
            last = found.end()
            closing, name, raw = found.group(5, 6, 7)
            if name is not None:
                tags += 1
                if tags > MOST_TAGS:
                    said = f"more than {MOST_TAGS} HTML tags: the rest is not read"
                    self._out.problems.append(said)
                    last = len(text)
                    break
                if closing:
                    self._end(name.lower())
                else:
                    self._start(name.lower(), raw)
            elif found[2] is not None:
                tags += 1
                self._raw(found[2].lower(), found[3], found[4])
            elif found[1] is not None:
                self._comment(found[1])
        if last < len(text):
            self._said(text[last:])
        self._counts["tags"] = tags

    def done(self) -> Rendered:
        """What was found."""
        out = self._out
        out.visible, out.quoted = flowed(self._visible), flowed(self._quoted)
        out.hidden = flowed(self._hidden)
        return out

    def _said(self, text: str) -> None:
        if self._frame.kept:
            text = text.replace("\n", BREAK)
        if self._why:
            self._hidden.append(text)
            if self._why not in self._out.hidden_by and text.strip():
                self._out.hidden_by[self._why] = None
        else:
            self._target.append(text)
        if self._link is not None and len(self._link.text) < 64:
            self._link.text.append(text[:512])

    def _start(self, name: str, raw: str) -> None:
        tag = _TAGS.get(name, _ANY)
        if tag.starts:
            self._target.append(tag.starts)
            if self._hidden:
                self._hidden.append(tag.starts)
        if tag.closes and self._stack and self._stack[-1][0] in tag.closes:
            self._imply_ends(name, tag.closes)
        self._attributes_said(raw)
        frame = self._frame
        if len(raw) > 2 or self._rules:
            key = (id(frame), name, raw)
            inner = self._frames.get(key)
            if inner is None:
                inner = self._framed(name, self._attributes(raw))
                inner = self._frames[key] = self._interned.setdefault(inner, inner)
            frame = inner
        if tag.handler is not None:
            hidden = bool(self._why if frame is self._frame else frame.why)
            tag.handler(self, self._attributes(raw), hidden)
        if tag.void:
            return
        if len(self._stack) >= _DEEPEST:
            if "nested" not in self._counts:
                self._counts["nested"] = 1
                self._out.problems.append(f"HTML nested more than {_DEEPEST} deep")
            return
        self._stack.append((name, self._frame, self._why))
        self._open[name] = self._open.get(name, 0) + 1
        if name == "pre":
            frame = replace(frame, kept=True)
            frame = self._interned.setdefault(frame, frame)
        if frame is not self._frame:
            self._enter(frame)

    def _enter(self, frame: _Frame) -> None:
        self._frame, self._why = frame, frame.why
        self._target = self._quoted if frame.quoted or self._rest_quoted else self._visible

    def _attributes(self, raw: str) -> dict[str, str]:
        """A tag's attributes: the same tags come again and again in one mail."""
        made = self._parsed.get(raw)
        if made is None:
            made = self._parsed[raw] = attributes_of(raw)
        return made

    def _imply_ends(self, name: str, closes: frozenset[str]) -> None:
        """A paragraph ends where a block begins, a cell where the next one does."""
        while self._stack and self._stack[-1][0] in closes:
            if self._pop() == name:
                break

    def _end(self, name: str) -> None:
        if name in BLOCKS:
            self._target.append(BREAK)
        if name == "a":
            self._link = None
        if not self._open.get(name):
            return
        while self._pop() != name:
            pass

    def _pop(self) -> str:
        name, frame, why = self._stack.pop()
        self._open[name] -= 1
        if frame is not self._frame:
            self._frame, self._why = frame, why
            self._target = self._quoted if frame.quoted or self._rest_quoted else self._visible
        return name

    def _framed(self, name: str, attributes: dict[str, str]) -> _Frame:
        """What holds inside an element that begins here."""
        if not self._rules and _STYLED.isdisjoint(attributes):
            return self._frame
        said = [style(attributes["style"])] if attributes.get("style") else []
        if self._rules:
            said = self._by_rule(name, attributes) + said
        hides, tiny = self._frame.hides, self._frame.tiny
        ink, ground = self._frame.colour, self._frame.background
        quoted = self._frame.quoted
        for one in said:
            hides = hides or one.hides
            tiny = tiny if one.tiny is None else one.tiny
            ink, ground = one.colour or ink, one.background or ground
        if attributes:
            if "hidden" in attributes:
                hides = hides or "attribute"
            if "bgcolor" in attributes:
                ground = colour(attributes["bgcolor"]) or UNKNOWN
            if "background" in attributes:
                ground = UNKNOWN
            if name == "font" and "color" in attributes:
                ink = colour(attributes["color"]) or ink
            elif name == "body" and "text" in attributes:
                ink = colour(attributes["text"]) or ink
            quoted = quoted or self._quotes(name, attributes)
        before = self._frame
        if (hides, tiny, ink, ground, quoted) == (
            before.hides,
            before.tiny,
            before.colour,
            before.background,
            before.quoted,
        ):
            return before
        return _Frame(hides, tiny, ink, ground, quoted, before.kept)

    def _by_rule(self, name: str, attributes: dict[str, str]) -> list[Style]:
        rules = self._rules
        wanted = [name]
        for one in attributes.get("class", "").lower().split()[:20]:
            wanted += (f".{one}", f"{name}.{one}")
        if "id" in attributes:
            wanted += (f"#{attributes['id'].lower()}", f"{name}#{attributes['id'].lower()}")
        return [rules[one] for one in wanted if one in rules]

    def _quotes(self, name: str, attributes: dict[str, str]) -> bool:
        """Whether an element holds what a mail program quoted."""
        if "class" not in attributes and "id" not in attributes and name != "blockquote":
            return False
        classes = attributes.get("class", "").lower().split()
        uid = attributes.get("id", "").lower().removeprefix("x_")
        found = (
            (name == "blockquote" and attributes.get("type", "").lower() == "cite")
            or any(one.removeprefix("x_") in _QUOTES for one in classes)
            or uid in _QUOTES_BY_ID
            or uid.startswith("yahoo_quoted")
        )
        if found and (uid in _QUOTE_REST or not _QUOTE_REST.isdisjoint(classes)):
            self._rest_quoted = True
            self._target = self._quoted
        return found

    def _raw(self, name: str, raw: str, inside: str) -> None:
        """An element whose content is no HTML."""
        self._count(name)
        attributes = attributes_of(raw)
        if name == "style":
            if len(self._rules) < 4000:
                self._rules.update(sheet(inside))
                self._frames.clear()
        elif name == "script":
            self._scripted(inside)
            if attributes.get("src"):
                self._add("script", attributes["src"], hidden=True)
        elif name == "iframe":
            for each in ("src", "srcdoc"):
                if attributes.get(each):
                    self._add("frame", attributes[each], hidden=bool(self._why))
        if name not in _INVISIBLE:
            self._said(inside)

    def _scripted(self, code: str) -> None:
        self._counts["script_size"] = self._counts.get("script_size", 0) + len(code)
        for word in _SCRIPTED.findall(code[: 1 << 20]):
            self._out.scripts[" ".join(word.split())] = None

    def _comment(self, inside: str) -> None:
        self._count("comments")
        if _CONDITIONAL.match(inside, 0, 100) or inside[:100].lstrip().lower().startswith("[if"):
            self._count("conditional")
            for href in _HREF.findall(inside)[:20]:
                self._add("comment", href, hidden=True)
        else:
            self._aside(inside)

    def _attributes_said(self, raw: str) -> None:
        if len(raw) <= _LEAST_SAID:
            return
        says = self._says.get(raw)
        if says is None:
            says = self._says[raw] = _SAID.search(raw) is not None
        if says:
            attributes = self._attributes(raw)
            for each in ("alt", "title", "aria-label"):
                self._aside(attributes.get(each, ""))

    def _aside(self, said: str) -> None:
        """Words in the markup; names and single words are none."""
        said = " ".join(said[: self._markup_left].split())
        if said.count(" ") >= 2 and said not in self._out.markup[-8:]:
            self._markup_left -= len(said)
            self._out.markup.append(said)

    def _count(self, name: str) -> None:
        self._counts[name] = self._counts.get(name, 0) + 1

    def _add(self, kind: str, href: str, *, hidden: bool) -> Link | None:
        href = unescape(href).strip()
        if _DATA.match(href, 0, 200):
            self._count("data_uris")
            href = href[:64]
        links = self._out.links
        if len(links) >= MOST_LINKS * 4:
            self._counts["links_left_out"] = self._counts.get("links_left_out", 0) + 1
            return None
        made = Link(kind, href, hidden=hidden, quoted=self._target is self._quoted)
        links.append(made)
        return made

    def anchor(self, attributes: dict[str, str], hidden: bool) -> None:
        """`a`, `area`: a link, whose text follows."""
        self._count("anchors")
        if attributes.get("href"):
            if "download" in attributes:
                self._out.scripts["download"] = None
            self._link = self._add("a", attributes["href"], hidden=hidden)

    def image(self, attributes: dict[str, str], hidden: bool) -> None:
        """`img`: from elsewhere, from the mail, or written into the HTML."""
        src = attributes.get("src", "").strip()
        kind = src[:5].lower()
        if kind.startswith("cid:"):
            self._count("images_inside")
        elif kind.startswith("data:"):
            self._count("images_inside")
            self._count("data_uris")
        elif kind.startswith(("http", "//")):
            self._count("images_outside")
            made = self._add("img", src, hidden=hidden)
            if made is not None:
                made.text.append(attributes.get("alt", "")[:200])
            if is_dot(attributes):
                self._count("dots")
        if self._link is not None:
            self._link.image = True
            if attributes.get("alt"):
                self._link.text.append(attributes["alt"][:200])

    def form(self, attributes: dict[str, str], hidden: bool) -> None:
        """`form`: where what is typed goes to."""
        self._count("forms")
        self._add("form", attributes.get("action", ""), hidden=hidden)

    def entry(self, attributes: dict[str, str], hidden: bool) -> None:
        """`input`, `button`, `select`: something to fill in or press."""
        kind = attributes.get("type", "").lower()
        self._count("inputs")
        if kind == "password":
            self._count("password_inputs")
        if attributes.get("formaction"):
            self._add("form", attributes["formaction"], hidden=hidden)

    def meta(self, attributes: dict[str, str], hidden: bool) -> None:
        """`meta`: a redirect."""
        if attributes.get("http-equiv", "").lower() == "refresh":
            _, _, where = attributes.get("content", "").partition("=")
            self._count("refreshes")
            self._add("meta", where.strip(" '\""), hidden=hidden)

    def base(self, attributes: dict[str, str], hidden: bool) -> None:
        """`base`: where links without a host lead."""
        if attributes.get("href"):
            self._count("bases")
            self._add("base", attributes["href"], hidden=hidden)

    def embedded(self, attributes: dict[str, str], hidden: bool) -> None:
        """`object`, `embed`, `link`, `frame`: something from elsewhere."""
        self._count("embedded")
        for name in ("data", "src", "href"):
            if attributes.get(name):
                self._add("embedded", attributes[name], hidden=hidden)

    def drawing(self, attributes: dict[str, str], hidden: bool) -> None:
        """`svg`."""
        self._count("svgs")


_Handler = Callable[[_Reader, dict[str, str], bool], None]
_HANDLERS: Final[dict[str, _Handler]] = {
    "a": _Reader.anchor,
    "area": _Reader.anchor,
    "v:rect": _Reader.anchor,
    "v:roundrect": _Reader.anchor,
    "img": _Reader.image,
    "image": _Reader.image,
    "form": _Reader.form,
    "input": _Reader.entry,
    "button": _Reader.entry,
    "select": _Reader.entry,
    "meta": _Reader.meta,
    "base": _Reader.base,
    "object": _Reader.embedded,
    "embed": _Reader.embedded,
    "link": _Reader.embedded,
    "frame": _Reader.embedded,
    "svg": _Reader.drawing,
}
_STYLED: Final = frozenset(
    ("style", "hidden", "bgcolor", "background", "color", "text", "class", "id", "type")
)


@dataclass(frozen=True, slots=True)
class _Tag:
    """What a tag's name says: `starts` stands in the text where it begins."""

    starts: str = ""
    closes: frozenset[str] | None = None
    void: bool = False
    handler: _Handler | None = None


def _tag(name: str) -> _Tag:
    starts = BREAK if name in BLOCKS else " " if name in ("td", "th") else ""
    closes = CLOSES.get(name) or (CLOSE_P if name in BLOCKS and name != "br" else None)
    return _Tag(starts, closes, name in VOID, _HANDLERS.get(name))


_ANY: Final = _Tag()
_TAGS: Final = {name: _tag(name) for name in (*BLOCKS, *VOID, *_HANDLERS, "td", "th")}
_HREF: Final = re.compile(r"\bhref\s{0,4}=\s{0,4}[\"']?([^\"'\s>]{4,2000})", re.I)

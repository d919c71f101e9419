"""Reads Windows events written as XML: one a line, in a root element, or one after the other."""

import io
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, Final
from xml.etree import ElementTree

from labrys.evidence import windows_event
from labrys.evidence.json_stream import BadRecord
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.windows_event import Event
from labrys.evidence.windows_xml.split import events

_LOOK_AT: Final = 3
_DEPTH: Final = 64
_NAMESPACE: Final = b"schemas.microsoft.com/win/2004/08/events/event"
# XML 1.0 has no place for control characters, but events do: they are shown by their pictures.
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_REFERENCE: Final = re.compile(r"&#(?:x([0-9A-Fa-f]{1,6})|([0-9]{1,7}));")


def sniff(head: bytes, name: str) -> float:
    """Whether it begins with Windows events or the namespace they have."""
    text = (
        head.replace(b"\0", b"")
        if b"\0" in head[:4] or head[:2] in (b"\xff\xfe", b"\xfe\xff")
        else head
    )
    if not text.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<"):
        return 0.0
    parts = islice(events(io.BytesIO(head)), _LOOK_AT)
    if any(isinstance(part, bytes) and b"<System" in part for _, part in parts):
        return 0.95
    return 0.7 if _NAMESPACE in text and b"<Event" in text else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Every event under the same shape and columns as in EVTX; `_offset` in bytes.

    Document types and entities are refused; a broken event is an `unparsed` row.
    """
    records = Records(source)
    with source.open() as stream:
        for offset, part in events(stream):
            if isinstance(part, BadRecord):
                records.unparsed(offset, part.reason, part.raw)
            else:
                try:
                    shape, fields, time, host = event(part)
                except (ValueError, ElementTree.ParseError) as error:
                    records.unparsed(offset, str(error), part)
                else:
                    records.add(shape, fields, time=time, offset=offset, host=host, size=len(part))
            if records.full:
                yield from records.drain()
    yield from records.drain()


def event(text: bytes) -> Event:
    """The event of one `<Event>` element. Raises ValueError or ParseError."""
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ValueError("a document type or entity declaration is not accepted")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 (no declarations, so no entities)
    except ElementTree.ParseError:
        root = ElementTree.fromstring(_mended(text))  # noqa: S314
    tree: dict[str, Any] = {}
    for section in root:
        name = _local(section.tag)
        tree[name] = _section(section) if name in ("System", "EventData") else _content(section)
    return windows_event.from_tree(tree)


def _mended(text: bytes) -> str:
    """The text without what XML forbids but logs hold: other encodings, control characters."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = text.decode("cp1252", "backslashreplace")
    return _CONTROL.sub(_picture, _REFERENCE.sub(_referenced, decoded))


def _picture(found: "re.Match[str]") -> str:
    code = ord(found.group())
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def _referenced(found: "re.Match[str]") -> str:
    code = int(found[1], 16) if found[1] else int(found[2])
    return f"\\u{code:04x}" if code < 0x20 and code not in (9, 10, 13) else found.group()


def _section(section: ElementTree.Element) -> dict[str, Any]:
    """`System` or `EventData`: its elements by name, `Data` by its own, and without one as a list."""
    made: dict[str, Any] = {}
    items: list[Any] = []
    for element in section:
        name = _local(element.tag)
        if name == "Data":
            called, text = element.get("Name"), _text(element) or ""
            if called and called not in made and called != "Data":
                made[called] = text
            else:
                items.append({"Name": called, "#text": text})
        else:
            made[name] = _content(element)
    if items:
        made["Data"] = items
    if section.attrib:
        made["#attributes"] = _attributes(section)
    return made


def _content(element: ElementTree.Element, depth: int = _DEPTH) -> Any:
    """An element as text, or as a mapping of its attributes, elements and text."""
    text = _text(element)
    if not element.attrib and not len(element):
        return text
    made: dict[str, Any] = {"#attributes": _attributes(element)} if element.attrib else {}
    if depth > 0:
        for child in element:
            name, value = _local(child.tag), _content(child, depth - 1)
            if name in made:
                have = made[name]
                made[name] = [*(have if isinstance(have, list) else [have]), value]
            else:
                made[name] = value
    if text is not None:
        made["#text"] = text
    return made


def _text(element: ElementTree.Element) -> str | None:
    """An element's own text; the line breaks that only lay out the document are none."""
    text = element.text
    if text is None or text.strip() or (len(element) == 0 and "\n" not in text):
        return text
    return None


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    return {_local(name): value for name, value in element.attrib.items()}


@lru_cache(maxsize=4096)
def _local(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]

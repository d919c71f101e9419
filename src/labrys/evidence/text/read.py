"""Reads text that no other format knows, so that it is searchable: a row for every line."""

import codecs
import re
from collections.abc import Iterator
from typing import Final

from labrys.evidence import logons
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import decode, lines, wide
from labrys.evidence.timestamps import parse

SHAPE: Final = "text.line"
_CONTROL: Final = bytes(set(range(0x20)) - set(b"\a\b\t\n\v\f\r\x1b")) + b"\x7f"
_HIGH: Final = bytes(range(0x80, 0x100))
_MOST_CONTROL: Final = 0.02
_MOST_HIGH: Final = 0.7  # as in Japanese or Cyrillic text of before UTF-8

_DATE_FIRST: Final = re.compile(
    r"(?:<\d{1,3}>(?:\d )?)?[\[(\"']?("
    r"\d{4}[-/.]\d\d[-/.]\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
    r"|\d{1,2}[/.]\d{1,2}[/.](?:\d{4}|\d\d),? \d{1,2}:\d\d:\d\d(?:\.\d{1,9})?(?: [AP]M)?"
    r"|\d{8}[T ]\d{6}"
    r"|(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?: \d{4})?"
    r"|\d\d[/-][A-Z][a-z]{2}[/-]\d{4}[ :]\d\d:\d\d:\d\d(?:\.\d+)?(?: [+-]\d{4})?"
    r"|\d{10}(?:\.\d{1,9})?|\d{13})(?!\w)",
    re.ASCII,
)
_DATE_WITHIN: Final = re.compile(
    r"(?:\[(?=\d\d/)|(?<!\d)(?=\d{4}[-/]))(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
    r"|\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)",
    re.ASCII,
)
_MONTHS: Final = {
    f"{number:02}": name
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
        1,
    )
}
_KLOG: Final = re.compile(r"[IWEF](\d\d)(\d\d) (\d\d:\d\d:\d\d\.\d{6}) ", re.ASCII)
"""How Kubernetes, and other programs of Google's, begin a line: level, month, day, clock."""


def sniff(head: bytes, name: str) -> float:
    """A little for anything that is text at all, so that every other reader goes before."""
    if not head:
        return 0.0
    if wide(head) is not None:
        return 0.01
    if b"\x00" in head:
        return 0.0
    control = len(head) - len(head.translate(None, _CONTROL))
    if control > _MOST_CONTROL * len(head):
        return 0.0
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        high = len(head) - len(head.translate(None, _HIGH))
        return 0.01 if high <= _MOST_HIGH * len(head) else 0.0
    return 0.01


def read(source: Source) -> Iterator[Shaped]:
    """Each line that is not empty as a row of `text.line`, column `line`; `_offset` in bytes.

    Where it tells of a log-on, further columns say which (`evidence.logons`).
    `_time` is the time that the line begins with, or else the first one near its beginning.
    """
    records = Records(source)
    with source.open() as stream:
        for offset, raw, cut in lines(stream):
            if raw:
                line = decode(raw)
                time = _time(line, source.modified)
                fields = {"line": line, **(logons.told(line) or {})}
                records.add(SHAPE, fields, time=time, offset=offset, size=len(raw) + 80)
                if cut:
                    records.unparsed(offset, "a line too long: the rest of it is left out")
            if records.full:
                yield from records.drain()
    yield from records.drain()


def _time(line: str, near: int | None) -> int | None:
    if line[:1] in "IWEF" and (klog := _KLOG.match(line)):
        return parse(f"{_MONTHS.get(klog[1], '')} {klog[2]} {klog[3]}", near=near)
    found = _DATE_FIRST.match(line) or _DATE_WITHIN.search(line, 0, 200)
    return parse(found[1], near=near) if found else None

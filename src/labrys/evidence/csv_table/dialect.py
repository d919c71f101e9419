"""Finds out how a table is written down: its encoding, its delimiter, and whether it has a header.

RFC 4180 leaves all of that open.
"""

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from labrys.evidence.csv_table.rows import Cutter, text_lines
from labrys.evidence.timestamps import parse

PEEK: Final = 64 << 10
"""How much of a file is looked at."""
DELIMITERS: Final = (",", ";", "\t", "|")
_SHARE: Final = 0.9
_SHARE_BELOW_HEADER: Final = 0.5
_MAX_COLUMNS: Final = 1_000
_NAME: Final = re.compile(r"[A-Za-z_@#$%][^\x00-\x1f{}\"=<>]{0,79}|[A-Z]{2}<[A-Z]{2}")
_VALUE: Final = re.compile(
    r"[-+]?[\d.,:x%]+|(?:\d{1,3}\.){3}\d{1,3}(?:[:/]\d+)?|[0-9a-fA-F:-]{12,}"
)
_FRACTION: Final = re.compile(r"\d{3} \D")
_PREAMBLE: Final = re.compile(rb"(?:sep=(.)|#TYPE [^\n]{0,500}?)\r?\n", re.IGNORECASE)
_WIDE: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written; `names` are its columns, from its header or made up."""

    delimiter: str
    header: bool
    names: tuple[str, ...]


def utf16(head: bytes) -> str | None:
    """The name of the UTF-16 encoding that `head` announces, if it does."""
    return next((name for mark, name in _WIDE if head.startswith(mark)), None)


def skip(head: bytes) -> int:
    """How many bytes of UTF-8 text come before the table: its mark, `sep=;`, `#TYPE …`."""
    mark = 3 if head.startswith(codecs.BOM_UTF8) else 0
    found = _PREAMBLE.match(head, mark)
    return found.end() if found else mark


def detect(head: bytes) -> Dialect | None:
    """How the table that begins with `head` is written; None when it is no table.

    A table has at least two rows, nine in ten of them with the same number of cells: three cells
    or more, or two under a header. A header of three names or more may stand above ragged rows.
    """
    cut = len(head) >= PEEK
    encoding = utf16(head)
    if encoding is not None:
        head = head[2:].decode(encoding, "replace").encode()
    head = head[skip(head) :]
    if b"\x00" in head:
        return None
    whole = head[: head.rfind(b"\n") + 1] or head
    lines = text_lines(whole)
    found = [made for delimiter in DELIMITERS if (made := _with(delimiter, lines, cut))]
    return max(found, key=lambda made: (made[0], made[1].header), default=(0, None))[1]


def _with(delimiter: str, lines: list[str], cut: bool) -> tuple[float, Dialect] | None:
    """How well a delimiter fits, and the dialect with it."""
    cutter = Cutter(delimiter)
    found, end = cutter.rows(lines, last=not cut)
    rows = [row for _, row in found]
    if len(rows) + (end < len(lines)) < 2 or not rows:
        return None
    (width, count), *_ = Counter(map(len, rows)).most_common(1)
    if not 2 <= width <= _MAX_COLUMNS:
        return None
    header = len(rows[0]) == width and _is_header(rows)
    if count < (_SHARE_BELOW_HEADER if header and width > 2 else _SHARE) * len(rows):
        return None
    if width == 2 and not header:
        return None
    if delimiter == "," and not header and _is_prose(rows):
        return None
    names = rows[0] if header else [f"column_{number + 1}" for number in range(width)]
    return width * count / len(rows), Dialect(delimiter, header, tuple(names))


def _is_prose(rows: list[list[str]]) -> bool:
    """Whether most commas are those of sentences, a space after them, or of a clock's fraction."""
    inner = [cell for row in rows[:50] for cell in row[1:]]
    spaced = sum(cell[:1] == " " and len(cell) > 1 for cell in inner)
    fractions = sum(bool(_FRACTION.match(row[1])) for row in rows[:50] if len(row) > 1)
    return (spaced + fractions) * 2 > len(inner)


def _is_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: names, no values, and none that occur below it."""
    names, below = rows[0], rows[1:]
    given = [name for name in names if name.strip()]
    if len(given) < len(names) - 1 or len({name.lower() for name in given}) < len(given):
        return False
    for number, name in enumerate(names):
        if name.strip() and (not _NAME.fullmatch(name.strip()) or parse(name) is not None):
            return False
        if name and any(row[number : number + 1] == [name] for row in below):
            return False
    return not all(_VALUE.fullmatch(name) for name in given)

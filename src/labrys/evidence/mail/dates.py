"""Reads the dates of mail headers (RFC 5322 section 3.3, and what is written instead of it)."""

import re
from datetime import date
from typing import Final

from labrys.evidence.timestamps import parse

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_USUAL: Final = re.compile(
    r"(?:[A-Za-z]{3,9},?\s{1,3})?(\d{1,2})[\s-]([A-Za-z]{3})[a-z]{0,6}[\s-](\d{4})\s{1,3}"
    r"(\d\d?):(\d\d)(?::(\d\d))?(?:\s{0,3}([+-]\d{4}))?(?![\d:+-])"
)
_COMMENT: Final = re.compile(r"\s*\(.{0,80}")
_UNIX_DAY: Final = date(1970, 1, 1).toordinal()
_EARLIEST: Final = 315_532_800_000
"""1980-01-01: there was no mail of this form before."""


def moment(said: str) -> int | None:
    """A date as epoch milliseconds UTC; None when it is none, or from before there was mail."""
    said = said.strip()[:120]
    found = _USUAL.match(said)
    if found is None or (found[7] is None and said[found.end() :].strip()):
        made = parse(_COMMENT.sub("", said))
    else:
        made = _made(found)
    return made if made is not None and made >= _EARLIEST else None


def zone(said: str) -> int | None:
    """The minutes east of Greenwich that a date states; None when it does not in digits."""
    found = _USUAL.match(said.strip()[:120])
    return _minutes(found[7]) if found is not None and found[7] else None


def _made(found: "re.Match[str]") -> int | None:
    day, month, year, hour, minute, second, east = found.groups()
    try:
        days = date(int(year), _MONTHS[month.lower()], int(day)).toordinal() - _UNIX_DAY
    except (KeyError, ValueError):
        return None
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60:
        return None
    minutes = days * 1440 + int(hour) * 60 + int(minute) - (_minutes(east) if east else 0)
    return (minutes * 60 + int(second or 0)) * 1000


def _minutes(east: str) -> int:
    size = int(east[1:3]) * 60 + int(east[3:])
    return -size if east[0] == "-" else size

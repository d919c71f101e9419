"""Finds the years that a syslog file leaves out (RFC 3164 dates have none).

The rule: inside a file time goes on, so a date more than a week behind the one before it begins a
new year, and one more than 51 weeks ahead goes back to the old one; what jumps back and soon
returns to where it was (a machine that booted with a wrong clock) begins none. The last line is in
the newest year that puts it no later than a day after the earliest of: a date in the file's name,
the end of the journal it was printed from, the file's last change. A line with a full date beside
one without decides before all of these, and where 29 February occurs the year must have one. With
no hint at all the last line is put in 1972, which keeps distances and can be mistaken for nothing.
Times without a zone are taken as UTC.
"""

import re
from calendar import isleap
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import BinaryIO, Final

from labrys.evidence.syslog.plain import plain
from labrys.evidence.text_lines import lines

_DAY_MS: Final = 86_400_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_DAY: Final = re.compile(rb"(?:<\d{1,3}>)?\*?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?=\d{1,2}:\d\d:\d\d)")
_FULL: Final = re.compile(rb"(?:<\d{1,3}>(?:\d )?)?(\d{4}-\d\d-\d\d)[T ]\d\d:")
_NOTE: Final = re.compile(rb"\d{4}-\d\d-\d\d")
_IN_NAME: Final = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)(?!\d)")
_CLOCK: Final = re.compile(
    r"(\w{3}) {1,2}(\d{1,2}) (\d{1,2}):(\d\d):(\d\d)(?:[.,](\d{1,9}))?", re.ASCII
)
_UNKNOWN: Final = 1972
_EXCURSION: Final = 1 << 20
_MOST_TURNS: Final = 10_000


@dataclass(slots=True)
class Years:
    """The year of each place in one file; ask in the order of the file."""

    first: int
    turns: list[tuple[int, int]] = field(default_factory=list)
    _next: int = 0

    def time(self, stamp: str, offset: int) -> int | None:
        """Epoch milliseconds of a date without a year, in the line at `offset`."""
        while self._next < len(self.turns) and self.turns[self._next][0] <= offset:
            self.first += self.turns[self._next][1]
            self._next += 1
        month, day, within = _clock(stamp)
        midnight = _midnight(self.first, month, day)
        return None if midnight is None or within is None else midnight + within


@lru_cache(maxsize=8192)
def _clock(stamp: str) -> tuple[int, int, int | None]:
    """Month, day, and milliseconds into the day (None when there is no such time of day)."""
    found = _CLOCK.fullmatch(stamp)
    if found is None:
        return 0, 0, None
    hour, minute, second = int(found[3]), int(found[4]), int(found[5])
    thousandths = int(((found[6] or "") + "000")[:3])
    month, day = _MONTHS.get(found[1], 0), int(found[2])
    if hour > 23 or minute > 59 or second > 60:
        return month, day, None
    return month, day, ((hour * 60 + minute) * 60 + second) * 1000 + thousandths


@lru_cache(maxsize=4096)
def _midnight(year: int, month: int, day: int) -> int | None:
    try:
        return (date(year, month, day).toordinal() - _EPOCH_DAY) * _DAY_MS
    except ValueError:
        return None


@dataclass(slots=True)
class _Survey:
    """What one look through a file tells of its years; `index` counts years from its beginning."""

    turns: list[tuple[int, int]] = field(default_factory=list)
    index: int = 0
    month: int = 0
    day: int = 0
    leaps: set[int] = field(default_factory=set)
    known: int | None = None
    full: date | None = None
    until: date | None = None
    _before: int = -999
    _begun: int = 0
    _landed: int = 0
    _natural: bool = False

    def step(self, month: int, day: int, offset: int) -> None:
        """Go on to the next date."""
        here = _place(month, day)
        last = _place(self.month, self.day)
        moved = here - last if self.month else 0
        returns = abs(here - self._before) <= 7 and offset - self._begun < _EXCURSION
        if returns and moved >= 28 and not self._natural:
            self.index -= self.turns.pop()[1]
            self._before = -999
        elif returns and moved >= 28:
            self._turn(offset, -1)
        elif moved < -7:
            self._before, self._begun, self._natural = last, offset, moved + _YEAR <= 62
            self._landed = here
            self._turn(offset, 1)
        elif moved > _YEAR - 14:
            self._turn(offset, -1)
        elif abs(here - self._landed) > 28:
            self._before = -999
        self.month, self.day = month, day
        if (month, day) == (2, 29):
            self.leaps.add(self.index)

    def _turn(self, offset: int, by: int) -> None:
        if by < 0:
            self._before = -999
        if len(self.turns) < _MOST_TURNS:
            self.turns.append((offset, by))
            self.index += by
        else:
            self._before = -999

    def anchor(self, full: date) -> None:
        """Learn the year from a line with a full date beside the present one."""
        years = [year for year in (full.year - 1, full.year, full.year + 1) if 1 < year < 9999]
        days = [(abs((_date(year, self.month, self.day) - full).days), year) for year in years]
        self.known = min(days)[1] - self.index


_YEAR: Final = 12 * 31


def _place(month: int, day: int) -> int:
    return (month - 1) * 31 + day  # months of one length will do: only weeks matter


def _date(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, 28 if month == 2 and not isleap(year) else 30))


def find_years(stream: BinaryIO, name: str, modified: int | None) -> Years:
    """Look through a file once for where its years turn, and settle which they are.

    `name` is the file's, `modified` its last change in epoch milliseconds, if that is known.
    """
    survey = _survey(stream)
    return Years(_first_year(survey, name, modified), survey.turns)


def _survey(stream: BinaryIO) -> _Survey:
    survey = _Survey()
    last = last_full = b""
    waiting = False  # a date without a year has been seen, and no full one since
    for offset, raw, _ in lines(stream):
        if raw[:6] == last or raw[:10] == last_full:
            continue
        raw = plain(raw)
        if found := _DAY.match(raw):
            month, day = _MONTHS.get(found[1].decode(), 0), int(found[2])
            if not month or not 1 <= day <= 31:
                continue
            last, last_full = raw[:6] if raw[:1] != b"<" else b"", b""
            if (month, day) != (survey.month, survey.day):
                survey.step(month, day, offset)
            if survey.full is not None:
                survey.anchor(survey.full)
                survey.full = None
            waiting = True
        elif found := _FULL.match(raw):
            last, last_full = b"", raw[:10] if raw[:1] != b"<" else b""
            full = _iso(found[1])
            if waiting and full is not None:
                survey.anchor(full)
            waiting, survey.full = False, full or survey.full
        elif raw.startswith(b"-- ") and (dates := _NOTE.findall(raw)):
            survey.until = _iso(dates[-1]) or survey.until
    return survey


def _iso(text: bytes) -> date | None:
    try:
        return date.fromisoformat(text.decode())
    except ValueError:
        return None


def _first_year(survey: _Survey, name: str, modified: int | None) -> int:
    if not survey.month:
        return _UNKNOWN
    if survey.known is not None:
        return survey.known
    hints = [hint for hint in (_in_name(name), survey.until, _changed(modified)) if hint]
    if not hints:
        return _UNKNOWN - survey.index
    bound = min(*hints, date.max - timedelta(days=1)) + timedelta(days=1)
    newest = bound.year
    if (survey.month, survey.day) > (bound.month, bound.day):
        newest -= 1
    first = newest - survey.index
    for year in range(first, first - 40, -1):
        if all(isleap(year + index) for index in survey.leaps):
            return year
    return first


def _in_name(name: str) -> date | None:
    dates = _IN_NAME.findall(name.rpartition("/")[2])
    try:
        return date(*(int(part) for part in dates[-1])) if dates else None
    except ValueError:
        return None


def _changed(modified: int | None) -> date | None:
    if modified is None:
        return None
    try:
        return datetime.fromtimestamp(modified / 1000, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None

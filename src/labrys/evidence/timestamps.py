"""Reads a point in time out of whatever a log wrote (ISO 8601, RFC 3339/5322/3164, epochs, …).

A time without a zone is taken as UTC: logs rarely say otherwise, and guessing a zone would shift
evidence silently. `3/4/2024` is month first unless only the other order makes a date.
"""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

_NAIVE_EPOCH: Final = datetime(1970, 1, 1)
_EPOCH: Final = _NAIVE_EPOCH.replace(tzinfo=UTC)
_DAY: Final = 86_400_000
EARLIEST: Final = -11_644_473_600_000
"""1601-01-01 in epoch milliseconds, where Windows' clocks begin."""
LATEST: Final = 4_133_980_800_000
"""2101-01-01 in epoch milliseconds: what lies beyond is a sentinel or garbage."""

_LONGEST: Final = 80
_FILETIME: Final = (120_000_000_000_000_000, 157_800_000_000_000_000)
"""1981 to 2101 in 100 ns since 1601; read as nanoseconds the same numbers would be 1973 to 1975."""
ROUNDING: Final = 5e-4
"""More than a 64-bit float of epoch seconds is off by in milliseconds; less than a microsecond."""
_UNITS: Final = ((1.0e8, 1_000), (1.0e11, 1), (1.0e14, 1e-3), (1.0e17, 1e-6))
"""From which number on it counts seconds, milliseconds, microseconds, nanoseconds."""

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_ZONES: Final = {
    name: int(minutes)
    for line in (
        "0 z utc gmt ut wet",
        "60 bst cet",
        "120 cest eet",
        "180 eest msk",
        "540 jst",
        "-240 edt",
        "-300 est cdt",
        "-360 cst mdt",
        "-420 mst pdt",
        "-480 pst",
    )
    for minutes, *names in [line.split()]
    for name in names
}
"""Minutes east of Greenwich; an unknown name counts as UTC."""

_CLOCK: Final = (
    r"(?P<h>\d{1,2}):(?P<mi>\d{2})(?::(?P<s>\d{2})(?:[.,:](?P<f>\d{1,12}))?)?"
    r"(?: ?(?P<ap>[ap])\.?m\.?)?(?: ?(?P<z>[+-]\d{2}:?\d{2}|[+-]\d{2}|[a-z]{1,5}))?"
)
_OTHER_CLOCK: Final = re.sub(r"\?P<\w+>", "", _CLOCK)
_DATES: Final = (
    # 2024-03-04, 2024/3/4, 2024.03.04, also with a clock that `fromisoformat` refuses
    r"(?P<y>\d{4})[-/.:](?P<m>\d{1,2})[-/.:](?P<d>\d{1,2})",
    # 04/Mar/2024:… (Common Log Format), 4 March 2024, Sunday, 06-Nov-94
    r"(?:[a-z]{3,9},? )?(?P<d>\d{1,2})[-/ ](?P<mon>[a-z]{3,9})\.?[-/ ,]{1,2}(?P<y>\d{4}|\d{2})",
    # March 4, 2024
    r"(?:[a-z]{3,9},? )?(?P<mon>[a-z]{3,9})\.? (?P<d>\d{1,2})(?:st|nd|rd|th)?,? (?P<y>\d{4})",
    # 3/4/2024, 04.03.2024 (dots: day first)
    r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})[-/.](?P<y>\d{4}|\d{2})",
)
_FORMS: Final = tuple(
    re.compile(f"{date_form}(?:(?:[t:]|,? (?:@ |at )?){_CLOCK})?", re.ASCII) for date_form in _DATES
)
_YEAR_LAST: Final = re.compile(  # Sun Nov  6 08:49:37 1994, Nov 6 08:49:37 UTC 1994, RFC 3164
    r"(?:[a-z]{3,9},? )?(?P<mon>[a-z]{3,9}) (?P<d>\d{1,2}) (?:(?P<y1>\d{4}) )?"
    rf"{_CLOCK}(?: (?P<y>\d{{4}}))?",
    re.ASCII,
)
_PACKED: Final = re.compile(
    r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})"
    r"(?:[t ]?(?P<h>\d{2})(?P<mi>\d{2})(?P<s>\d{2})(?:\.(?P<f>\d{1,9}))?(?P<z>z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_NET_JSON: Final = re.compile(r"\\?/date\((-?\d{1,16})(?:[+-]\d{4})?\)\\?/", re.ASCII)
_CLOCK_ONLY: Final = re.compile(_OTHER_CLOCK, re.ASCII)


def parse(value: Any, *, near: int | None = None) -> int | None:
    """A time in epoch milliseconds UTC, or None when `value` is none that falls in 1601 to 2100.

    Takes text, numbers (seconds, milliseconds, microseconds, nanoseconds or Windows 100 ns ticks,
    told apart by size) and dates. A date without a year (RFC 3164) gets the year that puts it
    last before `near` (epoch milliseconds, say the file's last change), and is None without it.
    """
    if isinstance(value, str):
        with suppress(ValueError):
            if not value[4:5].isdecimal():  # bare digits may be an epoch that looks like a date
                return _from_datetime(datetime.fromisoformat(value))
        return _bounded(_from_text(value, near))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _bounded(_from_number(value))
    if isinstance(value, bytes):
        return parse(value[: _LONGEST + 1].decode("utf-8", "replace"), near=near)
    return _from_datetime(value) if isinstance(value, datetime) else None


def _from_datetime(moment: datetime) -> int | None:
    since = moment - (_NAIVE_EPOCH if moment.tzinfo is None else _EPOCH)
    return _bounded(since.days * _DAY + since.seconds * 1000 + since.microseconds // 1000)


def _bounded(value: int | None) -> int | None:
    return value if value is not None and EARLIEST <= value < LATEST else None


def _from_number(value: int | float) -> int | None:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    size = abs(value)
    if _FILETIME[0] <= value < _FILETIME[1]:
        return int(value) // 10_000 + EARLIEST
    for least, factor in reversed(_UNITS):
        if size >= least:
            if isinstance(value, int) and factor < 1:
                return value // round(1 / factor)
            return math.floor(value * factor + ROUNDING) if size < least * 1_000 else None
    return None


def _from_text(text: str, near: int | None) -> int | None:
    return _from_short_text(text, near) if 4 <= len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)  # many records share a second
def _from_short_text(text: str, near: int | None) -> int | None:
    text = " ".join(text.strip("[]\"' \t\r\n").lower().split())
    if text.replace(".", "", 1).lstrip("-").isdecimal() and text.isascii():
        return _from_digits(text)
    if (match := _NET_JSON.fullmatch(text)) is not None:
        return int(match[1])
    try:
        return _from_datetime(datetime.fromisoformat(text.upper().removesuffix(" UTC")))
    except ValueError:
        return _from_forms(text, near)


def _from_digits(text: str) -> int | None:
    if len(text) in (8, 14) and (match := _PACKED.fullmatch(text)) is not None:
        packed = _build(match.groupdict(), int(match["m"]), int(match["d"]), int(match["y"]))
        if packed is not None:
            return packed
    return _from_number(float(text) if "." in text else int(text))


def _from_forms(text: str, near: int | None) -> int | None:
    for form in (*_FORMS, _PACKED):
        if (match := form.fullmatch(text)) is None:
            continue
        parts = match.groupdict()
        year = _century(parts["y"])
        if parts.get("a"):
            for month, day in _orders(int(parts["a"]), int(parts["b"]), parts["sep"]):
                if (made := _build(parts, month, day, year)) is not None:
                    return made
            return None
        month = int(parts["m"]) if "m" in parts else _month(parts["mon"])
        return _build(parts, month, int(parts["d"]), year)
    if (match := _YEAR_LAST.fullmatch(text)) is not None:
        return _year_last(match.groupdict(), near)
    return None


def _orders(first: int, second: int, separator: str) -> Iterator[tuple[int, int]]:
    """Month and day, in the order to try them."""
    pairs = [(first, second), (second, first)]
    yield from reversed(pairs) if separator == "." else pairs


def _year_last(parts: dict[str, str | None], near: int | None) -> int | None:
    month, day = _month(parts["mon"] or ""), int(parts["d"] or 0)
    if year := parts["y"] or parts["y1"]:
        return _build(parts, month, day, int(year))
    if near is None or not EARLIEST <= near < LATEST:
        return None
    this_year = (_NAIVE_EPOCH + timedelta(milliseconds=near)).year
    for year_back in range(this_year + 1, this_year - 9, -1):  # 29 February needs up to 8 years
        made = _build(parts, month, day, year_back)
        if made is not None and made <= near + _DAY:
            return made
    return None


def _month(name: str) -> int:
    return _MONTHS.get(name[:3], 0)


def _century(year: str) -> int:
    number = int(year)
    return number if len(year) == 4 else number + (2000 if number < 70 else 1900)


def _build(parts: Mapping[str, str | None], month: int, day: int, year: int) -> int | None:
    """Epoch milliseconds of a date and the clock parts; None when there is no such moment."""
    hour, minute = int(parts.get("h") or 0), int(parts.get("mi") or 0)
    second = int(parts.get("s") or 0)
    if half := parts.get("ap"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second)):
        return None  # 24:00 ends a day, and :60 is a leap second: both are in ISO 8601
    try:
        days = date(year, month, day).toordinal() - _NAIVE_EPOCH.toordinal()
    except ValueError:
        return None
    thousandths = int(((parts.get("f") or "") + "000")[:3])
    minutes = hour * 60 + minute - _zone(parts.get("z"))
    return days * _DAY + (minutes * 60 + second) * 1000 + thousandths


def _zone(text: str | None) -> int:
    """Minutes east of Greenwich."""
    if not text:
        return 0
    if text[0] not in "+-":
        return _ZONES.get(text, 0)
    digits = text[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return -minutes if text[0] == "-" else minutes


NAMES: Final = (
    *("timestamp", "eventtime", "timegenerated", "timecreated", "systemtime", "utctime"),
    *("messagetime",),
    *("eventtimestamp", "datetime", "time", "ts", "date", "createddatetime", "activitydatetime"),
    *("creationtime", "createdat", "created", "occurredat", "occurred", "published", "logtime"),
    *("logdate", "eventdate", "requesttime", "requestreceivedtimestamp", "receivedat", "starttime"),
    *("start", "begin", "starttimestamp", "recordedat", "observedtimestamp", "collectedat"),
    *("generated", "epoch", "unixtime", "epochtime", "firstseen", "lastseen", "updatedat"),
    *("modified", "when", "t"),
    # What forensic tools call it: when a program ran, a key was written, a page was seen.
    *("lastrun", "runtime", "visittime", "lastvisittime", "visitdate", "lastwritetimestamp"),
    *("filekeylastwritetimestamp", "keylastwritetimestamp", "lastmodified", "lastaccessed"),
    *("created0x10", "sourcemodified", "sourcecreated", "lastmodifiedtimeutc", "deletedon"),
)
"""Fields that usually hold a record's time, likeliest first, without case and punctuation."""
_RANK: Final = {name: rank for rank, name in enumerate(NAMES)}
_NOT_A_LETTER: Final = re.compile(r"[^a-z0-9]")


@lru_cache(maxsize=1024)
def columns_of_time(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a record's field names that usually hold its time, likeliest first.

    Of a dotted name the whole counts before its last part (`event.created` after `timestamp`).
    """
    ranked: list[tuple[int, int, str]] = []
    for place, name in enumerate(names):
        lower = name[-_LONGEST:].lower()
        whole, last = _plain(lower), _plain(lower.rpartition(".")[2])
        rank = _RANK.get(whole, len(NAMES) + _RANK[last] if last in _RANK else -1)
        if rank >= 0:
            ranked.append((rank, place, name))
    return tuple(name for _, _, name in sorted(ranked)[:8])


def _plain(name: str) -> str:
    return _NOT_A_LETTER.sub("", name)


def of_record(fields: Mapping[str, Any], *, near: int | None = None) -> int | None:
    """The time of a record whose fields are not known beforehand; None when none looks like one.

    A date in one column and the clock in another (W3C logs, spreadsheets) are read together.
    """
    for name in columns_of_time(tuple(fields)):
        value = fields[name]
        if isinstance(value, list):
            value = value[0] if value else None
        if (made := parse(value, near=near)) is None:
            continue
        if isinstance(value, str) and made % _DAY == 0 and len(value) <= 12:
            return _with_clock(fields, value, made)
        return made
    return None


def _with_clock(fields: Mapping[str, Any], day: str, otherwise: int) -> int:
    for name in columns_of_time(tuple(fields)):
        clock = fields[name]
        if isinstance(clock, str) and 4 <= len(clock) <= 24 and clock is not day:
            clock = clock.strip().lower()
            if _CLOCK_ONLY.fullmatch(clock) and (made := parse(f"{day} {clock}")) is not None:
                return made
    return otherwise

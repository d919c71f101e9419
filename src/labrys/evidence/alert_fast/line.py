"""Takes apart a line of fast.log or alert_fast, into the names of Suricata's EVE log.

Dates are month/day/year (Suricata, Snort 2), year/month/day (Snort 3) or without a year.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

_LINE: Final = re.compile(
    r"(?P<date>\d\d/\d\d(?:/\d{2}|/\d{4})?)-(?P<clock>\d\d:\d\d:\d\d)\.(?P<fraction>\d{1,9}) {1,3}"
    r"(?:\[(?P<action>w?Drop)\] {1,3})?\[\*\*\] {1,3}\[(?P<gid>\d{1,10}):(?P<sid>\d{1,10}):"
    r"(?P<rev>\d{1,10})\] (?P<signature>.{0,2000}?) ?\[\*\*\]"
    r"(?: {1,3}\[Classification: (?P<category>[^\]]{0,400})\])?"
    r"(?: {1,3}\[Priority: (?P<severity>\d{1,3})\])?"
    r"(?: {1,3}\{(?P<proto>[\w-]{1,40})\})?"
    r"(?: {1,3}(?P<src>\S{1,60}) -> (?P<dest>\S{1,60}))?\s*",
    re.ASCII,
)
_PORTS: Final = frozenset(("TCP", "UDP", "SCTP"))
_DAY: Final = 86_400_000

Fields = dict[str, str]


def parse(line: str, near: int | None) -> tuple[Fields, int | None] | None:
    """The fields of an alert and its time in epoch milliseconds; None where the line is none."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    signature = found["signature"]
    if len(signature) > 1 and signature[0] == signature[-1] == '"':
        signature = signature[1:-1]
    fields = {
        "timestamp": line[: found.end("fraction")],
        "event_type": "alert",
        "alert.gid": found["gid"],
        "alert.signature_id": found["sid"],
        "alert.rev": found["rev"],
        "alert.signature": signature,
        "alert.category": found["category"],
        "alert.severity": found["severity"],
        "alert.action": {"Drop": "blocked", "wDrop": "allowed"}.get(found["action"] or ""),
        "proto": found["proto"],
    }
    for side in ("src", "dest"):
        address, port = _end(found[side] or "", found["proto"] or "")
        fields |= {f"{side}_ip": address, f"{side}_port": port}
    clock = _clock(found["clock"], found["fraction"])
    day = _day(found["date"], near, clock) if clock is not None else None
    time = day + clock if day is not None and clock is not None else None
    return {name: value for name, value in fields.items() if value}, time


@lru_cache(maxsize=4096)
def _end(text: str, proto: str) -> tuple[str | None, str | None]:
    """Address and port; an IPv6 address has no brackets around it."""
    if proto.upper() not in _PORTS and _is_address(text):
        return text, None
    address, _, port = text.rpartition(":")
    if port.isdecimal() and _is_address(address):
        return address, port
    return (text, None) if _is_address(text) else (None, None)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _clock(text: str, fraction: str) -> int | None:
    hour, minute, second = (int(part) for part in text.split(":"))
    if hour > 23 or minute > 59 or second > 60:
        return None
    return ((hour * 60 + minute) * 60 + second) * 1000 + int((fraction + "00")[:3])


def _day(text: str, near: int | None, clock: int) -> int | None:
    """Midnight; a date without a year is put into the last one that is no later than `near`."""
    numbers = [int(part) for part in text.split("/")]
    if len(numbers) == 3:
        # Snort 3 begins with the year, and is younger than 2012.
        year, month, day = numbers if numbers[0] > 12 else (numbers[2], numbers[0], numbers[1])
        return _midnight(year if year > 99 else 2000 + year, month, day)
    if near is None:
        return None
    newest = datetime.fromtimestamp(near / 1000, UTC).year + 1
    made = (_midnight(year, *numbers) for year in range(newest, newest - 9, -1))
    return next((day for day in made if day is not None and day + clock <= near + _DAY), None)


@lru_cache(maxsize=1024)
def _midnight(year: int, month: int, day: int) -> int | None:
    try:
        return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return None

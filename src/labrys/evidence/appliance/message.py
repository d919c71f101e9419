"""Tells whose message it is by how it begins, and reads it."""

import re
from typing import Final

from labrys.evidence.appliance import cisco, extended, packet, pairs, panos
from labrys.evidence.appliance.event import Event

_MOST: Final = 64 << 10
_BEGINS: Final = re.compile(
    r"(?P<cef>CEF: ?\d)|(?P<leef>LEEF: ?\d)|(?P<cisco>%[A-Z])"
    r"|(?P<panos>\d?,\d{4}/\d\d/\d\d \d\d:\d\d:\d\d,[\w-]*,[A-Z]{3,20},)"
    r"|(?P<sonicwall>id=\S{1,40} sn=)"
    r'|(?P<sophos>device(?:_name)?=")'
    r"|(?P<fortigate>(?:date|devname|logver|eventtime|itime|timestamp|tz|devid|time)=)"
    r"|(?P<mikrotik>(?:[a-z]+(?:,[a-z0-9]+)+ )(?=\S{0,40}|.{0,120}in:)|login failure for user |user \S{1,100} logged (?:in|out) from |(?:[\w-]{1,40}: )?in:\S)",
    re.ASCII,
)
_PRIORITY: Final = re.compile(r"<\d{1,3}>(?:\d{1,3} (?=-|\S{19,35} ))?", re.ASCII)
_READERS: Final = {
    "cef": extended.cef,
    "leef": extended.leef,
    "cisco": cisco.parse,
    "panos": panos.parse,
    "sonicwall": pairs.sonicwall,
    "sophos": pairs.sophos,
    "fortigate": pairs.fortigate,
    "mikrotik": packet.mikrotik,
}
_PROGRAMS: Final = frozenset(["forward", "input", "output", "prerouting", "postrouting"])


def parse(program: str | None, message: str) -> Event | None:
    """What the message of an appliance says; None for anything else."""
    event = _of_program(program, message) if program else _by_itself(message)
    if event is not None and event.fields.get("event_outcome") == "blocked":
        event.fields["flow_state"] = "REJ"  # as Zeek calls it: whoever counts failures knows it
    return event


def _by_itself(message: str) -> Event | None:
    found = _BEGINS.match(message)
    if found is None or found.lastgroup is None:
        return None
    return _READERS[found.lastgroup](message[:_MOST])


def _of_program(program: str, message: str) -> Event | None:
    if program[0] == "%":
        return cisco.parse(f"{program}: {message}"[:_MOST])
    if program == "filterlog":
        return packet.filterlog(message[:_MOST])
    if program in ("CEF", "LEEF"):
        return (extended.cef if program == "CEF" else extended.leef)(f"{program}:{message}"[:_MOST])
    if program in _PROGRAMS:
        return packet.mikrotik(message)
    if message[:1] == "%" or message[:4] in ("CEF:", "LEEF"):  # a relay put its name before
        return _by_itself(message)
    return None


def bare(line: str) -> Event | None:
    """The same of a whole line that has no head, or nothing of it but the priority."""
    if line[:1] == "<" and (found := _PRIORITY.match(line)):
        line = line[found.end() :]
    return parse(None, line.lstrip())

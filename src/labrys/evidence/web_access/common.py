"""Reads a line of the Common Log Format and what grew from it: combined, with virtual hosts.

The format names no fields, so they get the names that W3C extended logs, and the rules written for
those, give them (https://httpd.apache.org/docs/current/mod/mod_log_config.html).
"""

import re
from datetime import date
from functools import lru_cache
from typing import Final

from labrys.evidence.unix_message.address import as_ip

Fields = dict[str, str | list[str] | None]

_QUOTED: Final = r'"((?:[^"\\]++|\\.)*+)"'
_STAMP: Final = r"\[(\d{1,2}/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d{1,9})? [+-]\d{4})\]"
_STATUS: Final = r"(\d{3}|-) (\d{1,20}|-)(?=\s|$)"
_LINE: Final = re.compile(
    rf"(\S[^\[]{{0,1000}}?) {_STAMP} {_QUOTED} {_STATUS}(?: {_QUOTED} {_QUOTED})?(.*)",
    re.DOTALL | re.ASCII,
)
_LOOSE: Final = re.compile(  # a user name with brackets, or a request with bare quotes in it
    rf'(\S.{{0,1000}}?) {_STAMP} "(.*?)" {_STATUS}(?: {_QUOTED} {_QUOTED})?(.*)',
    re.DOTALL | re.ASCII,
)
_METHOD: Final = re.compile(r"[A-Za-z][A-Za-z_-]{0,31}")
_ABSOLUTE: Final = re.compile(r"[a-z][a-z0-9+.-]{0,15}://([^/?#\s]{1,255})([^?#]*)", re.IGNORECASE)
_OWN: Final = re.compile(r"[a-z]{2,8}://([^/?#\s]{1,255})(.*)", re.IGNORECASE | re.DOTALL)
_PORT: Final = re.compile(r":\d{1,5}$", re.ASCII)
_FORWARDED: Final = re.compile(r' "([0-9A-Fa-f:., ]{2,400})"\s*')
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_EPOCH: Final = date(1970, 1, 1).toordinal()


def parse(line: str) -> tuple[Fields, int | None] | None:
    """The fields and the time (epoch milliseconds) of a line; None when it is none of ours."""
    found = _LINE.match(line) or _LOOSE.match(line)
    if found is None:
        return None
    who, stamp, request, status, size, referer, agent, extra = found.groups()
    fields: Fields = {"timestamp": stamp}
    _who(fields, who)
    set_request(fields, request)
    if status != "-":
        fields["sc-status"] = status
    if size != "-":
        fields["sc-bytes"] = size
    if referer is not None:
        fields["cs-referer"] = None if referer == "-" else referer
        fields["cs-user-agent"] = None if agent == "-" else agent
    if extra and not extra.isspace():
        fields["extra"] = extra.strip()
        if forwarded := _FORWARDED.match(extra):
            fields["x-forwarded-for"] = [part.strip() for part in forwarded[1].split(",")]
    return fields, time_of(stamp)


def is_strict(line: str) -> bool:
    """Whether a line is in the format beyond doubt, and has nothing of another before it."""
    found = _LINE.match(line)
    return found is not None and found[1].count(" ") <= 4


def _who(fields: Fields, who: str) -> None:
    """`client identity user`, perhaps after a virtual host; a user name may hold spaces."""
    parts = who.split(" ")
    if len(parts) > 3 and as_ip(parts[1]) and not as_ip(parts[0].rstrip(",")):
        fields["cs-host"] = parts.pop(0)
    client = parts.pop(0)
    if client.endswith(","):
        clients = [client.rstrip(",")]
        while client.endswith(",") and parts:
            client = parts.pop(0)
            clients.append(client.rstrip(","))
        fields["c-ip"] = clients
    else:
        fields["c-ip"] = client
    if len(parts) > 1 and parts[1] != "-":
        fields["cs-username"] = " ".join(parts[1:]).strip('"')


def set_request(fields: Fields, request: str) -> None:
    """The parts of a request line; one that is no HTTP stays whole, under `request`."""
    method, space, rest = request.partition(" ")
    if not space or not _METHOD.fullmatch(method):
        fields["request"] = request
        return
    target, space, version = rest.rpartition(" ")
    if not space or not version.startswith("HTTP/"):
        target, version = rest, ""
    fields["cs-method"] = method
    set_target(fields, target)
    if version:
        fields["cs-version"] = version


def set_target(fields: Fields, target: str) -> None:
    """A request's target, whole and in its parts."""
    fields["cs-uri"] = target
    stem, mark, query = target.partition("?")
    if "://" in stem[:20] and (absolute := _ABSOLUTE.match(stem)):
        fields["cs-host"] = absolute[1]
        stem = absolute[2] or "/"
    fields["cs-uri-stem"] = stem
    if mark:
        fields["cs-uri-query"] = query


def set_own(fields: Fields, target: str) -> None:
    """The same where the log of a server of ours writes whole addresses: a path and a host.

    Whole addresses under `cs-uri` are what a proxy is told by.
    """
    if found := _OWN.match(target):
        rest = found[2]
        set_target(fields, rest if rest[:1] == "/" else f"/{rest}")
        fields["cs-host"] = _PORT.sub("", found[1])
    else:
        set_target(fields, target)


def time_of(stamp: str) -> int | None:
    """Epoch milliseconds of `10/Oct/2000:13:55:36 -0700`; None when there is no such moment."""
    day, _, clock = stamp.partition(":")
    midnight = _midnight(day)
    if midnight is None:
        return None
    hour, minute, second = int(clock[:2]), int(clock[3:5]), int(clock[6:8])
    if hour > 23 or minute > 59 or second > 60:
        return None
    thousandths = int((clock[9:12] + "000")[:3]) if clock[8:9] == "." else 0
    zone = clock[-5:]
    east = (int(zone[1:3]) * 60 + int(zone[3:])) * (-1 if zone[0] == "-" else 1)
    return midnight + ((hour * 60 + minute - east) * 60 + second) * 1000 + thousandths


@lru_cache(maxsize=1024)
def _midnight(text: str) -> int | None:
    day, month, year = text.split("/")
    try:
        return (date(int(year), _MONTHS[month], int(day)).toordinal() - _EPOCH) * 86_400_000
    except (ValueError, KeyError):
        return None

"""Reads what proxies write of a request in forms of their own: HAProxy's HTTP log, Squid's access.log.

https://docs.haproxy.org/3.0/configuration.html#8.2.3, https://wiki.squid-cache.org/Features/LogFormat
"""

import re
from typing import Final

from labrys.evidence import timestamps
from labrys.evidence.web_access.common import Fields, set_request, set_target

_HAPROXY: Final = re.compile(
    r"(?P<c_ip>[0-9A-Fa-f.:]{2,45}):(?P<c_port>\d{1,5}) "
    r"\[(?P<stamp>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d{1,6})?)\] "
    r"(?P<frontend>\S{1,200}) (?P<backend>[^/\s]{1,200})/(?P<server>\S{1,200}) "
    r"(?P<timers>[-+\d/]{9,80}) (?P<status>\d{3}|-1) \+?(?P<bytes>\d{1,20}) "
    r"\S{1,200} \S{1,200} (?P<termination>\S{4}) [\d/+]{9,60} \d+/\d+ "
    r'(?:\{(?P<captured>[^}]{0,4000})\} )?(?:\{[^}]{0,4000}\} )?"(?P<request>.*)"?\s*',
    re.DOTALL | re.ASCII,
)
_SQUID: Final = re.compile(
    r"(?P<stamp>\d{9,11}(?:\.\d{1,3})?) +(?P<elapsed>-?\d{1,10}) (?P<c_ip>\S{1,255}) "
    r"(?P<result>[A-Z_]{3,60})/(?P<status>\d{1,3}) (?P<bytes>\d{1,20}) (?P<method>[A-Z_-]{2,30}) "
    r"(?P<url>\S{1,8000}) (?P<user>\S{1,200}) (?P<peer>[A-Z_]{2,60}/\S{1,255})(?: (?P<type>\S{1,200}))?\s*",
    re.ASCII,
)


def parse(line: str) -> tuple[Fields, int | None] | None:
    """The fields and the time of a line, by W3C's names; None when it is of neither."""
    if line[:1].isdigit() and (found := _SQUID.fullmatch(line)):
        return _squid(found)
    found = _HAPROXY.match(line)
    return _haproxy(found) if found else None


def _haproxy(found: "re.Match[str]") -> tuple[Fields, int | None]:
    fields: Fields = {"timestamp": found["stamp"], "c-ip": found["c_ip"], "c-port": found["c_port"]}
    set_request(fields, found["request"].removesuffix('"'))
    fields["sc-status"] = found["status"] if found["status"] != "-1" else None
    fields["sc-bytes"] = found["bytes"]
    for name in ("frontend", "backend", "server", "timers", "termination", "captured"):
        fields[name] = found[name]
    return fields, timestamps.parse(found["stamp"])


def _squid(found: "re.Match[str]") -> tuple[Fields, int | None]:
    fields: Fields = {"timestamp": found["stamp"], "c-ip": found["c_ip"]}
    fields["cs-method"] = found["method"]
    set_target(fields, found["url"])
    if found["method"] == "CONNECT":
        fields["cs-host"] = found["url"].rpartition(":")[0] or found["url"]
    fields["sc-status"] = found["status"] if found["status"] != "0" else None
    fields["sc-bytes"], fields["s-action"] = found["bytes"], found["result"]
    fields["time-taken"], fields["peer"] = found["elapsed"], found["peer"]
    address = found["peer"].partition("/")[2]
    for name, value in (
        ("cs-username", found["user"]),
        ("r-ip", address),
        ("content-type", found["type"]),
    ):
        if value not in ("-", "", None):
            fields[name] = value
    return fields, timestamps.parse(found["stamp"])

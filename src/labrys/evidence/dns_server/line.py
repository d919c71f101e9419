"""Takes a line apart in which a DNS server says who asked it what."""

import re
from typing import Any, Final

from labrys.evidence import timestamps

_WINDOWS: Final = re.compile(
    r"(?P<stamp>\d{1,8}(?:[/.-]\d{1,2}[/.-]\d{2,4})? \d{1,2}:\d\d:\d\d(?: [AP]M)?) "
    r"(?P<thread>[0-9A-F]{2,8}) PACKET +(?P<packet>[0-9A-Fa-f]{8,16}) (?P<transport>UDP|TCP) "
    r"(?P<direction>Rcv|Snd) (?P<remote>[0-9A-Fa-f.:]{2,45}) +(?P<xid>[0-9a-f]{1,4}) (?P<response>[R ]) "
    r"(?P<opcode>[QNU?]) \[(?P<flags>[0-9a-f]{4}) +(?P<letters>[A-Z ]{0,10}?) *(?P<rcode>[A-Z]{4,9})\] "
    r"(?P<query_type>[A-Z0-9]{1,10}) +(?P<name>\(\d{1,2}\).{0,400})",
    re.ASCII,
)
_LABEL: Final = re.compile(r"\((\d{1,2})\)([^()]{0,63})")
_BIND: Final = re.compile(
    r"(?:queries: )?(?:info: )?client (?:@0x[0-9a-f]{1,16} )?(?P<client>[0-9A-Fa-f.:]{2,45})#(?P<port>\d{1,5})"
    r"(?: \([^)\s]{1,300}\))?: (?:view \S{1,100}: )?query(?: \(cache\) '(?P<refused>[^'/]{1,300})/(?P<refused_type>[A-Z0-9]+)/IN' denied"
    r"|: (?P<query>\S{1,300}) (?P<class>[A-Z]{2,5}) (?P<query_type>[A-Z0-9]{1,10})(?: (?P<letters>\S{1,20}))?(?: \((?P<server>[^)]{2,45})\))?)",
    re.ASCII,
)
_DNSMASQ: Final = re.compile(
    r"(?:\d{1,10} [0-9A-Fa-f.:]{2,45}/\d{1,5} )?query\[(?P<query_type>[A-Z0-9]{1,12})\] (?P<query>\S{1,300}) "
    r"from (?P<client>[0-9A-Fa-f.:]{2,45})",
    re.ASCII,
)
_UNBOUND: Final = re.compile(
    r"(?:\[\d+:\d+\] )?(?:info|query|reply): (?P<client>[0-9A-Fa-f.:]{2,45})(?:@\d{1,5})? (?P<query>\S{1,300}) "
    r"(?P<query_type>[A-Z0-9]{1,10}) (?P<class>IN|CH|HS)(?: (?P<rcode>[A-Z]{4,9}) .*)?",
    re.ASCII,
)
_DATED: Final = re.compile(r"(\d{1,2}-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d(?:\.\d{1,6})?) ", re.ASCII)

Query = tuple[dict[str, Any], int | None]


def windows(line: str) -> Query | None:
    """A packet of the debug log of Windows' DNS server, and its time."""
    found = _WINDOWS.match(line)
    if found is None:
        return None
    fields: dict[str, Any] = {
        name: value.strip() for name, value in found.groupdict().items() if value and value.strip()
    }
    stamp, name = fields.pop("stamp"), fields.pop("name")
    labels = [text for size, text in _LABEL.findall(name) if size != "0"]
    fields |= {"timestamp": stamp, "query": ".".join(labels)}
    answered = fields.pop("response", None) == "R"
    # What the server itself asks of others, and what it is told, is no client's question.
    own = (fields["direction"] == "Snd") != answered
    if not own:
        fields["client"] = fields["remote"]
    fields["event"] = "upstream" if own else "response" if answered else "query"
    if not answered:
        fields.pop("rcode", None)
    return fields, timestamps.parse(stamp)


def unix(message: str) -> dict[str, Any] | None:
    """A query that BIND, dnsmasq or Unbound logged."""
    found = _BIND.match(message) or _DNSMASQ.match(message) or _UNBOUND.match(message)
    if found is None:
        return None
    fields: dict[str, Any] = {name: value for name, value in found.groupdict().items() if value}
    if refused := fields.pop("refused", None):
        fields |= {"query": refused, "query_type": fields.pop("refused_type"), "rcode": "REFUSED"}
    fields["query"] = fields["query"].rstrip(".") or "."
    fields["event"] = "response" if "rcode" in fields else "query"
    return fields


def dated(line: str) -> Query | None:
    """A line of BIND's own file of queries: a date before the message."""
    found = _DATED.match(line)
    fields = unix(line[found.end() :]) if found else None
    return None if found is None or fields is None else (fields, timestamps.parse(found[1]))


def parse(line: str) -> Query | None:
    """The fields and the time of a line of a file; None when it tells of no query."""
    return windows(line) or dated(line)

"""Reads the way a message came: its Received fields (RFC 5321 4.4), and whose results to believe.

Anyone can write an Authentication-Results field (RFC 8601) into a message. Only those stand above
the Received field with which it entered the last organisation that this one could have written;
`Trust` says how sure that is.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

from labrys.evidence.mail.charset import text
from labrys.evidence.mail.dates import moment
from labrys.evidence.mail.domains import ascii_host, ip, is_name, registered
from labrys.evidence.mail.mime import Headers
from labrys.evidence.mail.words import unfold

MOST_HOPS: Final = 60
_FROM: Final = re.compile(
    r"from\s++(\S{1,300}+)(?:\s++\(([^()]{0,500}(?:\([^()]{0,200}\)[^()]{0,200})?)\))?", re.I
)
_BY: Final = re.compile(r"(?:^|\s)by\s++([^\s;()]{1,300})", re.I)
_WITH: Final = re.compile(r"\swith\s++([^\s;()]{1,40})", re.I)
_FOR: Final = re.compile(r"\sfor\s++<?([^\s<>;]{1,320})", re.I)
_ADDRESS: Final = re.compile(
    r"[\[(](?:IPv6:)?((?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4}:[0-9a-f:.]{2,45})(?:%\w{1,16})?[\])]",
    re.I,
)
_NAME: Final = re.compile(
    r"(?:^|\s)(?:HELO\s+\S+\s+)?([a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+)\.?(?=[\s\[()]|$)", re.I
)

_PRIVATE: Final = tuple(
    ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16"),
        *("100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10"),
    )
)
"""Not `is_private`: that also has the addresses of examples."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One Received field: who gave the message (`helo` as it called itself, `name` as looked up)."""

    helo: str
    name: str
    address: str
    by: str
    protocol: str
    recipient: str
    time: int | None
    raw: str


@dataclass(frozen=True, slots=True)
class Results:
    """The Authentication-Results to believe.

    `trust`: `border` (written by the last organisation, as far as what others looked up shows),
    `claimed` (the same if hosts are what they called themselves), `none`.
    """

    host: str = ""
    trust: str = "none"
    spf: str = ""
    dkim: str = ""
    dmarc: str = ""
    arc: str = ""
    dkim_domains: tuple[str, ...] = ()
    spf_domain: str = ""
    raw: str = ""


def hops(headers: Headers) -> list[Hop]:
    """The hops, the last one (the topmost field) first."""
    return [_hop(raw) for raw in headers.all("received")[:MOST_HOPS]]


def _hop(raw: bytes) -> Hop:
    line = text(unfold(raw[:4096]))[0]
    start, by = _FROM.match(line), _BY.search(line)
    helo = address = name = ""
    if start is not None:
        helo = start[1].strip("[]()<>\"'")
        comment = start[2] or ""
        found = _ADDRESS.search(line, 0, by.start() if by else len(line))
        address = _plain_address(found[1]) if found else _plain_address(helo)
        looked_up = _NAME.search(comment.partition("[")[0].replace("(", " "))
        name = looked_up[1].lower() if looked_up and ip(looked_up[1]) is None else ""
    how, to = _WITH.search(line), _FOR.search(line)
    _, _, when = line.rpartition(";")
    return Hop(
        ascii_host(helo),
        name,
        address,
        ascii_host(by[1]) if by else "",
        how[1].upper() if how else "",
        to[1].lower() if to else "",
        moment(when),
        line[:2000],
    )


@lru_cache(maxsize=4096)
def _plain_address(said: str) -> str:
    try:
        return str(ip_address(said.lower().removeprefix("ipv6:")))
    except ValueError:
        return ""


@lru_cache(maxsize=4096)
def _is_private(address: str) -> bool:
    made = ip_address(address)
    return any(made in network for network in _PRIVATE)


def border(way: list[Hop], *, strict: bool) -> int:
    """Which hop brought the message into the organisation that received it last.

    `strict`: a host belongs to it when its address was looked up to a name of that organisation,
    or is a private one; otherwise what it called itself is believed, too.
    """
    own = {_own(way)} - {""}
    for number, hop in enumerate(way):
        domain = registered(hop.by)
        if domain and domain not in own:
            before = way[number - 1].helo if number else ""
            if strict or not before or before.split(".")[0] != hop.by.split(".")[0]:
                return max(number - 1, 0)
            own.add(domain)  # one host under two names
        if not _is_inside(hop, own, strict=strict):
            return number
    return len(way) - 1


def _own(way: list[Hop]) -> str:
    """The registered domain of the last host that says who it is."""
    return next((domain for hop in way if (domain := registered(hop.by))), "")


def _is_inside(hop: Hop, own: set[str], *, strict: bool) -> bool:
    if hop.address and not _is_private(hop.address):
        names = (hop.name,) if strict else (hop.name, hop.helo)
        return any(registered(name) in own for name in names if name)
    if not hop.address and is_name(hop.helo) and registered(hop.helo):
        return not strict and registered(hop.helo) in own
    return True


_RESULT: Final = re.compile(
    r"(?:^|[;\s])(spf|dkim|dmarc|arc)\s*=\s*([a-z]{2,12})\b([^;]{0,400})", re.I
)
_HEADER_D: Final = re.compile(r"header\.(?:d|i)\s*=\s*@?([^\s;@()]{1,253})", re.I)
_MAIL_FROM: Final = re.compile(r"smtp\.(?:mailfrom|mfrom|helo)\s*=\s*<?([^\s;<>()]{1,320})", re.I)


def results(headers: Headers, way: list[Hop]) -> Results:
    """What the host that received the message last found out about its sender."""
    if not way or "authentication-results" not in headers.by_name:
        return Results()
    own = _own(way)
    for strict in (True, False):
        last = border(way, strict=strict)
        fields = _above(headers, last)
        made = [_parsed(raw) for raw in fields]
        # Without a name it is as old servers write it: the place alone says whose it is.
        mine = [one for one in made if not one[0] or registered(one[0]) == own or not own]
        if mine:
            return _joined(mine, way[0].by, "border" if strict else "claimed")
    return Results()


def _above(headers: Headers, last: int) -> list[bytes]:
    """The Authentication-Results fields above Received field number `last`."""
    made: list[bytes] = []
    seen = 0
    for name, value in headers.fields:
        if name == "received":
            seen += 1
            if seen > last:
                break
        elif name == "authentication-results":
            made.append(value)
    return made[:10]


def _parsed(raw: bytes) -> tuple[str, str]:
    """The name of the host that wrote the field ("" without one), and the field on one line."""
    line = text(unfold(raw))[0]
    host = line.partition(";")[0].split(" ")[0].strip()
    return ("" if "=" in host else ascii_host(host)), line


def _joined(fields: list[tuple[str, str]], by: str, trust: str) -> Results:
    found: dict[str, str] = {}
    domains: dict[str, None] = {}
    spf_domain = ""
    for _, line in fields:
        for method, result, more in _RESULT.findall(line)[:30]:
            method, result = method.lower(), result.lower()
            if method not in found or (method == "dkim" and result == "pass"):
                found[method] = result
            if method == "dkim" and result == "pass" and (signer := _HEADER_D.search(more)):
                domains[signer[1].lower()] = None
            if method == "spf" and not spf_domain and (sender := _MAIL_FROM.search(more)):
                spf_domain = sender[1].lower().rpartition("@")[2]
    return Results(
        next((host for host, _ in fields if host), by),
        trust,
        found.get("spf", ""),
        found.get("dkim", ""),
        found.get("dmarc", ""),
        found.get("arc", ""),
        tuple(domains),
        spf_domain,
        "\n".join(line for _, line in fields)[:4000],
    )

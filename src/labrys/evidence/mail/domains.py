"""Hosts and the domains registered for them (Public Suffix List, as bundled; nothing is fetched)."""

import ipaddress
import re
import unicodedata
from functools import cache, lru_cache
from typing import Final

from publicsuffixlist import PublicSuffixList

_LONGEST: Final = 253
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\Z")
_DOTS: Final = re.compile("[\u3002\uff0e\uff61]")
_NUMBER: Final = re.compile(r"(?:0x[0-9a-f]{1,16}|[0-9]{1,20})\Z")


@cache
def _list() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(maxsize=65_536)
def registered(host: str) -> str:
    """The domain that somebody registered: `a.b.example.co.uk` → `example.co.uk`.

    Hosting that gives names to everybody counts as a suffix (`me.github.io` is registered). An
    address, or a name without a dot, is "": nobody registers those.
    """
    host = ascii_host(host)
    if "." not in host or ip(host) is not None:
        return ""
    labels = host.split(".")[-6:]  # no rule of the list is longer
    if labels[-1].isdecimal():
        return ""
    return _list().privatesuffix(".".join(labels)) or host


@lru_cache(maxsize=65_536)
def ascii_host(host: str) -> str:
    """A host as DNS would ask for it: lower case, international names in their `xn--` form."""
    host = host.strip().strip(".").lower()[:_LONGEST]
    if host.isascii():
        return host
    host = _DOTS.sub(".", unicodedata.normalize("NFKC", host)).lower().strip(".")
    return ".".join(_label(label) for label in host.split("."))[:_LONGEST]


def _label(label: str) -> str:
    if label.isascii():
        return label
    try:
        return "xn--" + label[:63].encode("punycode").decode("ascii")
    except UnicodeError:
        return label.encode("ascii", "backslashreplace").decode("ascii")


def is_name(host: str) -> bool:
    """Whether this can be the name of a host in DNS."""
    return len(host) <= _LONGEST and _HOST.match(host) is not None


@lru_cache(maxsize=4_096)
def ip(host: str) -> str | None:
    """The address that a host is, also where browsers read it so: `0x7f.1`, `2130706433`."""
    if not host or host[-1] not in "0123456789abcdefx]":
        return None
    plain = host.strip("[]").removeprefix("ipv6:")
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        pass
    parts = plain.split(".")
    if len(parts) > 4 or not all(_NUMBER.match(part) for part in parts):
        return None
    try:
        numbers = [_whole(part) for part in parts]
    except ValueError:
        return None
    *high, low = numbers
    if any(number > 255 for number in high) or low >= 256 ** (5 - len(parts)):
        return None
    packed = sum(number << (24 - 8 * place) for place, number in enumerate(high)) + low
    return str(ipaddress.IPv4Address(packed))


def _whole(text: str) -> int:
    """A part of an address as browsers read it: hexadecimal, octal or decimal."""
    if text.startswith("0x"):
        return int(text, 16)
    return int(text, 8) if text.startswith("0") and len(text) > 1 else int(text)

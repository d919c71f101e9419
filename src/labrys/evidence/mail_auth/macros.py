"""Expands the macros of SPF (RFC 7208 section 7)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote

_MACRO: Final = re.compile(
    r"%(?:\{([slodiphcrtvSLODIPHCRTV])(\d{0,3})([rR]?)([-.+,/_=]*)\}|([%_-]))"
)
_PLAIN: Final = {"%": "%", "_": " ", "-": "%20"}
_LONGEST: Final = 253
_MOST: Final = 2_000


class Unreadable(Exception):
    """A text with a `%` that begins no macro."""


@dataclass(frozen=True, slots=True)
class Mail:
    """What a check is about: `sender` is the whole mailbox, `helo` what the client called itself."""

    address: IPv4Address | IPv6Address
    sender: str
    helo: str

    @property
    def local(self) -> str:
        """The part before the @."""
        return self.sender.rpartition("@")[0] or "postmaster"

    @property
    def domain(self) -> str:
        """The part behind the @."""
        return self.sender.rpartition("@")[2]


def expand(text: str, mail: Mail, domain: str, validated: Callable[[], str]) -> str:
    """A domain-spec with its macros filled in, cut at the left to the length of a name.

    `domain` is the one whose record is read, `validated` says the client's name as looked up.
    Raises `Unreadable`.
    """
    made: list[str] = []
    at = size = 0
    for found in _MACRO.finditer(text):
        between = text[at : found.start()]
        if "%" in between:
            raise Unreadable(text[:100])
        letter, digits, reverse, marks, plain = found.groups()
        said = _PLAIN[plain] if plain else _value(letter, mail, domain, validated)
        if not plain:
            said = _cut(said, digits, bool(reverse), marks)
            said = quote(said, safe="") if letter.isupper() else said
        made += (between, said)
        at = found.end()
        size += len(said) + len(between)
        if size > _MOST:
            raise Unreadable(text[:100])
    if "%" in text[at:]:
        raise Unreadable(text[:100])
    name = "".join([*made, text[at:]]).rstrip(".")
    while len(name) > _LONGEST and "." in name:
        name = name.partition(".")[2]
    return name


def _value(letter: str, mail: Mail, domain: str, validated: Callable[[], str]) -> str:
    low = letter.lower()
    if low == "i":
        return dotted(mail.address)
    if low == "p":
        return validated()
    return {
        "s": f"{mail.local}@{mail.domain}",
        "l": mail.local,
        "o": mail.domain,
        "d": domain,
        "v": "in-addr" if mail.address.version == 4 else "ip6",
        "h": mail.helo,
        "c": str(mail.address),
        "r": "unknown",
        "t": "0",
    }[low]


def dotted(address: IPv4Address | IPv6Address) -> str:
    """An address in parts with dots between: the digits of IPv6 one by one."""
    if address.version == 4:
        return str(address)
    return ".".join(address.exploded.replace(":", ""))


def _cut(said: str, digits: str, reverse: bool, marks: str) -> str:
    """The last so many parts of a value, turned around first where that is asked."""
    if not (digits or reverse or marks):
        return said
    parts = re.split(f"[{re.escape(marks)}]", said) if marks else said.split(".")
    if reverse:
        parts.reverse()
    if digits:
        if not int(digits):
            raise Unreadable("no parts at all")
        parts = parts[-int(digits) :]
    return ".".join(parts)

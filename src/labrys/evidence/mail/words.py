"""Reads what stands in mail headers: encoded words (RFC 2047), parameters (2231), addresses (5322).

Header values are bytes from outside: every function takes any, is linear in them and never raises.
"""

import binascii
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from labrys.evidence.mail.charset import text

LONGEST: Final = 16 << 10
"""Of one header's value, so many bytes are read."""
MOST_ADDRESSES: Final = 500
_FOLD: Final = re.compile(rb"\r?\n[ \t]*|\r")
_WORD: Final = re.compile(rb"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*+)\?=")
_BETWEEN: Final = re.compile(rb"[ \t\r\n]*+")


def unfold(raw: bytes) -> bytes:
    """A header's value on one line."""
    raw = raw[:LONGEST]
    return _FOLD.sub(b" ", raw).strip() if b"\n" in raw or b"\r" in raw else raw.strip()


def decoded(raw: bytes) -> str:
    """A header's value as a reader sees it."""
    raw = unfold(raw)
    if b"=?" not in raw:
        return text(raw)[0]
    parts: list[str] = []
    pending, charset, at = b"", "", 0
    for found in _WORD.finditer(raw):
        between = raw[at : found.start()]
        near = at > 0 and not between.strip()
        name = found[1].partition(b"*")[0].decode("ascii", "replace")
        if not near or name != charset:
            parts.append(text(pending, charset)[0])
            pending, charset = b"", name
        if not near:
            parts.append(text(between)[0])
        pending += _encoded(found[2], found[3])
        at = found.end()
    parts += (text(pending, charset)[0], text(raw[at:])[0])
    return "".join(parts).strip()


def _encoded(kind: bytes, data: bytes) -> bytes:
    if kind in b"qQ":
        return binascii.a2b_qp(data, header=True)
    clean = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    whole = len(clean) if len(clean) % 4 != 1 else len(clean) - 1
    return binascii.a2b_base64(clean[:whole] + b"=" * (-whole % 4))


_PARAMETER: Final = re.compile(
    r';\s*+([^\s=;"*]{1,64}+)(\*\d{1,3})?(\*)?\s*+=\s*+(?:"((?:[^"\\]++|\\.)*+)"?|([^;]*+))', re.S
)
_ESCAPE: Final = re.compile(r"\\(.)", re.S)
Parameters = Mapping[str, str]


@lru_cache(maxsize=2048)
def parameters(raw: bytes) -> tuple[str, Parameters]:
    """The value of a header such as Content-Type, lower-cased, and its parameters by name."""
    line = text(unfold(raw))[0]
    value, _, _ = line.partition(";")
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for found in _PARAMETER.finditer(line, len(value)):
        name, place, extended, quoted, plain = found.groups()
        said = plain.strip() if quoted is None else _ESCAPE.sub(r"\1", quoted)
        number = int(place[1:]) if place else 0
        pieces.setdefault(name.lower(), []).append((number, bool(extended), said))
        if len(pieces) > 50:
            break
    return _comment_free(value), {name: _joined(parts) for name, parts in pieces.items()}


def _comment_free(value: str) -> str:
    return value.partition("(")[0].strip().lower()[:200]


def _joined(parts: list[tuple[int, bool, str]]) -> str:
    """The pieces of one parameter put together; the first one says in which charset they are."""
    parts = sorted({number: (number, ext, said) for number, ext, said in reversed(parts)}.values())
    if not any(extended for _, extended, _ in parts):
        said = "".join(said for _, _, said in parts)
        return decoded(said.encode("utf-8", "replace")) if "=?" in said else said
    charset, made = "", b""
    for number, extended, said in parts:
        if extended and number == parts[0][0] and said.count("'") >= 2:
            charset, _, said = said.split("'", 2)
        made += unquote_to_bytes(said) if extended else said.encode("utf-8", "replace")
    return text(made, charset)[0]


_SIMPLE: Final = re.compile(
    rb'\s*+(?:"([^"\\<>]*+)"|([^"<>,;:()@]*+))\s*+<\s*+([^<>\s,;"]++)\s*+>\s*+'
)
_BARE: Final = re.compile(rb"\s*+([^\s<>,;:\"()]++@[^\s<>,;:\"()]++)\s*+")
_TOKEN: Final = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?|\((?:[^()\\]++|\\.)*+\)?|<[^<>]*+>?|[,;]|[^"(<,;]++', re.S
)


def addresses(raw: bytes) -> list[tuple[str, str]]:
    """Every (display name, address) of a header; the address lower-cased, "" where there is none.

    Lenient as mail programs are. A name without an address is kept, a group's name is not.
    """
    raw = unfold(raw)
    if (found := _SIMPLE.fullmatch(raw)) is not None:
        return [(decoded(found[1] or found[2] or b""), address(found[3]))]
    if (found := _BARE.fullmatch(raw)) is not None:
        return [("", address(found[1]))]
    made: list[tuple[str, str]] = []
    name: list[bytes] = []
    angle, comment = b"", b""
    for token in [*_TOKEN.findall(raw), b","]:
        first = token[:1]
        if first in (b",", b";"):
            made += _one(b"".join(name), angle, comment)
            name, angle, comment = [], b"", b""
            if len(made) >= MOST_ADDRESSES:
                break
        elif first == b"<":
            angle = angle or token.strip(b"<> \t")
        elif first == b"(":
            comment = comment or token.strip(b"()")
        elif first == b'"':
            name.append(re.sub(rb"\\(.)", rb"\1", token.strip(b'"'), flags=re.S))
        else:
            name.append(token)
    return made


def _one(name: bytes, angle: bytes, comment: bytes) -> list[tuple[str, str]]:
    name = name.strip()
    if b":" in name and not angle:
        name = name.rpartition(b":")[2].strip()  # the group that it begins
    if angle:
        return [(decoded(name or comment), address(angle))]
    if b"@" in name:
        words = name.split()
        at = next(number for number, word in enumerate(words) if b"@" in word)
        rest = b" ".join(words[:at] + words[at + 1 :])
        return [(decoded(rest or comment), address(words[at]))]
    return [(decoded(name), "")] if name else []


def address(raw: bytes) -> str:
    """An address without what surrounds it; lower-cased, for no mail system tells cases apart."""
    plain = raw.strip(b" \t<>\"'")
    if plain.startswith(b"@") and b":" in plain:  # a route, long obsolete
        plain = plain.partition(b":")[2]
    made = decoded(plain) if b"=?" in plain else text(plain)[0]
    made = made.lower()
    return made.removeprefix("mailto:").removeprefix("smtp:")[:320]


def domain_of(mailbox: str) -> str:
    """The host part of an address, "" when it has none."""
    return mailbox.rpartition("@")[2].strip(" .[]>") if "@" in mailbox else ""

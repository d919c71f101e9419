"""Reads link targets as a browser would, and finds the target inside a redirector's link.

Redirectors are told by their structure (an address inside the address), not by a list of names.
Source: WHATWG URL Standard, for what is ignored and what a host is.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from labrys.evidence.mail.domains import ascii_host, ip, is_name, registered

LONGEST: Final = 4_096
_IGNORED: Final = re.compile("[\t\r\n\x00-\x1f\ue000]")
_SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,30}):")
_AUTHORITY: Final = re.compile(r"[^/?#]*")
_WEB: Final = frozenset(("http", "https", "ftp"))
_PORTS: Final = {"http": "80", "https": "443", "ftp": "21"}
_INSIDE: Final = re.compile(
    r"(?<=[=/?&#|,;_!~])((?:https?|hxxps?)(?::|%3a|%253a)(?:[/\\]|%2f|%252f|_){1,6}[^\s\"'<>]+)",
    re.I,
)
_PARAMETER: Final = re.compile(r"[?&#;]([\w.\-\[\]]{1,40})=([^&#;]{4,})")
_BASE64: Final = re.compile(r"(?:aHR0c|aHR0cHM6|odHRwO)[A-Za-z0-9+/_-]{8,}")
_PROOFPOINT_2: Final = re.compile(r"[?&]u=([^&#]+)")
_ESCAPES: Final = str.maketrans("-_", "%/")
_DEEPEST: Final = 5


@dataclass(frozen=True, slots=True)
class Url:
    """A link's target: `domain` is the registered one, `address` set where the host is an IP."""

    text: str
    scheme: str
    host: str
    domain: str
    address: str | None
    port: str
    has_user: bool


def url(said: str) -> Url | None:
    """The target as a browser reads it; None where it is no address at all (`#top`, `/path`)."""
    return _url(said[: LONGEST * 2])


@lru_cache(maxsize=8_192)
def _url(said: str) -> Url | None:
    text = _IGNORED.sub("", said).strip()[:LONGEST]
    if text.startswith("//"):
        text = f"https:{text}"
    found = _SCHEME.match(text)
    if found is None:
        return None
    scheme = found[1].lower()
    if scheme not in _WEB:
        host = ""
        if scheme == "mailto":
            host = ascii_host(text[7:].partition("?")[0].rpartition("@")[2].strip("> "))
            host = host if is_name(host) else ""
        return Url(text, scheme, host, registered(host), None, "", has_user=False)
    rest = text[found.end() :].replace("\\", "/") if "\\" in text else text[found.end() :]
    authority = _authority(rest)
    user, at, host = authority.rpartition("@")
    host, port = _port(host)
    host = ascii_host(unquote(host) if "%" in host else host)
    address = ip(host)
    return Url(
        text,
        scheme,
        address or host,
        registered(host),
        address,
        port if port != _PORTS[scheme] else "",
        has_user=bool(at and user),
    )


def _authority(rest: str) -> str:
    found = _AUTHORITY.match(rest.lstrip("/"))
    return found[0] if found else ""


def _port(host: str) -> tuple[str, str]:
    if host.startswith("["):
        inner, _, after = host.partition("]")
        return inner + "]", after.removeprefix(":")
    name, _, port = host.partition(":")
    return name, port


def target(made: Url) -> tuple[Url | None, str]:
    """Where a redirector's link leads in the end, and how that is told; (None, "") for no such."""
    how: list[str] = []
    last: Url | None = None
    here = made
    for _ in range(_DEEPEST):
        found = _unwrapped(here)
        if found is None:
            break
        inner, name = found
        last = here = inner
        how.append(name)
    return last, " ".join(how)


def _unwrapped(made: Url) -> tuple[Url, str] | None:
    if made.scheme not in _WEB:
        return None
    rest = made.text[len(made.scheme) + 1 :].lstrip("/\\")
    place = min((at for mark in "/?#" if (at := rest.find(mark)) >= 0), default=-1)
    if place < 0 or len(rest) - place < 12:
        return None
    tail = rest[place:]
    for name, said in (*_proofpoint(tail), *_inside(tail)):
        inner = url(said)
        if inner is not None and inner.scheme in _WEB and (inner.domain or inner.address):
            return inner, name
    return None


def _proofpoint(tail: str) -> list[tuple[str, str]]:
    if tail.startswith("/v2/url?") and (found := _PROOFPOINT_2.search(tail)):
        return [("urldefense-v2", unquote(found[1].translate(_ESCAPES)))]
    if tail.startswith("/v3/__"):
        path, end, packed = tail[6:].partition("__;")
        if end:
            return [("urldefense-v3", _version_3(path, packed.partition("!")[0]))]
    return []


def _version_3(path: str, packed: str) -> str:
    """Proofpoint's third form: `*` stands for characters listed, in base64, behind the link."""
    try:
        said = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode(
            "utf-8", "replace"
        )
    except (binascii.Error, ValueError):
        said = ""
    letters = iter(said)
    made = "".join(next(letters, "*") if letter == "*" else letter for letter in path)
    return re.sub(r"^(https?:/)([^/])", r"\1/\2", made)


def _inside(tail: str) -> list[tuple[str, str]]:
    """Addresses inside a path, query or fragment, with where they stand."""
    made: list[tuple[str, str]] = []
    for name, value in _PARAMETER.findall(tail)[:20]:
        said = unquote(value)
        said = unquote(said) if "%2f" in said[:20].lower() else said
        if said.lower().startswith(("http://", "https://", "//", "http:\\", "https:\\")):
            made.append((f"parameter:{name.lower()}", said))
        elif value.startswith("aHR0c") and (plain := _plain(value)):
            made.append((f"base64:{name.lower()}", plain))
    if not made and (found := _INSIDE.search(tail)):
        said = found[1]
        while "%2f" in said[:30].lower() or "%3a" in said[:12].lower() or "%25" in said[:30]:
            once = unquote(said)
            if once == said:
                break
            said = once
        made.append(("path", re.sub(r"^(https?):[/\\_]+", r"\1://", said, flags=re.I)))
    if not made and (found := _BASE64.search(tail)) and (plain := _plain(found[0])):
        made.append(("base64", plain))
    return made


def _plain(said: str) -> str:
    """An address that was written in base64; "" when it is none."""
    packed = unquote(said).replace("-", "+").replace("_", "/").rstrip("=")
    packed = packed[: len(packed) - (len(packed) % 4 == 1)]
    try:
        made = base64.b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
    made = made.partition("\ufffd")[0].partition("\x00")[0]
    return made if made.startswith(("http://", "https://")) else ""

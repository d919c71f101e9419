"""How a column's text becomes an attribute's value (`labrys.ocsf.maps.HOW`), one text at a time.

The same meanings as SQL are in `labrys.ocsf.sql`; a test holds the two together.
"""

import math
import re
from collections.abc import Callable
from typing import Final

THREAT_KIND: Final = "^[A-Za-z]{2,}:"
THREAT_PATH: Final = "(?:^|; )(?:[a-z]*file|folder|startup|taskscheduler):_([^|>]+?)(?:->|; |[|])"
THREAT_URL: Final = "[|]([A-Za-z]+://[^|]+?)(?:; |[|])"
"""Patterns that read Windows Defender's lists of resources, to each of which a `|` is added."""

_INT64: Final = 1 << 63
_SECONDS: Final = re.compile(r"[0-9]{1,12}([.][0-9]{1,30})?(e-[0-9]{1,2})?\Z")
_LIST: Final = re.compile(r"(?i)(?:\A|[,; ])(sha256|sha1|md5|imphash)=([0-9a-f]+)")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,64}\Z")
_HEX: Final = re.compile(r"(?i)(?:0x)?([0-9a-f]{1,16})\Z")


def transform(how: str, text: str) -> str | None:
    """The attribute's value as text, or None where `text` has none of that kind."""
    return _HOW[how](text) if how in _HOW else _from_list(how, text)


def _whole(text: str) -> str | None:
    return _hex(text) if text[:2].lower() == "0x" else _int(text)


def _int(text: str) -> str | None:
    if not _DECIMAL.match(text):
        return None
    number = int(text)
    return str(number) if -_INT64 <= number < _INT64 else None


def _hex(text: str) -> str | None:
    match = _HEX.match(text)
    number = int(match[1], 16) if match else _INT64
    return str(number) if number < _INT64 else None


def _seconds(text: str) -> str | None:
    return str(math.floor(float(text) * 1000 + 0.5)) if _SECONDS.match(text) else None


def _threat_path(text: str) -> str | None:
    """A path that stands alone, or the first in `file:_C:\\a.exe; file:_C:\\b.zip->c.exe`."""
    return _first(THREAT_PATH, text) if re.search(THREAT_KIND, text) else text


def _threat_url(text: str) -> str | None:
    return _first(THREAT_URL, text)


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, f"{text}|")
    return found[1] if found else None


def _from_list(kind: str, text: str) -> str | None:
    """One hash of `SHA1=…,MD5=…`; a text without `=` is the hash itself."""
    if "=" not in text:
        return text.lower()
    return next((m[2].lower() for m in _LIST.finditer(text) if m[1].lower() == kind), None)


def _basename(text: str) -> str | None:
    return text.replace("\\", "/").rpartition("/")[2] or None


def _user(text: str) -> str | None:
    domain, slash, user = text.partition("\\")
    return (user if slash else domain) or None


def _domain(text: str) -> str | None:
    domain, slash, _ = text.partition("\\")
    return (domain or None) if slash else None


_HOW: Final[dict[str, Callable[[str], str | None]]] = {
    "": lambda text: text,
    "int": _whole,
    "hex": _hex,
    "seconds": _seconds,
    "lower": str.lower,
    "basename": _basename,
    "user": _user,
    "domain": _domain,
    "threat_path": _threat_path,
    "threat_url": _threat_url,
}

"""Sets the fields in which a message names the machine it speaks of."""

import re
from functools import lru_cache
from typing import Final

Parsed = dict[str, str | list[str] | None]
"""Fields by name; None and missing mean the same."""

_IP: Final = re.compile(
    r"\d{1,3}(?:\.\d{1,3}){3}|(?=[^:]*:[^:]*:)[0-9A-Fa-f:.]{2,45}(?:%\w{1,16})?", re.ASCII
)


_NOWHERE: Final = ("(null)", "?", "UNKNOWN")


def set_source(fields: Parsed, address: str | None) -> None:
    """Put an address into `src_ip`, or a name into `src_host`."""
    if address and address not in _NOWHERE:
        if ip := as_ip(address):
            fields["src_ip"] = ip
        else:
            fields["src_host"] = address


@lru_cache(maxsize=8192)
def as_ip(text: str) -> str | None:
    """The IP address `text` is, an IPv4-mapped one as IPv4; None when it is none."""
    text = text.strip("[]")
    if not _IP.fullmatch(text):
        return None
    mapped = text[7:] if text[:7].lower() == "::ffff:" else ""
    return mapped if "." in mapped else text

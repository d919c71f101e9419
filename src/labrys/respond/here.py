"""What this machine cannot be without: its own addresses, its gateways and its resolvers.

Source: proc(5) (`net/fib_trie`, `net/if_inet6`, `net/route`, `net/ipv6_route`), resolv.conf(5).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from labrys.respond.indicators import address

_PROC: Final = Path("/proc/net")
_RESOLVERS: Final = Path("/etc/resolv.conf")
_LOCAL: Final = re.compile(r"\|-- ([0-9.]{7,15})\s+/32 host LOCAL")
_NAMESERVER: Final = re.compile(r"^\s*nameserver\s+([0-9A-Fa-f.:]+)", re.MULTILINE)
_NOWHERE: Final = "0" * 8


def needed(proc: Path = _PROC, resolvers: Path = _RESOLVERS) -> dict[str, str]:
    """Addresses that must not be dropped here, each with the reason; empty where it is not told."""
    made = dict.fromkeys(_own(proc), "an address of this machine")
    made |= dict.fromkeys(_gateways(proc), "a gateway of this machine")
    found = _NAMESERVER.findall(_text(resolvers))
    return made | dict.fromkeys(filter(None, map(address, found)), "a resolver of this machine")


def _own(proc: Path) -> Iterator[str]:
    yield from _LOCAL.findall(_text(proc / "fib_trie"))
    for line in _text(proc / "if_inet6").splitlines():
        yield from _six(line.split(" ", 1)[0])


def _gateways(proc: Path) -> Iterator[str]:
    for line in _text(proc / "route").splitlines()[1:]:
        words = line.split()
        if len(words) > 2 and re.fullmatch("[0-9A-F]{8}", words[2]) and words[2] != _NOWHERE:
            yield ".".join(str(byte) for byte in reversed(bytes.fromhex(words[2])))
    for line in _text(proc / "ipv6_route").splitlines():
        words = line.split()
        if len(words) > 4 and words[4].strip("0"):
            yield from _six(words[4])


def _six(digits: str) -> Iterator[str]:
    if re.fullmatch("[0-9a-f]{32}", digits):
        yield address(":".join(digits[at : at + 4] for at in range(0, 32, 4)))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:  # not Linux, or not to be read
        return ""

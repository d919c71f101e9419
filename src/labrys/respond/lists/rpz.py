"""A DNS response policy zone: blocked names, and names that point to blocked addresses, do not exist.

Source: draft-vixie-dnsop-dns-rpz (as BIND 9, Unbound, Knot Resolver and PowerDNS read it). What is
on the allow list passes, also below a blocked name.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Final

from labrys.respond.guards import Names
from labrys.respond.ledger import Block

_HEAD: Final = """\
$TTL 60
@ SOA localhost. hostmaster.localhost. {serial} 300 60 86400 60
@ NS localhost.
"""


def files(blocks: Sequence[Block], allow: Names, at: int) -> dict[str, str]:
    """See `labrys.respond.lists`; the serial number is the time in seconds."""
    lines = [*_allowed(allow), *_blocked(blocks)]
    serial = at // 1000 % (1 << 32)
    return {"labrys.rpz": _HEAD.format(serial=serial) + "".join(f"{line}\n" for line in lines)}


def _allowed(allow: Names) -> Iterator[str]:
    for name in sorted(allow.domains):
        yield f"{name} CNAME rpz-passthru."
        yield f"*.{name} CNAME rpz-passthru."
    for network in sorted(allow.networks, key=str):
        yield f"{_reversed(network)}.rpz-ip CNAME rpz-passthru."


def _blocked(blocks: Sequence[Block]) -> Iterator[str]:
    for each in blocks:
        if each.kind == "domain":
            yield f"{each.value} CNAME ."
            yield f"*.{each.value} CNAME ."
        elif each.kind == "ip":
            yield f"{_reversed(ipaddress.ip_network(each.value))}.rpz-ip CNAME ."


def _reversed(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    """A network as the owner name of an address trigger: `24.0.113.0.203`, `128.1.zz.db8.2001`."""
    start = network.network_address
    if isinstance(start, ipaddress.IPv4Address):
        parts = str(start).split(".")
    else:
        parts = [part or "zz" for part in str(start).split(":")]
        # "::" at an end leaves two empty parts where one run of zeros is meant.
        while parts.count("zz") > 1:
            parts.remove("zz")
    return ".".join([str(network.prefixlen), *reversed(parts)])

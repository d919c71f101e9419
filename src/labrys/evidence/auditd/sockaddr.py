"""Reads the socket address in an audit SOCKADDR record (struct sockaddr, sys/socket.h)."""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final

_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){2,128}")
_FAMILIES: Final = {0: "unspec", 1: "local", 2: "inet", 10: "inet6", 16: "netlink", 17: "packet"}


def address(saddr: str) -> dict[str, str]:
    """`saddr_fam`, and for what has one `saddr_ip` and `saddr_port`, or `saddr_path`."""
    if not _HEX.fullmatch(saddr):
        return {}
    raw = bytes.fromhex(saddr)
    # The family is in the machine's own byte order, and none is above 255.
    family = raw[0] or raw[1]
    fields = {"saddr_fam": _FAMILIES.get(family, str(family))}
    if family == 2 and len(raw) >= 8:
        fields["saddr_ip"] = str(IPv4Address(raw[4:8]))
        fields["saddr_port"] = str(int.from_bytes(raw[2:4], "big"))
    elif family == 10 and len(raw) >= 24:
        ip = IPv6Address(raw[8:24])
        fields["saddr_ip"] = str(ip.ipv4_mapped or ip)
        fields["saddr_port"] = str(int.from_bytes(raw[2:4], "big"))
    elif family == 1:
        abstract = raw[2:3] == b"\0"
        path = raw[3:] if abstract else raw[2:]
        text = path.partition(b"\0")[0].decode("utf-8", "backslashreplace")
        fields["saddr_path"] = "@" + text if abstract and text else text
    return fields

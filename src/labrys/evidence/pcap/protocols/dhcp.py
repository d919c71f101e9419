"""Reads DHCP messages (RFC 2131, 2132), named as in Zeek's `dhcp.log`; each message is a record."""

import socket
from collections.abc import Iterator
from typing import Any, Final

from labrys.evidence.pcap.talk import Piece, Talk, emit, printable
from labrys.evidence.records import Records

SHAPE: Final = "net.dhcp"
_MAGIC: Final = b"\x63\x82\x53\x63"
_TYPES: Final = (
    "", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM",
)  # fmt: skip
_TEXTS: Final = {12: "host_name", 15: "domain", 56: "client_message", 60: "client_software"}
_ADDRESSES: Final = {50: "requested_addr", 54: "server_addr", 3: "routers", 6: "dns_servers"}


def datagram(talk: Talk, records: Records, piece: Piece, reply: bool) -> None:
    """One message."""
    fields = parse(piece.data)
    if fields is not None:
        emit(records, talk, SHAPE, fields, piece)


def parse(data: bytes) -> dict[str, Any] | None:
    """The fields of a message; None where it is none."""
    if len(data) < 240 or data[236:240] != _MAGIC:
        return None
    made: dict[str, Any] = {}
    for name, at in (("client_addr", 12), ("assigned_addr", 16), ("relay_addr", 24)):
        if data[at : at + 4] != b"\0\0\0\0":
            made[name] = socket.inet_ntop(socket.AF_INET, data[at : at + 4])
    if data[1] == 1 and data[2] == 6:
        made["mac"] = data[28:34].hex(":")
    made["trans_id"] = data[4:8].hex()
    for code, value in _options(data):
        if code == 53 and value:
            made["msg_types"] = _TYPES[value[0]] if value[0] < len(_TYPES) else str(value[0])
        elif code in _TEXTS:
            made[_TEXTS[code]] = printable(value.rstrip(b"\0"))
        elif code in _ADDRESSES and value and len(value) % 4 == 0:
            spots = range(0, min(len(value), 64), 4)
            made[_ADDRESSES[code]] = [
                socket.inet_ntop(socket.AF_INET, value[at : at + 4]) for at in spots
            ]
        elif code == 51 and len(value) == 4:
            made["lease_time"] = f"{int.from_bytes(value, 'big')}.000000"
        elif code == 81 and len(value) > 3:
            made["client_fqdn"] = _fqdn(value)
        elif code == 55:
            made["params"] = ",".join(map(str, value))
    return made


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 240
    while at + 2 <= len(data):
        code = data[at]
        if code == 255:
            return
        if code == 0:
            at += 1
            continue
        yield code, data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]


def _fqdn(value: bytes) -> str:
    """A client's full name (RFC 4702): as labels, or as plain text where an old client says so."""
    if not value[0] & 4:
        return printable(value[3:].rstrip(b"\0"))
    labels, at = [], 3
    while at < len(value) and 0 < value[at] < 64:
        labels.append(printable(value[at + 1 : at + 1 + value[at]]))
        at += 1 + value[at]
    return ".".join(labels)

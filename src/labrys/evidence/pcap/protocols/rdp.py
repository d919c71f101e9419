"""Reads how an RDP connection begins: MS-RDPBCGR, 2.2.1.1 and 2.2.1.2."""

from typing import Any, Final

from labrys.evidence.pcap.services import SSL
from labrys.evidence.pcap.talk import Talk, emit, printable
from labrys.evidence.records import Records

SHAPE: Final = "net.rdp"
_REQUEST, _CONFIRM = 0xE0, 0xD0
_PROTOCOLS: Final = {0: "RDP", 1: "SSL", 2: "HYBRID", 4: "RDSTLS", 8: "HYBRID_EX", 16: "RDSAAD"}


def step(talk: Talk, records: Records, final: bool) -> None:
    """One record for a connection, once the server has chosen."""
    asked, said = talk.asked.text(), talk.said.text()
    if final or len(said) >= 11:
        at = talk.first()
        if at is not None and asked[5:6] == bytes([_REQUEST]):
            emit(records, talk, SHAPE, _fields(asked, said), at)
        talk.service = SSL  # which nearly all go on with


def _fields(asked: bytes, said: bytes) -> dict[str, Any]:
    body = asked[11 : int.from_bytes(asked[2:4], "big")]
    made: dict[str, Any] = {}
    if body.startswith(b"Cookie: "):
        cookie, _, body = body.partition(b"\r\n")
        name, _, value = cookie[8:].partition(b"=")
        made["cookie"] = printable(value if name == b"mstshash" else cookie[8:])[:256]
    if len(body) >= 8 and body[0] == 1:
        wanted = int.from_bytes(body[4:8], "little")
        made["requested_protocols"] = [
            name for bit, name in _PROTOCOLS.items() if bit and wanted & bit
        ] or ["RDP"]
    if said[5:6] == bytes([_CONFIRM]) and len(said) >= 19:
        kind, number = said[11], int.from_bytes(said[15:19], "little")
        if kind == 2:
            made["security_protocol"] = _PROTOCOLS.get(number, str(number))
            made["result"] = "encrypted" if number else "Success"
        elif kind == 3:
            made["result"] = f"refused ({number})"
    return made

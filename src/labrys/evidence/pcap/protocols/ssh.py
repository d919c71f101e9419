"""Reads how an SSH connection begins (RFC 4253): banners, and the algorithms each side offers.

HASSH: https://github.com/salesforce/hassh.
"""

import hashlib
from typing import Any, Final

from labrys.evidence.pcap.talk import Talk, emit, printable
from labrys.evidence.records import Records

SHAPE: Final = "net.ssh"
_KEXINIT: Final = 20
_LISTS: Final = 10
_MOST_BANNER: Final = 255


def step(talk: Talk, records: Records, final: bool) -> None:
    """One record for a connection, once both sides have said what they offer."""
    asked, said = talk.asked.text(), talk.said.text()
    offers = (_offers(asked), _offers(said))
    if not final and (offers[0] is None or offers[1] is None):
        return
    at = talk.first()
    fields = _fields(asked, said, offers)
    if fields and at is not None:
        emit(records, talk, SHAPE, fields, at)
    talk.finish()


def _banner(text: bytes) -> bytes:
    """The line that names version and software; others may stand before a server's."""
    for line in text[:4096].split(b"\n")[:20]:
        if line.startswith(b"SSH-"):
            return line.rstrip(b"\r")[:_MOST_BANNER]
    return b""


def _offers(text: bytes) -> list[str] | None:
    """The lists of algorithms in a side's first packet; None where it is not there (yet)."""
    banner = _banner(text)
    at = text.find(banner) + len(banner) if banner else -1
    end = text.find(b"\n", at) if at >= 0 else -1
    packet = text[end + 1 :] if end >= 0 else b""
    if len(packet) < 22 or packet[5] != _KEXINIT:
        return None
    length = int.from_bytes(packet[:4], "big")
    if length > 1 << 15 or len(packet) < 4 + length:
        return None
    found, at = [], 22
    for _ in range(_LISTS):
        size = int.from_bytes(packet[at : at + 4], "big")
        found.append(printable(packet[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


def _fields(
    asked: bytes, said: bytes, offers: tuple[list[str] | None, list[str] | None]
) -> dict[str, Any]:
    client, server = _banner(asked), _banner(said)
    if not client and not server:
        return {}
    made: dict[str, Any] = {
        "version": printable((client or server)[4:5]),
        "client": printable(client) or None,
        "server": printable(server) or None,
    }
    mine, theirs = offers
    if mine is not None:
        made["hassh"] = _md5(mine, (0, 2, 4, 6))
    if theirs is not None:
        made["hasshServer"] = _md5(theirs, (0, 3, 5, 7))
    if mine is not None and theirs is not None:
        for name, place in (("kex_alg", 0), ("host_key_alg", 1), ("cipher_alg", 2), ("mac_alg", 4)):
            made[name] = _agreed(mine[place], theirs[place])
    return made


def _md5(lists: list[str], which: tuple[int, ...]) -> str:
    text = ";".join(lists[place] for place in which)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _agreed(mine: str, theirs: str) -> str | None:
    known = frozenset(theirs.split(","))
    return next((one for one in mine.split(",") if one in known), None)

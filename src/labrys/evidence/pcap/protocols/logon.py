"""Records of who logs in to a server in the clear: `net.logon`, whatever the protocol.

SASL's mechanisms: RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5), RFC 7628 (OAUTHBEARER), MS-NLMP (NTLM).
Passwords are never kept.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

from labrys.evidence.pcap.protocols import ntlm
from labrys.evidence.pcap.talk import Piece, Talk, emit, printable
from labrys.evidence.records import Records

SHAPE: Final = "net.logon"
MOST_TEXT: Final = 512
_NAMED: Final = {
    "PLAIN": (b"\0", b"\0"), "XOAUTH2": (b"user=", b"\x01"), "OAUTHBEARER": (b"a=", b","),
}  # fmt: skip
"""Mechanisms → what stands before and behind the name in their first answer."""


def add(
    records: Records,
    talk: Talk,
    at: Piece,
    service: str,
    mechanism: str,
    user: str | None,
    success: bool | None,
    reply: str | None,
) -> None:
    """Keep that somebody tried to log in, and what the server answered."""
    fields = {
        "service": service,
        "mechanism": mechanism[:64],
        "user": user or None,
        "success": None if success is None else "T" if success else "F",
        "reply": reply,
    }
    emit(records, talk, SHAPE, fields, at)


def sasl_user(mechanism: str, said: Sequence[bytes]) -> str | None:
    """Whom a client's answers in SASL name; `said` are its lines in Base64, the first one first."""
    answers = [_plain(one) for one in said]
    if not answers:
        return None
    kind = mechanism.upper()
    if kind in _NAMED:
        before, after = _NAMED[kind]
        return shown(answers[0].partition(before)[2].partition(after)[0])
    if kind == "LOGIN":
        return shown(answers[0])
    if kind.startswith("CRAM-"):
        return shown(answers[-1].rpartition(b" ")[0])
    told = [found for answer in answers if (found := ntlm.parse(answer)) is not None]
    return next((str(one["username"]) for one in told if one.get("username")), None)


def shown(data: bytes) -> str:
    """A name as text of bounded length."""
    return printable(data[:MOST_TEXT])


def _plain(text: bytes) -> bytes:
    try:
        return base64.b64decode(text[:4096], validate=False)
    except (binascii.Error, ValueError):
        return b""

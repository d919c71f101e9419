"""Reads what is in the clear of Kerberos 5 messages (RFC 4120), named as in Zeek's `kerberos.log`."""

from itertools import zip_longest
from typing import Any, Final

from labrys.evidence.pcap.protocols import der
from labrys.evidence.pcap.protocols.der import Part
from labrys.evidence.pcap.talk import Piece, Stream, Talk, emit, printable
from labrys.evidence.records import Records

SHAPE: Final = "net.kerberos"
_REQUESTS: Final = {0x6A: "AS", 0x6C: "TGS"}
_REPLIES: Final = {0x6B: "AS", 0x6D: "TGS"}
_ERROR: Final = 0x7E
_CIPHERS: Final = {
    1: "des-cbc-crc", 3: "des-cbc-md5", 16: "des3-cbc-sha1", 17: "aes128-cts-hmac-sha1-96",
    18: "aes256-cts-hmac-sha1-96", 19: "aes128-cts-hmac-sha256-128",
    20: "aes256-cts-hmac-sha384-192", 23: "rc4-hmac", 24: "rc4-hmac-exp",
}  # fmt: skip
_ERRORS: Final = {
    6: "KDC_ERR_C_PRINCIPAL_UNKNOWN", 7: "KDC_ERR_S_PRINCIPAL_UNKNOWN", 9: "KDC_ERR_NULL_KEY",
    12: "KDC_ERR_POLICY", 13: "KDC_ERR_BADOPTION", 14: "KDC_ERR_ETYPE_NOSUPP",
    16: "KDC_ERR_PADATA_TYPE_NOSUPP", 18: "KDC_ERR_CLIENT_REVOKED", 20: "KDC_ERR_TGT_REVOKED",
    23: "KDC_ERR_KEY_EXPIRED", 24: "KDC_ERR_PREAUTH_FAILED", 25: "KDC_ERR_PREAUTH_REQUIRED",
    29: "KDC_ERR_SVC_UNAVAILABLE", 31: "KRB_AP_ERR_BAD_INTEGRITY", 32: "KRB_AP_ERR_TKT_EXPIRED",
    33: "KRB_AP_ERR_TKT_NYV", 34: "KRB_AP_ERR_REPEAT", 37: "KRB_AP_ERR_SKEW",
    41: "KRB_AP_ERR_MODIFIED", 52: "KRB_ERR_RESPONSE_TOO_BIG", 60: "KRB_ERR_GENERIC",
    68: "KDC_ERR_WRONG_REALM",
}  # fmt: skip
_NO_FAILURE: Final = (25, 52)
"""Errors that only say how to ask again: every logon begins so."""
_MOST_CIPHERS: Final = 32
_PREAUTHENTICATION: Final = {2: "timestamp", 16: "pkinit", 128: "pac-request", 138: "challenge"}

Asked = tuple[Piece, dict[str, Any]]


def datagram(talk: Talk, records: Records, piece: Piece, reply: bool) -> None:
    """One message over UDP."""
    _take(talk, records, piece, piece.data)


def step(talk: Talk, records: Records, final: bool) -> None:
    """Messages over TCP, each behind its length; at a flow's end, what waits for an answer."""
    requests, replies = _messages(talk.asked, final), _messages(talk.said, final)
    for pair in zip_longest(requests, replies):  # clients wait for an answer before they go on
        for one in pair:
            if one is not None:
                _take(talk, records, *one)
    if final:
        _leave(talk, records)


def _messages(side: Stream, final: bool) -> list[tuple[Piece, bytes]]:
    """The messages of one side that are whole, or, at the end, what there is."""
    first = side.pieces[0] if side.pieces else None
    text, at = side.text(), 0
    found: list[tuple[Piece, bytes]] = []
    while first is not None and at + 8 <= len(text):
        length = int.from_bytes(text[at : at + 4], "big")
        if at + 4 + length > len(text) and not final:
            break
        found.append((first, text[at + 4 : at + 4 + length]))
        at += 4 + length
    if at and first is not None:
        side.forget()
        if at < len(text):
            side.add(first._replace(sequence=first.sequence + at & 0xFFFFFFFF, data=text[at:]))
    return found


def _leave(talk: Talk, records: Records) -> None:
    waiting: Asked | None = talk.state
    if waiting is not None:
        emit(records, talk, SHAPE, waiting[1], waiting[0])
        talk.state = None


def _take(talk: Talk, records: Records, piece: Piece, data: bytes) -> None:
    message = parse(data)
    if message is None:
        return
    if data[0] in _REQUESTS:
        _leave(talk, records)
        talk.state = (piece, message)
        return
    waiting: Asked | None = talk.state
    talk.state = None
    if waiting is not None:
        piece, message = waiting[0], waiting[1] | message
    emit(records, talk, SHAPE, message, piece)


def parse(data: bytes) -> dict[str, Any] | None:
    """The fields of one message; None where it is none of a client's logons."""
    whole = der.part(data, 0, len(data))
    body = der.part(data, whole.begin, whole.end) if whole is not None else None
    if whole is None or body is None:
        return None
    fields = _tagged(data, body)
    if whole.tag in _REQUESTS:
        return {"request_type": _REQUESTS[whole.tag], **_request(data, fields)}
    if whole.tag in _REPLIES:
        return {"request_type": _REPLIES[whole.tag], "success": "T", **_reply(data, fields)}
    return _error(data, fields) if whole.tag == _ERROR else None


def _tagged(data: bytes, of: Part) -> dict[int, Part]:
    """What is in a sequence, by the numbers of its fields."""
    made: dict[int, Part] = {}
    for one in der.inside(data, of):
        inner = der.part(data, one.begin, one.end)
        if one.tag & 0xE0 == 0xA0 and inner is not None:
            made.setdefault(one.tag & 31, inner)
    return made


def _request(data: bytes, fields: dict[int, Part]) -> dict[str, Any]:
    body = fields.get(4)
    if body is None:
        return {}
    asked = _tagged(data, body)
    realm = _text(data, asked.get(2))
    made: dict[str, Any] = {
        "client": _principal(data, asked.get(1), realm),
        "service": _principal(data, asked.get(3), None),
        "realm": realm,
        "till": _text(data, asked.get(5)),
    }
    if 8 in asked:
        numbers = der.inside(data, asked[8])[:_MOST_CIPHERS]
        made["request_ciphers"] = [_cipher(_number(data, one)) for one in numbers]
    options = der.content(data, asked[0]) if 0 in asked else b""
    if len(options) == 5:
        bits = int.from_bytes(options[1:], "big")
        made["forwardable"] = "T" if bits & 0x40000000 else "F"
        made["renewable"] = "T" if bits & 0x00800000 else "F"
    padata = der.inside(data, fields[3])[:16] if 3 in fields else []
    kinds = [_number(data, _tagged(data, one).get(1)) for one in padata]
    made["preauthentication"] = [
        _PREAUTHENTICATION[kind] for kind in kinds if kind in _PREAUTHENTICATION
    ] or None
    return made


def _reply(data: bytes, fields: dict[int, Part]) -> dict[str, Any]:
    realm = _text(data, fields.get(3))
    made: dict[str, Any] = {"client": _principal(data, fields.get(4), realm)}
    ticket = der.part(data, fields[5].begin, fields[5].end) if 5 in fields else None
    if ticket is not None:
        inside = _tagged(data, ticket)
        made["service"] = _principal(data, inside.get(2), None)
        if 3 in inside:
            made["cipher"] = _cipher(_number(data, _tagged(data, inside[3]).get(0)))
    if 6 in fields:
        made["reply_cipher"] = _cipher(_number(data, _tagged(data, fields[6]).get(0)))
    return {name: value for name, value in made.items() if value is not None}


def _error(data: bytes, fields: dict[int, Part]) -> dict[str, Any]:
    code = _number(data, fields.get(6)) or 0
    made: dict[str, Any] = {
        "error_code": str(code),
        "error_msg": _ERRORS.get(code, f"error {code}"),
        "client": _principal(data, fields.get(8), _text(data, fields.get(7))),
        "service": _principal(data, fields.get(10), None),
    }
    if code not in _NO_FAILURE:
        made["success"] = "F"
    return {name: value for name, value in made.items() if value is not None}


def _principal(data: bytes, of: Part | None, realm: str | None) -> str | None:
    """A name of several parts, and its realm behind another slash, as Zeek writes it."""
    if of is None:
        return None
    names = _tagged(data, of).get(1)
    parts = der.inside(data, names)[:8] if names is not None else []
    words = [printable(der.content(data, one)[:256]) for one in parts]
    return "/".join([*words, realm] if realm is not None else words) or None


def _text(data: bytes, of: Part | None) -> str | None:
    return None if of is None else printable(der.content(data, of)[:256])


def _number(data: bytes, of: Part | None) -> int | None:
    return None if of is None else int.from_bytes(der.content(data, of)[:8], "big", signed=True)


def _cipher(number: int | None) -> str | None:
    return None if number is None else _CIPHERS.get(number, f"etype {number}")

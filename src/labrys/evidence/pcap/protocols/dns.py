"""Reads DNS messages, over UDP, TCP and multicast, and NetBIOS names (RFC 1035, 6762, 4795, 1002).

The fields are named and written as in Zeek's `dns.log`; a question and its answer are one record.
"""

import socket
from collections.abc import Iterator
from functools import lru_cache
from struct import Struct
from typing import Any, Final, NamedTuple

from labrys.evidence.pcap.services import SERVICES
from labrys.evidence.pcap.talk import Piece, Talk, emit, printable
from labrys.evidence.records import Records
from labrys.evidence.values import MULTI, MULTI_PICTURE

SHAPE: Final = "net.dns"
MOST_WAITING: Final = 64
"""Questions of a flow that may wait for their answer."""
_MOST_RECORDS: Final = 64
_MOST_NAME: Final = 255
_MOST_HOPS: Final = 32
_MOST_REMEMBERED: Final = 512
"""Longer messages are read again, so that what is remembered stays small."""
_HEADER: Final = Struct(">6H")
_RECORD: Final = Struct(">HHIH")
_CODES: Final = (
    *("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET"),
    *("NXRRSET", "NOTAUTH", "NOTZONE", "unassigned-11", "unassigned-12", "unassigned-13"),
    *("unassigned-14", "unassigned-15"),
)
_CLASSES: Final = {1: "C_INTERNET", 3: "C_CHAOS", 254: "C_NONE", 255: "C_ANY"}
_TYPES: Final = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT",
    17: "RP", 18: "AFSDB", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 32: "NB", 33: "SRV",
    35: "NAPTR", 37: "CERT", 39: "DNAME", 41: "EDNS", 43: "DS", 44: "SSHFP", 46: "RRSIG",
    47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 64: "SVCB", 65: "HTTPS",
    99: "SPF", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "*", 256: "URI", 257: "CAA",
}  # fmt: skip
_NETBIOS_TYPES: Final = {32: "NB", 33: "NBSTAT"}


class Message(NamedTuple):
    """What one message says, but for its number."""

    answer: bool
    fields: dict[str, Any]
    key: str


class _Waiting(NamedTuple):
    message: Message
    piece: Piece


class _Questions(dict[tuple[int, str], _Waiting]):
    """Questions that wait for their answer."""

    @property
    def weight(self) -> int:
        """About how many bytes they take."""
        return 1_000 * len(self)


def datagram(talk: Talk, records: Records, piece: Piece, reply: bool) -> None:
    """A message over UDP."""
    _take(talk, records, piece, piece.data)


def _take(talk: Talk, records: Records, piece: Piece, data: bytes) -> None:
    message = parse(data[2:])
    if message is None:
        return
    number = int.from_bytes(data[:2], "big")
    if talk.state is None:
        talk.state = _Questions()
    waiting: _Questions = talk.state
    key = (number, message.key)
    if not message.answer:
        again = waiting.pop(key, None)
        if again is not None:
            _emit(talk, records, again.piece, number, again.message, None, None)
        elif len(waiting) >= MOST_WAITING:
            oldest = next(iter(waiting))
            _unanswered(talk, records, oldest[0], waiting.pop(oldest))
        waiting[key] = _Waiting(message, piece._replace(data=b""))
        return
    asked = waiting.pop(key, None)
    if asked is None:
        _emit(talk, records, piece, number, None, message, None)
    else:
        _emit(talk, records, asked.piece, number, asked.message, message, piece)


def _unanswered(talk: Talk, records: Records, number: int, one: _Waiting) -> None:
    _emit(talk, records, one.piece, number, one.message, None, None)


def _emit(
    talk: Talk,
    records: Records,
    at: Piece,
    number: int,
    question: Message | None,
    answer: Message | None,
    answered: Piece | None,
) -> None:
    fields: dict[str, Any] = {"service": SERVICES[talk.service], "trans_id": str(number)}
    if question is not None:
        fields.update(question.fields)
    if answer is not None:
        fields.update(answer.fields)
    if answered is not None:
        fields["rtt"] = f"{max(answered.time - at.time, 0) / 1e9:.6f}"
    emit(records, talk, SHAPE, fields, at)


def step(talk: Talk, records: Records, final: bool) -> None:
    """Messages over TCP, each behind its length; or, at a flow's end, what waits."""
    for side in (talk.asked, talk.said):
        text = side.text()
        at, first = 0, side.pieces[0] if side.pieces else None
        while first is not None and at + 14 <= len(text):
            length = int.from_bytes(text[at : at + 2], "big")
            if at + 2 + length > len(text) and not final:
                break
            _take(talk, records, first, text[at + 2 : at + 2 + length])
            at += 2 + length
        if at and first is not None:
            rest = text[at:]
            side.forget()
            if rest and not final:
                side.add(first._replace(sequence=first.sequence + at & 0xFFFFFFFF, data=rest))
    if final and talk.state:
        for (number, _), one in talk.state.items():
            _unanswered(talk, records, number, one)


def multicast(talk: Talk, records: Records, piece: Piece, reply: bool) -> None:
    """A message of mDNS or LLMNR: its answer comes from elsewhere, so each is a record."""
    _single(talk, records, piece, parse(piece.data[2:]))


def netbios(talk: Talk, records: Records, piece: Piece, reply: bool) -> None:
    """A message of the NetBIOS name service."""
    _single(talk, records, piece, parse(piece.data[2:], netbios=True))


def _single(talk: Talk, records: Records, piece: Piece, message: Message | None) -> None:
    if message is not None:
        number = int.from_bytes(piece.data[:2], "big")
        question, answer = (None, message) if message.answer else (message, None)
        _emit(talk, records, piece, number, question, answer, None)


def parse(data: bytes, *, netbios: bool = False) -> Message | None:
    """A message without its number, the first two bytes; None where it is none.

    What is cut off gives what is there. Only the first question counts; Zeek does the same.
    """
    return (_remembered if len(data) <= _MOST_REMEMBERED else _parsed)(data, netbios)


def _parsed(data: bytes, netbios: bool) -> Message | None:
    if len(data) < 10:
        return None
    flags, questions, answers, _, _ = Struct(">5H").unpack_from(data)
    answer = bool(flags & 0x8000)
    data = b"\0\0" + data  # so that pointers are right
    fields: dict[str, Any] = {}
    at, name = _HEADER.size, ""
    types = _NETBIOS_TYPES if netbios else _TYPES
    if questions:
        found = _name(data, at)
        if found is None or found[1] + 4 > len(data):
            return None
        name, at = found
        name = _netbios_name(name) if netbios else name
        kind, group = Struct(">HH").unpack_from(data, at)
        at += 4
        fields["query"] = name or "."
        fields["qclass"] = str(group & 0x7FFF)
        fields["qclass_name"] = _CLASSES.get(group & 0x7FFF, f"qclass-{group}")
        fields["qtype"] = str(kind)
        fields["qtype_name"] = types.get(kind) or _TYPES.get(kind, f"query-{kind}")
    for _ in range(min(questions - 1, 16)):
        found = _name(data, at)
        if found is None:
            break
        at = found[1] + 4
    fields |= {"AA": _flag(flags & 0x400), "TC": _flag(flags & 0x200), "RD": _flag(flags & 0x100)}
    fields |= {"RA": _flag(flags & 0x80), "Z": str(flags >> 4 & 7), "opcode": str(flags >> 11 & 15)}
    fields["reply_bytes" if answer else "query_bytes"] = str(len(data))
    if answer:
        code = flags & 15
        fields["rcode"], fields["rcode_name"] = str(code), _CODES[code]
        fields["rejected"] = _flag(code in (4, 5, 9))
        _answers(fields, data, at, answers, netbios=netbios)
    return Message(answer, fields, name.lower())


_remembered = lru_cache(maxsize=1 << 13)(_parsed)
"""The same names are asked for again and again."""


def _flag(value: int) -> str:
    return "T" if value else "F"


def _answers(fields: dict[str, Any], data: bytes, at: int, count: int, *, netbios: bool) -> None:
    found = list(_records(data, at, min(count, _MOST_RECORDS), netbios=netbios))
    if not found:
        return
    fields["answers"] = MULTI.join(text.replace(MULTI, MULTI_PICTURE) for _, _, text, _ in found)
    fields["TTLs"] = MULTI.join(f"{ttl}.000000" for _, _, _, ttl in found)
    fields["answer_types"] = MULTI.join(_TYPES.get(kind, str(kind)) for _, kind, _, _ in found)
    if "query" not in fields:
        name, kind, _, _ = found[0]
        fields["query"] = name or "."
        fields["qtype"], fields["qtype_name"] = str(kind), _TYPES.get(kind, f"query-{kind}")


def _records(
    data: bytes, at: int, count: int, *, netbios: bool
) -> Iterator[tuple[str, int, str, int]]:
    """Name, type, value and time to live of each resource record."""
    for _ in range(count):
        found = _name(data, at)
        if found is None or found[1] + 10 > len(data):
            return
        name, at = found
        kind, _, ttl, length = _RECORD.unpack_from(data, at)
        at += 10
        value = data[at : at + length]
        text = _netbios_value(value) if netbios else _value(data, at, kind, value)
        yield (_netbios_name(name) if netbios else name), kind, text, ttl
        at += length


def _value(data: bytes, at: int, kind: int, value: bytes) -> str:
    if kind == 1 and len(value) == 4:
        return socket.inet_ntop(socket.AF_INET, value)
    if kind == 28 and len(value) == 16:
        return socket.inet_ntop(socket.AF_INET6, value)
    skip = _NAME_AT.get(kind)
    if skip is not None:
        found = _name(data, at + skip)
        return found[0] if found is not None and at + skip < len(data) else ""
    if kind in (16, 99):
        return " ".join(f"TXT {len(part)} {printable(part)}" for part in _strings(value))
    return f"<{_TYPES.get(kind, f'type {kind}')}> {value[:256].hex()}"


_NAME_AT: Final = {2: 0, 5: 0, 6: 0, 12: 0, 15: 2, 33: 6, 39: 0}
"""Types whose value is a name, and how many bytes of the value come before it."""


def _strings(value: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(value):
        yield value[at + 1 : at + 1 + value[at]]
        at += 1 + value[at]


def _name(data: bytes, at: int) -> tuple[str, int] | None:
    """A name and where it ends. A pointer may only lead back, so no loop goes on for ever."""
    labels: list[bytes] = []
    length, after, floor, hops = 0, -1, at, 0
    size = len(data)
    while at < size:
        count = data[at]
        if count < 64:
            at += 1
            if not count:
                name = b".".join(labels)
                text = name.decode() if name.isascii() else ""
                if not text.isprintable() or (name and not text):
                    text = printable(name)
                return text, at if after < 0 else after
            labels.append(data[at : at + count])
            at += count
            length += count + 1
            if length > _MOST_NAME:
                return None
        elif count >= 192 and at + 1 < size:
            if after < 0:
                after = at + 2
            at = (count & 63) << 8 | data[at + 1]
            hops += 1
            if at >= floor or hops > _MOST_HOPS:
                return None
            floor = at
        else:
            return None
    return None


def _netbios_name(name: str) -> str:
    """A NetBIOS name out of the letters it is written in (RFC 1001, 14.1)."""
    first, _, scope = name.partition(".")
    if len(first) != 32 or any(not "A" <= letter <= "P" for letter in first):
        return name
    pairs = zip(first[::2], first[1::2], strict=True)
    plain = bytes((ord(a) - 65) << 4 | (ord(b) - 65) for a, b in pairs)
    text = printable(plain[:15].rstrip(b" \0"))
    return f"{text}<{plain[15]:02x}>" + (f".{scope}" if scope else "")


def _netbios_value(value: bytes) -> str:
    if len(value) >= 6 and len(value) % 6 == 0:
        spots = range(2, len(value), 6)
        return ",".join(socket.inet_ntop(socket.AF_INET, value[at : at + 4]) for at in spots)
    return value[:256].hex()

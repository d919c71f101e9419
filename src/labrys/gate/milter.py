"""The milter protocol, version 2 to 6, as Postfix and Sendmail speak it to a mail filter.

A message is collected as the server tells it, judged at its end, and answered with what to do. The
server keeps the message all the while: if this process dies, nothing is lost, and the server does
what its `milter_default_action` says.

Sources: libmilter's `mfdef.h` and `mfapi.h` (names and numbers of commands), Postfix MILTER_README.
"""

import asyncio
import functools
import operator
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import IntFlag
from typing import Final

from labrys.gate import marks
from labrys.gate.judge import LARGEST, Judgement
from labrys.gate.policy import Action

_LENGTH: Final = struct.Struct(">I")
_TERMS: Final = struct.Struct(">III")
_LONGEST: Final = 1 << 20
"""A packet carries at most 64 KiB of a body; what claims to be longer is no milter's."""
_VERSIONS: Final = (2, 6)
_MOST_RECIPIENTS: Final = 1_000
_MOST_HEADER: Final = 1 << 20


class Can(IntFlag):
    """What a filter may do to a message (SMFIF)."""

    ADD_HEADER = 0x01
    CHANGE_HEADER = 0x10
    QUARANTINE = 0x20


class Terms(IntFlag):
    """What of the protocol is used (SMFIP)."""

    SKIP = 0x400
    LEADING_SPACE = 0x100000
    QUIET_HEADER = 0x80
    QUIET_CONNECT = 0x1000
    QUIET_HELO = 0x2000
    QUIET_MAIL = 0x4000
    QUIET_RECIPIENT = 0x8000
    QUIET_DATA = 0x10000
    QUIET_UNKNOWN = 0x20000
    QUIET_END_OF_HEADER = 0x40000


_QUIET: Final = {
    b"L": Terms.QUIET_HEADER,
    b"C": Terms.QUIET_CONNECT,
    b"H": Terms.QUIET_HELO,
    b"M": Terms.QUIET_MAIL,
    b"R": Terms.QUIET_RECIPIENT,
    b"T": Terms.QUIET_DATA,
    b"U": Terms.QUIET_UNKNOWN,
    b"N": Terms.QUIET_END_OF_HEADER,
}
"""Commands that need no reply where the server agrees: it then sends the next at once."""
_USED: Final = functools.reduce(operator.or_, _QUIET.values(), Terms.SKIP | Terms.LEADING_SPACE)


@dataclass(slots=True)
class Envelope:
    """What the server says about a message besides its content."""

    queue_id: str = ""
    helo: str = ""
    client: str = ""
    address: str = ""
    host: str = ""
    sender: str = ""
    recipients: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Mail:
    """A message while it is collected. Values are as the server tells them, with bare line feeds."""

    names: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    header: bytearray = field(default_factory=bytearray)
    body: bytearray = field(default_factory=bytearray)
    over: bool = False


Decide = Callable[[bytes, Envelope], Awaitable[tuple[Judgement | None, Action]]]
"""Judges a message and says what to do, and remembers both."""


class Session:
    """One connection from a mail server, over which many messages may come."""

    def __init__(self, decide: Decide, host: str) -> None:
        self._decide, self._host = decide, host
        self._connection: dict[str, str] = {}
        self._macros: dict[str, str] = {}
        self._envelope = Envelope()
        self._mail = _Mail()
        self._can = Can(0)
        self._terms = Terms(0)

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the server closes; what makes no sense ends the connection."""
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
                while (packet := await _packet(reader))[:1] != b"Q":
                    for reply in await self._answer(packet[:1], packet[1:]):
                        writer.write(_LENGTH.pack(len(reply)) + reply)
                    await writer.drain()
        finally:
            writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, command: bytes, data: bytes) -> list[bytes]:
        """The replies to one packet; ValueError where it is none of the protocol."""
        match command:
            case b"O":
                return [self._negotiated(data)]
            case b"D":
                self._told(data)
                return []
            case b"A" | b"K":
                self._reset(whole=command == b"K")
                return []
            case b"E":
                self._add_body(data)
                replies = [*await self._ended()]
                self._reset()
                return replies
            case b"B":
                self._add_body(data)
                return [b"s" if self._mail.over and Terms.SKIP in self._terms else b"c"]
            case _:
                self._collect(command, data)
                return [] if _QUIET.get(command, Terms(0)) & self._terms else [b"c"]

    def _negotiated(self, data: bytes) -> bytes:
        version, can, terms = _TERMS.unpack(data[: _TERMS.size])
        low, high = _VERSIONS
        if version < low:
            raise ValueError("a protocol older than version 2")
        wanted = Can.ADD_HEADER | Can.CHANGE_HEADER | Can.QUARANTINE
        self._can = Can(can & wanted)
        self._terms = Terms(terms & _USED)
        return b"O" + _TERMS.pack(min(version, high), self._can, self._terms)

    def _told(self, data: bytes) -> None:
        """Macros, each for the command that comes next."""
        parts = _texts(data[1:])
        made = {
            name.strip("{}"): value for name, value in zip(parts[::2], parts[1::2], strict=False)
        }
        (self._connection if data[:1] in (b"C", b"H") else self._macros).update(made)

    def _collect(self, command: bytes, data: bytes) -> None:
        envelope = self._envelope
        match command:
            case b"C":
                self._reset(whole=True)
                client, _, rest = data.partition(b"\0")
                self._connection["client"] = _text(client)
                if rest[:1] in (b"4", b"6"):
                    self._connection["address"] = _text(rest[3:].partition(b"\0")[0])
            case b"H":
                self._connection["helo"] = _text(data.rstrip(b"\0"))
            case b"M":
                self._reset(macros=False)
                envelope = self._envelope
                envelope.sender = _mailbox(data)
            case b"R" if len(envelope.recipients) < _MOST_RECIPIENTS:
                envelope.recipients.append(_mailbox(data))
            case b"L":
                self._add_header(data)

    def _add_header(self, data: bytes) -> None:
        mail = self._mail
        raw_name, _, raw_value = data.partition(b"\0")
        raw_value = raw_value.removesuffix(b"\0")
        mail.names.append(_text(raw_name))
        mail.values.append(_text(raw_value))
        if len(mail.header) < _MOST_HEADER:
            gap = b"" if Terms.LEADING_SPACE in self._terms else b" "
            value = raw_value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            mail.header += raw_name + b":" + gap + value + b"\r\n"

    def _add_body(self, data: bytes) -> None:
        mail = self._mail
        # One byte more than is read, so that the judge sees that there was more.
        room = LARGEST + 1 - len(mail.body)
        mail.body += data[:room]
        mail.over = mail.over or len(data) >= room

    def _reset(self, *, whole: bool = False, macros: bool = True) -> None:
        self._mail, self._envelope = _Mail(), Envelope()
        if macros:
            self._macros = {}
        if whole:
            self._connection = {}

    async def _ended(self) -> Iterator[bytes]:
        mail, envelope = self._mail, self._envelope
        told = self._connection
        envelope.queue_id = self._macros.get("i", "")
        envelope.helo, envelope.client = told.get("helo", ""), told.get("client", "")
        envelope.address = told.get("address", "")
        envelope.host = told.get("j", "") or self._host
        content = received(envelope) + bytes(mail.header) + b"\r\n" + bytes(mail.body)
        judged, action = await self._decide(content, envelope)
        return self._replies(judged, action)

    def _replies(self, judged: Judgement | None, action: Action) -> Iterator[bytes]:
        if action == Action.DEFER:
            yield b"y451 4.7.1 this message could not be checked now; try again later\0"
            return
        if action == Action.REJECT:
            yield b"y550 5.7.1 this message was refused by policy\0"
            return
        mail = self._mail
        if Can.CHANGE_HEADER in self._can:
            for name, number in marks.forged(mail.names, mail.values, self._host):
                yield b"m" + _LENGTH.pack(number) + _bytes(name) + b"\0\0"
        if Can.ADD_HEADER in self._can:
            gap = b" " if Terms.LEADING_SPACE in self._terms else b""
            # On top, where RFC 8601 wants results: the last to be put there stands first.
            for name, value in reversed(marks.added(judged, action, self._host)):
                at = _LENGTH.pack(0)
                yield b"i" + at + _bytes(name) + b"\0" + gap + _bytes(value) + b"\0"
        if action == Action.QUARANTINE:
            if Can.QUARANTINE not in self._can:
                yield b"y451 4.7.1 this message is held back; the server cannot keep it\0"
                return
            why = judged.title if judged is not None else ""
            yield b"q" + _bytes(f"labrys: {why}"[:200].replace("\n", " ")) + b"\0"
        yield b"c"


async def _packet(reader: asyncio.StreamReader) -> bytes:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if not 1 <= length <= _LONGEST:
        raise ValueError("a packet of impossible length")
    return await reader.readexactly(length)


def received(envelope: Envelope) -> bytes:
    """The fields that the server will put on top when it has taken the message.

    A filter sees a message before its server's own Received and Return-Path are there; without them
    the hop that brought it in would be missing, and the sender's own claims would stand first.
    """
    client = envelope.client if not envelope.client.startswith("[") else "unknown"
    way = f"from {envelope.helo or 'unknown'} ({client or 'unknown'} [{envelope.address}])"
    queue = f" id {envelope.queue_id}" if envelope.queue_id else ""
    lines = (
        f"Return-Path: <{envelope.sender}>",
        f"Received: {way}",
        f"\tby {envelope.host} (gate) with ESMTP{queue}; {formatdate()}",
    )
    return "".join(f"{_one_line(line)}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


def _texts(data: bytes) -> list[str]:
    return [_text(each) for each in data.split(b"\0")]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.replace("\0", "").encode("utf-8", "surrogateescape")


def _mailbox(data: bytes) -> str:
    return _text(data.partition(b"\0")[0]).strip("<> ")

"""Reads MQTT (3.1, 3.1.1 and 5.0, OASIS): who connects, and which topics are written and read.

Named as in Zeek's `mqtt_*.log`, in one shape. A topic is told once for each side of a connection.
Passwords are never kept.
"""

from typing import Any, Final

from labrys.evidence.pcap import dialogue
from labrys.evidence.pcap.protocols import logon
from labrys.evidence.pcap.talk import Piece, Talk, emit
from labrys.evidence.records import Records

SHAPE: Final = "net.mqtt"
MOST_MESSAGES: Final = 20_000
MOST_TOPICS: Final = 1_000
_LARGEST: Final = 16 << 10
"""Bytes of a message that are kept; a longer one's topic lies at its beginning."""
_CONNECT, _CONNACK, _PUBLISH, _SUBSCRIBE = 1, 2, 3, 8
_REFUSED: Final = {
    1: "unacceptable protocol version", 2: "identifier rejected", 3: "server unavailable",
    4: "bad user name or password", 5: "not authorized", 0x84: "unsupported protocol version",
    0x85: "client identifier not valid", 0x86: "bad user name or password", 0x87: "not authorized",
    0x88: "server unavailable", 0x8A: "banned",
}  # fmt: skip


class _Cut(Exception):
    """A message ends before it should."""


class _Fields:
    """Takes fields from the front of a message."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        """So many bytes."""
        if self._at + size > len(self._data):
            raise _Cut
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self) -> bytes:
        """Bytes behind their length."""
        return self.take(self.number(2))

    def properties(self, version: int) -> None:
        """Those of version 5 are passed over."""
        if version >= 5:
            size = shift = 0
            while True:
                byte = self.number()
                size |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80 or shift > 21:
                    break
            self.take(size)

    def rest(self) -> bytes:
        return self._data[self._at :]


class _Session(dialogue.Session):
    __slots__ = ("_connect", "_count", "_over", "_told", "_user", "_version")

    def __init__(self) -> None:
        super().__init__()
        self._connect: tuple[dict[str, Any], Piece] | None = None
        self._user: str | None = None
        self._version = 4
        self._over = [0, 0]
        self._told = set[tuple[bool, str]]()
        self._count = 0

    def heard(self, talk: Talk, records: Records, reply: bool) -> None:
        side = self.said if reply else self.asked
        while not talk.done:
            self._over[reply] -= len(side.take(self._over[reply]))
            size = _size(side.buffer)
            if size is None:
                return
            head, body = size
            if side.lost or body < 0 or self._count >= MOST_MESSAGES:
                self.over(talk, records)
                talk.finish()
                return
            kept = min(body, _LARGEST)
            if len(side.buffer) < head + kept:
                return
            self._count += 1
            first = side.take(head)[0]
            data = side.take(kept)
            self._over[reply] = body - kept
            try:
                self._take(talk, records, first, _Fields(data), body, side.last, reply)
            except _Cut:
                continue

    def _take(
        self, talk: Talk, records: Records, first: int, said: _Fields, size: int, at: Piece,
        reply: bool,
    ) -> None:  # fmt: skip
        kind = first >> 4
        if kind == _CONNECT and not reply:
            self._connect = (self._connects(said), at)
        elif kind == _CONNACK and reply:
            said.take(1)
            self._answered(talk, records, said.number())
        elif kind == _PUBLISH:
            self._publishes(talk, records, first, said, size, at, reply)
        elif kind == _SUBSCRIBE and not reply:
            said.take(2)
            said.properties(self._version)
            while len(self._told) < MOST_TOPICS and said.rest():
                topic = logon.shown(said.text())
                fields = {"topic": topic, "qos": str(said.number() & 3)}
                self._tell(talk, records, "SUBSCRIBE", fields, at, reply)

    def _connects(self, said: _Fields) -> dict[str, Any]:
        made: dict[str, Any] = {"command": "CONNECT", "proto_name": logon.shown(said.text())}
        self._version = said.number()
        flags = said.number()
        said.take(2)
        said.properties(self._version)
        made |= {"proto_version": str(self._version), "client_id": logon.shown(said.text()) or None}
        if flags & 4:
            said.properties(self._version)
            made["will_topic"] = logon.shown(said.text())
            made["will_payload"] = logon.shown(said.text())
        self._user = logon.shown(said.text()) if flags & 0x80 else None
        made["user"] = self._user
        return made

    def _answered(self, talk: Talk, records: Records, code: int | None) -> None:
        if self._connect is None:
            return
        (fields, at), self._connect = self._connect, None
        status = None if code is None else _REFUSED.get(code, str(code)) if code else "accepted"
        emit(records, talk, SHAPE, {**fields, "connect_status": status}, at)
        if self._user:
            success = None if code is None else code == 0
            logon.add(records, talk, at, "mqtt", "password", self._user, success, status)

    def _publishes(
        self, talk: Talk, records: Records, first: int, said: _Fields, size: int, at: Piece,
        reply: bool,
    ) -> None:  # fmt: skip
        topic, qos = logon.shown(said.text()), first >> 1 & 3
        if not topic or len(self._told) >= MOST_TOPICS:
            return
        if qos:
            said.take(2)
        said.properties(self._version)
        fields = {
            "topic": topic,
            "qos": str(qos),
            "retain": "T" if first & 1 else "F",
            "payload": logon.shown(said.rest()) or None,
            "message_len": str(size),
        }
        self._tell(talk, records, "PUBLISH", fields, at, reply)

    def _tell(
        self, talk: Talk, records: Records, command: str, fields: dict[str, Any], at: Piece,
        reply: bool,
    ) -> None:  # fmt: skip
        known = (reply, f"{command} {fields['topic']}")
        if known not in self._told:
            self._told.add(known)
            made = {"command": command, "from_client": "F" if reply else "T", **fields}
            emit(records, talk, SHAPE, made, at)

    def over(self, talk: Talk, records: Records) -> None:
        self._answered(talk, records, None)

    @property
    def weight(self) -> int:
        """About how many bytes are kept."""
        return super().weight + sum(len(topic) + 100 for _, topic in self._told)


packet = dialogue.packets(_Session)


def _size(buffer: bytes) -> tuple[int, int] | None:
    """How long a message's head is, and its body; None: more must come; -1: none is so long."""
    for at in range(1, min(len(buffer), 5)):
        if buffer[at] < 0x80:
            size = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(buffer[1 : at + 1]))
            return at + 1, size
    return (1, -1) if len(buffer) >= 5 else None

"""Reads files of NetFlow and IPFIX messages, one after the other, as their exporters sent them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import BinaryIO, Final, NamedTuple

import numpy as np
import pyarrow as pa

from labrys.evidence.netflow import templates, values
from labrys.evidence.netflow.templates import V5, Template
from labrys.evidence.netflow.values import Cells, Ints
from labrys.evidence.pcap import columns
from labrys.evidence.pcap.net_flow import PROTOCOL_NAMES
from labrys.evidence.pcap.tally import Tally
from labrys.evidence.records import Records, Shaped, Source

FLOW: Final = "netflow.flow"
OPTIONS: Final = "netflow.options"
MOST_TEMPLATES: Final = 4_096
_CHUNK: Final = 4 << 20
_LONGEST: Final = 1 << 16
_SET: Final = Struct(">HH")
_V5_HEADER, _V9_HEADER, _IPFIX_HEADER = 24, 20, 16
_V5_RECORD: Final = 48
_TOGETHER: Final = 2 << 20
_PADDING: Final = "element0"
_UNITS: Final = ("Milliseconds", "Seconds", "Microseconds", "Nanoseconds")


class Message(NamedTuple):
    """What a message's header says: when (milliseconds), the exporter's uptime then, who."""

    version: int
    time: int
    uptime: int
    domain: int


def sniff(head: bytes, name: str) -> float:
    """Whether a message begins here, and, where it is not the last, another behind it."""
    length = _length(head, 0)
    if length is None or length < 0:
        return 0.0
    _, when = _header(head, 0)
    if not 0x30000000 < when.time // 1000 < 0x80000000:
        return 0.0
    if length >= len(head):
        return 0.9 if length == len(head) else 0.6
    return 0.93 if _length(head, length) is not None else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Flows as `netflow.flow`, options as `netflow.options`; columns are named by IANA's registry."""
    reader = _Reader(source)
    with source.open() as stream:
        for _ in reader.messages(stream):
            if reader.records.full:
                yield from reader.records.drain()
    reader.flush()
    reader.tally.into(reader.records)
    yield from reader.records.drain()


def _length(data: bytes, at: int) -> int | None:
    """How long the message at some place is; None: it is none, -1: it does not end here.

    Version 9 says how many records there are, not how long they are: its sets are walked until the
    next one is no set. No set is numbered like a version.
    """
    if at + 4 > len(data):
        return None
    version, count = _SET.unpack_from(data, at)
    if version == 5:
        return _V5_HEADER + _V5_RECORD * count if 1 <= count <= 60 else None
    if version == 10:
        return count if count >= _IPFIX_HEADER else None
    if version != 9:
        return None
    end = at + _V9_HEADER
    while end + 4 <= len(data):
        number, size = _SET.unpack_from(data, end)
        if number in (5, 9, 10) or size < 4 or (number > 1 and number < 256):
            break
        if end - at + size > _LONGEST:
            break
        end += size
    return end - at if end <= len(data) else -1


def _header(data: bytes, at: int) -> tuple[int, Message]:
    """The header's length, and what it says."""
    version = int.from_bytes(data[at : at + 2], "big")
    whole = data[at : at + 24].ljust(24, b"\0")
    if version == 5:
        uptime, seconds, part = Struct(">4xIII").unpack_from(whole)
        time = seconds * 1000 + part // 1_000_000
        return _V5_HEADER, Message(5, time, uptime, whole[20] << 8 | whole[21])
    if version == 9:
        uptime, seconds, domain = Struct(">4xII4xI").unpack_from(whole)
        return _V9_HEADER, Message(9, seconds * 1000, uptime, domain)
    seconds, domain = Struct(">4xI4xI").unpack_from(whole)
    return _IPFIX_HEADER, Message(10, seconds * 1000, 0, domain)


_Key = tuple[int, int, int]
"""Version, domain and number of a template."""


@dataclass(slots=True)
class _Waiting:
    template: Template
    bodies: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


class _Reader:
    """Knows the templates of all domains so far."""

    def __init__(self, source: Source) -> None:
        self.records, self.tally = Records(source), Tally()
        self._templates: dict[_Key, Template] = {}
        self._waiting: dict[_Key, _Waiting] = {}
        self._size = 0
        self._buffer, self._base = b"", 0

    def messages(self, stream: BinaryIO) -> Iterator[None]:
        """Read message after message."""
        more = True
        at = 0
        while True:
            left = len(self._buffer) - at
            if more and left < _LONGEST * 2:
                data = stream.read(_CHUNK)
                more = bool(data)
                self._buffer, self._base = self._buffer[at:] + data, self._base + at
                at = 0
                continue
            if not left:
                return
            length = _length(self._buffer, at)
            if length is None:
                at = self._resume(at)
            elif length < 0 or at + length > len(self._buffer):
                self.tally.note("the file ends inside a message", self._base + at)
                return
            else:
                self._message(at, length)
                at += length
            yield

    def _resume(self, at: int) -> int:
        """Where a message may begin after bytes that are none."""
        self.tally.note("bytes that are no NetFlow message", self._base + at)
        found = [
            place
            for sign in (b"\0\5\0", b"\0\x09\0", b"\0\x0a")
            if (place := self._buffer.find(sign, at + 1)) >= 0
        ]
        return min(found, default=len(self._buffer))

    def _message(self, at: int, length: int) -> None:
        size, message = _header(self._buffer, at)
        end = at + length
        at += size
        if message.version == 5:
            self._data((5, 0, 0), V5, self._buffer[at:end], self._base + at, message)
            return
        while at + 4 <= end:
            number, length = _SET.unpack_from(self._buffer, at)
            if length < 4 or at + length > end:
                self.tally.note("set that is longer than its message", self._base + at)
                return
            self._set(number, self._buffer[at + 4 : at + length], self._base + at + 4, message)
            at += length

    def _set(self, number: int, body: bytes, offset: int, message: Message) -> None:
        ipfix = message.version == 10
        if number in ((2, 3) if ipfix else (0, 1)):
            options = number == (3 if ipfix else 1)
            for name, template in templates.read(body, ipfix=ipfix, options=options):
                self._learn((message.version, message.domain, name), template, offset)
            return
        template = self._templates.get((message.version, message.domain, number))
        if template is None:
            self.tally.note("data whose template was not seen", offset)
        elif template.size:
            self._data((message.version, message.domain, number), template, body, offset, message)

    def _learn(self, key: _Key, template: Template | None, offset: int) -> None:
        if key in self._waiting and template != self._templates.get(key):
            self.flush()
        if template is None:
            self._templates.pop(key, None)
        elif key in self._templates or len(self._templates) < MOST_TEMPLATES:
            self._templates[key] = template
        else:
            self.tally.note("more templates than are kept", offset)

    def _data(self, key: _Key, template: Template, body: bytes, offset: int, sent: Message) -> None:
        """Let records wait for more of their kind: columns of many cost what columns of one do."""
        waiting = self._waiting.setdefault(key, _Waiting(template))
        waiting.bodies.append(body)
        waiting.offsets.append(offset)
        waiting.messages.append(sent)
        self._size += len(body) + 64
        if self._size > _TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Keep the records that wait."""
        waiting, self._waiting, self._size = self._waiting, {}, 0
        for one in waiting.values():
            _keep(self.records, one)


def _keep(records: Records, waiting: _Waiting) -> None:
    template = waiting.template
    cut = [values.cut(body, template) for body in waiting.bodies]
    counts = [len(starts) for _, starts in cut]
    if not sum(counts):
        return
    starts = np.concatenate(
        [starts + at for (_, starts), at in zip(cut, waiting.offsets, strict=True)]
    )
    fixed: dict[str, tuple[templates.Field, Cells]] = {}
    made: dict[str, pa.Array] = {}
    for place, one in enumerate(template.fields):
        if one.name in made or one.name == _PADDING:
            continue
        parts = [cells[place] for cells, _ in cut]
        if one.size == templates.VARIABLE:
            words = [values.word(one.kind, value) for part in parts for value in part]
            made[one.name] = pa.array(words, pa.string())
        else:
            raw = np.concatenate([values.as_cells(part, one.size) for part in parts])
            fixed[one.name] = (one, raw)
            made[one.name] = values.text(one, raw)
    sent = np.repeat(np.array([one.time for one in waiting.messages], np.int64), counts)
    uptime = np.repeat(np.array([one.uptime for one in waiting.messages], np.int64), counts)
    begin, end = _times(fixed, sent, uptime)
    if not template.options:
        made |= _derived(fixed, begin, end)
    made = {name: column for name, column in made.items() if column.null_count < len(starts)}
    shape = OPTIONS if template.options else FLOW
    records.add_columns(shape, made, times=columns.milliseconds(begin), offsets=starts)


def _times(
    fields: dict[str, tuple[templates.Field, Cells]], sent: Ints, uptime: Ints
) -> tuple[Ints, Ints]:
    """When flows began and ended, in nanoseconds; the message's time where they do not say."""
    booted = sent - uptime
    if "systemInitTimeMilliseconds" in fields:
        booted = values.nanoseconds(*fields["systemInitTimeMilliseconds"]) // 1_000_000
    made = []
    for side in ("Start", "End"):
        names = (f"flow{side}{unit}" for unit in _UNITS)
        name = next((name for name in names if name in fields), None)
        if name is not None:
            made.append(values.nanoseconds(*fields[name]))
        elif f"flow{side}SysUpTime" in fields:
            since = values.numbers(fields[f"flow{side}SysUpTime"][1]) & np.uint64(0xFFFFFFFF)
            made.append((booted + since.astype(np.int64)) * 1_000_000)
        else:
            made.append(sent * 1_000_000)
    return made[0], made[1]


def _derived(
    fields: dict[str, tuple[templates.Field, Cells]], begin: Ints, end: Ints
) -> dict[str, pa.Array]:
    """What OCSF and rules want in another form: protocol by name, flags as letters, duration."""
    made = {"duration": columns.seconds(np.maximum(end - begin, 0), (end <= 0) | (begin <= 0))}
    if "protocolIdentifier" in fields:
        codes = values.numbers(fields["protocolIdentifier"][1]) & np.uint64(0xFF)
        made["proto"] = columns.chosen(codes, PROTOCOL_NAMES)
    if "tcpControlBits" in fields:
        made["tcp_flags"] = values.flags(fields["tcpControlBits"][1])
    return made

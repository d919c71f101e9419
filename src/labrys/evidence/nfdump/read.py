"""Reads the files in which nfcapd keeps flows, as `netflow.flow` with IANA's column names."""

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.netflow.values import FLAG_TEXTS
from labrys.evidence.nfdump import elements, layout, packing
from labrys.evidence.pcap import columns
from labrys.evidence.pcap.net_flow import PROTOCOL_NAMES
from labrys.evidence.pcap.packets import PAD, Ints, Wire, Words
from labrys.evidence.pcap.tally import Tally
from labrys.evidence.records import Records, Shaped, Source

SHAPE: Final = "netflow.flow"
MOST_BLOCK: Final = 64 << 20
_ANY: Final = -1
"""The size of records that say themselves what they hold."""
_UPPER_OF_V4: Final = np.uint64(0xFFFF << 32)
_Extensions = tuple[int, ...]


def sniff(head: bytes, name: str) -> float:
    """Whether the file begins with nfcapd's sign and a layout that is read."""
    return 0.97 if _form(head) is not None else 0.0


def _form(head: bytes) -> tuple[str, int] | None:
    """The byte order of the machine that wrote the file, and its layout."""
    for order in "<>":
        if len(head) >= 4:
            magic, version = Struct(f"{order}HH").unpack_from(head)
            if magic == layout.MAGIC and len(head) >= layout.HEADERS.get(version, len(head) + 1):
                return order, version
    return None


def read(source: Source) -> Iterator[Shaped]:
    """Each flow as a row; `_offset` in bytes, in compressed files that of its block."""
    records, tally = Records(source), Tally()
    with source.open() as stream:
        form = _form(head := stream.read(max(layout.HEADERS.values())))
        if form is None:
            tally.note("not a file of nfcapd in layout 1 or 2", 0)
        else:
            stream.seek(layout.HEADERS[form[1]])
            reader = _Reader(records, tally, form, head)
            for _ in reader.blocks(stream):
                if records.full:
                    yield from records.drain()
    tally.into(records)
    yield from records.drain()


class _Reader:
    """Knows the file's extension maps so far."""

    def __init__(self, records: Records, tally: Tally, form: tuple[str, int], head: bytes) -> None:
        self._records, self._tally = records, tally
        self._order, self._version = form
        self._maps: dict[int, _Extensions] = {}
        known = layout.PACKED[self._version]
        if self._version == 1:
            flags = Struct(f"{self._order}I").unpack_from(head, 4)[0]
            self._packed = next((name for bit, name in known.items() if flags & bit), "")
            self._sealed = False
        else:
            self._packed = known.get(head[16], f"kind {head[16]}" if head[16] else "")
            self._sealed = head[17] != 0

    def blocks(self, stream: BinaryIO) -> Iterator[None]:
        """Read block after block."""
        at = layout.HEADERS[self._version]
        unpack = Struct(f"{self._order}IIHH").unpack
        while len(head := stream.read(layout.BLOCK)) == layout.BLOCK:
            _, size, kind, flags = unpack(head)
            at += layout.BLOCK
            if size > MOST_BLOCK:
                self._tally.note("block that is too long: the rest was not read", at)
                return
            body = stream.read(size)
            if len(body) < size:
                self._tally.note("the file ends inside a block", at)
            if kind == layout.DATA_BLOCKS[self._version]:
                self._block(body, at, flags if self._version > 1 else 0)
            else:
                self._tally.note(f"block of kind {kind}", at)
            at += size
            yield
        if head:
            self._tally.note("the file ends inside a block", at)

    def _block(self, body: bytes, offset: int, flags: int) -> None:
        if self._sealed and not flags & layout.NOT_SEALED:
            self._tally.note("block that is encrypted", offset)
            return
        packed = self._packed if not flags & layout.NOT_PACKED else ""
        if packed:
            if packed not in layout.PACKED[self._version].values():
                self._tally.note(f"block compressed with {packed} is not read", offset)
                return
            try:
                body = packing.unpack(packed, body)
            except ValueError:
                self._tally.note("block that cannot be unpacked", offset)
                return
        groups = self._walk(body, offset)
        wire = Wire(body + PAD, self._order)
        for (kind, number, size), starts in groups.items():
            place = np.array(starts, np.int64)
            where = np.full(len(place), offset) if packed else place + offset
            if size == _ANY:
                empty = elements.keep(self._records, wire, place, where)
                if empty:
                    self._tally.note("record without a flow", offset, empty)
                continue
            extensions = self._maps.get(number)
            if extensions is None:
                self._tally.note("flow whose extension map was not seen", offset, len(starts))
                extensions = ()
            _Group(wire, place, kind).into(self._records, extensions, where)

    def _walk(self, body: bytes, offset: int) -> dict[tuple[int, int, int], list[int]]:
        """Where flows begin, those of one layout together; extension maps are kept on the way."""
        found: dict[tuple[int, int, int], list[int]] = {}
        unpack = Struct(f"{self._order}HHHH").unpack_from
        at, end = 0, len(body)
        while at + 8 <= end:
            kind, size, flags, number = unpack(body, at)
            if size < 4 or at + size > end:
                self._tally.note("record that is longer than its block", offset + at)
                break
            if kind == layout.COMMON_RECORD and size >= _least(flags):
                found.setdefault((flags & 7, number, size), []).append(at)
            elif kind == layout.ELEMENT_RECORD and size >= elements.HEADER:
                found.setdefault((0, 0, _ANY), []).append(at)
            elif kind == layout.EXTENSION_MAP:
                count = (size - 8) // 2
                kinds = (
                    Struct(f"{self._order}{count}H").unpack_from(body, at + 8) if count > 0 else ()
                )
                self._maps[flags] = tuple(kinds)  # the map's number stands where flags do
            at += size
        return found


def _least(flags: int) -> int:
    """The bytes a flow's record has at least."""
    sizes = 32 if flags & layout.V6 else 8
    sizes += 8 if flags & layout.PACKETS_64 else 4
    return layout.FIXED + sizes + (8 if flags & layout.BYTES_64 else 4)


class _Group:
    """Flows of a block that are laid out alike."""

    def __init__(self, wire: Wire, at: Ints, flags: int) -> None:
        self._wire = wire
        self._start, self._at, self._flags = at, at + layout.FIXED, flags
        self._columns: dict[str, pa.Array] = {}

    def into(self, records: Records, extensions: _Extensions, offsets: Ints) -> None:
        """Keep the flows as records."""
        at, wire, made = self._start, self._wire, self._columns
        first = wire.u32(at + 12) * 1_000 + wire.u16(at + 8)
        last = wire.u32(at + 16) * 1_000 + wire.u16(at + 10)
        version = "IPv6" if self._flags & layout.V6 else "IPv4"
        size = 16 if self._flags & layout.V6 else 4
        for side in ("source", "destination"):
            self._field(f"{side}{version}Address", "a", size)
        self._field("packetDeltaCount", "n", 8 if self._flags & layout.PACKETS_64 else 4)
        self._field("octetDeltaCount", "n", 8 if self._flags & layout.BYTES_64 else 4)
        end = at + wire.u16(at + 2)
        for number in extensions:
            fields = layout.EXTENSIONS.get(number)
            if fields is None or (self._at + sum(size for _, _, size in fields) > end).any():
                break  # what comes behind it cannot be found
            for name, kind, size in fields:
                self._field(name, kind, size)
        protocol, bits = wire.u8(at + 22), wire.u8(at + 21)
        made["flowStartMilliseconds"] = columns.seconds(first * 1_000_000)
        made["flowEndMilliseconds"] = columns.seconds(last * 1_000_000)
        made["duration"] = columns.seconds(np.maximum(last - first, 0) * 1_000_000)
        made["protocolIdentifier"] = columns.numbers(protocol)
        made["proto"] = columns.chosen(protocol, PROTOCOL_NAMES)
        made["tcpControlBits"] = columns.numbers(bits)
        made["tcp_flags"] = columns.chosen(bits, FLAG_TEXTS)
        made["ipClassOfService"] = columns.numbers(wire.u8(at + 23))
        made["sourceTransportPort"] = columns.numbers(wire.u16(at + 24))
        made["destinationTransportPort"] = columns.numbers(wire.u16(at + 26))
        kept = {name: column for name, column in made.items() if column.null_count < len(at)}
        records.add_columns(
            SHAPE, kept, times=columns.milliseconds(first * 1_000_000), offsets=offsets
        )

    def _field(self, name: str, kind: str, size: int) -> None:
        """The next field as a column."""
        at = self._at
        self._at = at + size
        if kind == "n":
            self._columns[name] = pc.cast(pa.array(self._number(at, size)), pa.string())
        elif kind == "m":
            macs = self._number(at, 8).astype(np.int64)
            self._columns[name] = columns.macs(np.where(macs >> 48 == 0, macs, -1))
        elif kind == "a" and size == 4:
            lower = self._number(at, 4) | _UPPER_OF_V4
            self._columns[name] = columns.addresses(np.zeros(len(at), np.uint64), lower)
        elif kind == "a":
            # Two numbers of 64 bits, the upper one first, each in the machine's byte order.
            self._columns[name] = columns.addresses(self._number(at, 8), self._number(at + 8, 8))
        else:
            raw = self._wire.bytes[at[:, None] + np.arange(size)]
            self._columns[name] = pa.array([row.tobytes().hex() for row in raw], pa.string())

    def _number(self, at: Ints, size: int) -> Words:
        wire = self._wire
        if size == 8:
            return wire.u64(at)
        read = {1: wire.u8, 2: wire.u16, 4: wire.u32}[size]
        return read(at).astype(np.uint64)

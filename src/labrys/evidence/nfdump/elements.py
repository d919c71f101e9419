"""Flows as nfdump 1.7 keeps them: records made of elements, each behind its kind and size.

Of all records of a block the same step is taken at a time, so that none is looped over alone.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.netflow.values import FLAG_TEXTS
from labrys.evidence.nfdump import layout
from labrys.evidence.pcap import columns
from labrys.evidence.pcap.net_flow import PROTOCOL_NAMES
from labrys.evidence.pcap.packets import Bools, Ints, Wire, Words
from labrys.evidence.records import Records

SHAPE: Final = "netflow.flow"
HEADER: Final = 12
GENERIC: Final = 1
_MOST: Final = 64
"""Elements of a record that are looked at; nfdump knows 43 kinds."""
_V4: Final = np.uint64(0xFFFF << 32)


def places(wire: Wire, at: Ints) -> dict[int, Ints]:
    """Where the content of each known element begins in the records at `at`; -1: nowhere."""
    end = at + wire.u16(at + 2)
    count = np.minimum(wire.u16(at + 4), _MOST)
    found: dict[int, Ints] = {}
    place, active = at + HEADER, np.arange(len(at))
    for step in range(_MOST):
        active = active[(count[active] > step) & (place[active] + 4 <= end[active])]
        if not len(active):
            break
        kind, size = wire.u16(place[active]), wire.u16(place[active] + 2)
        fits = (size >= 4) & (place[active] + size <= end[active])
        active, kind, size = active[fits], kind[fits], size[fits]
        for one in np.unique(kind).tolist():
            least = layout.SIZES.get(one)
            if least is not None:
                mine = (kind == one) & (size >= least + 4)
                where = found.setdefault(one, np.full(len(at), -1, np.int64))
                where[active[mine]] = place[active[mine]] + 4
        place[active] += size
    return found


def keep(records: Records, wire: Wire, at: Ints, offsets: Ints) -> int:
    """Keep the records at these places; how many have no flow in them."""
    found = places(wire, at)
    generic = found.pop(GENERIC, np.full(len(at), -1, np.int64))
    has = generic >= 0
    if not has.any():
        return len(at)
    at, offsets = at[has], offsets[has]
    made, first = _generic(wire, generic[has])
    for kind, where in found.items():
        _element(made, wire, kind, where[has])
    exporter = wire.u16(at + 8)
    made["exporterId"] = columns.numbers(exporter, exporter == 0)
    kept = {name: column for name, column in made.items() if column.null_count < len(at)}
    times = columns.milliseconds(first * 1_000_000)
    records.add_columns(SHAPE, kept, times=times, offsets=offsets)
    return int((~has).sum())


def _generic(wire: Wire, at: Ints) -> tuple[dict[str, pa.Array], Ints]:
    """The element that every flow has, and when each began, in milliseconds."""
    first, last, received = (_milliseconds(wire, at + place) for place in (0, 8, 16))
    protocol, bits = wire.u8(at + 44), wire.u8(at + 45)
    made = {
        "flowStartMilliseconds": columns.seconds(first * 1_000_000, first == 0),
        "flowEndMilliseconds": columns.seconds(last * 1_000_000, last == 0),
        "duration": columns.seconds(np.maximum(last - first, 0) * 1_000_000),
        "received": columns.seconds(received * 1_000_000, received == 0),
        "packetDeltaCount": columns.numbers(wire.u64(at + 24)),
        "octetDeltaCount": columns.numbers(wire.u64(at + 32)),
        "sourceTransportPort": columns.numbers(wire.u16(at + 40)),
        "destinationTransportPort": columns.numbers(wire.u16(at + 42)),
        "protocolIdentifier": columns.numbers(protocol),
        "proto": columns.chosen(protocol, PROTOCOL_NAMES),
        "tcpControlBits": columns.numbers(bits),
        "tcp_flags": columns.chosen(bits, FLAG_TEXTS),
        "forwardingStatus": columns.numbers(wire.u8(at + 46)),
        "ipClassOfService": columns.numbers(wire.u8(at + 47)),
    }
    return made, first


def _milliseconds(wire: Wire, at: Ints) -> Ints:
    """A time; 0 where it is none that nanoseconds can say."""
    value = wire.u64(at)
    return np.where(value < np.uint64(layout.LATEST), value, np.uint64(0)).astype(np.int64)


def _element(made: dict[str, pa.Array], wire: Wire, kind: int, where: Ints) -> None:
    missing = where < 0
    at = np.maximum(where, 0)
    for name, form, size in layout.ELEMENTS[kind]:
        if name:
            made[name] = _field(wire, at, form, size, missing)
        at = at + size


def _field(wire: Wire, at: Ints, form: str, size: int, missing: Bools) -> pa.Array:
    if form == "n":
        return columns.numbers(_number(wire, at, size), missing)
    if form == "m":
        macs = _number(wire, at, 8).astype(np.int64)
        return columns.macs(np.where((macs >> 48 == 0) & (macs > 0) & ~missing, macs, -1))
    if form == "a":
        if size == 4:
            upper, lower = np.zeros(len(at), np.uint64), _number(wire, at, 4) | _V4
        else:
            upper, lower = wire.u64(at), wire.u64(at + 8)
        texts = columns.addresses(np.where(missing, np.uint64(0), upper), lower * ~missing)
        return pc.if_else(pa.array(missing), None, texts)
    raw = wire.bytes[at[:, None] + np.arange(size)]
    if form == "t":
        texts = [
            row.tobytes().partition(b"\0")[0].decode("utf-8", "backslashreplace") for row in raw
        ]
    else:
        texts = [row.tobytes().hex() for row in raw]
    return pa.array(texts, pa.string(), mask=missing)


def _number(wire: Wire, at: Ints, size: int) -> Words:
    if size == 8:
        return wire.u64(at)
    read = {1: wire.u8, 2: wire.u16, 4: wire.u32}[size]
    return read(at).astype(np.uint64)

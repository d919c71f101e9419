"""Finds the packets in a pcapng file (draft-ietf-opsawg-pcapng)."""

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, Final

import numpy as np

from labrys.evidence.pcap.packets import (
    LATEST_NS,
    MOST,
    MOST_HOLES,
    PAD,
    Bools,
    Ints,
    Packets,
    Wire,
)
from labrys.evidence.pcap.tally import Tally

MOST_BLOCK: Final = 16 << 20
"""The longest block that is kept whole; a longer one is stepped over."""
MOST_INTERFACES: Final = 1 << 16
_FIRST_WINDOW, _WINDOW = 1 << 12, 1 << 20
_SECTION: Final = 0x0A0D0D0A
_INTERFACE, _OLD, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_KINDS: Final = (_SECTION, _INTERFACE, _OLD, _SIMPLE, 4, 5, _ENHANCED)
_ORDERS: Final = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_LEAST: Final = {_SECTION: 28, _INTERFACE: 20, _OLD: 32, _SIMPLE: 16, _ENHANCED: 32}
_TSRESOL, _TSOFFSET = 9, 14


def is_capture(head: bytes) -> bool:
    """Whether a file that begins so is pcapng."""
    return head[:4] == b"\x0a\x0d\x0d\x0a" and head[8:12] in _ORDERS


def packets(stream: BinaryIO, tally: Tally, chunk: int) -> Iterator[Packets]:
    """Every packet of a pcapng file, a block of them at a time."""
    return _Reader(stream, tally, chunk).packets()


class _Interfaces:
    """What packets need of the interfaces of all sections: numbers of a section add to a base."""

    def __init__(self) -> None:
        self.link: list[int] = []
        self.snap: list[int] = []
        self.power: list[int] = []
        self.binary: list[bool] = []
        self.offset: list[int] = []

    def __len__(self) -> int:
        return len(self.link)

    def add(self, body: bytes, order: str) -> None:
        """One more, from the body of its block."""
        link, snap = Struct(f"{order}HxxI").unpack_from(body)
        resolution, offset = 6, 0
        at = 8
        option = Struct(f"{order}HH").unpack_from
        while at + 4 <= len(body):
            code, length = option(body, at)
            value = body[at + 4 : at + 4 + length]
            if code == 0:
                break
            if code == _TSRESOL and len(value) == 1:
                resolution = value[0]
            elif code == _TSOFFSET and len(value) == 8:
                (offset,) = Struct(f"{order}q").unpack(value)
            at += 4 + (length + 3 & ~3)
        self.link.append(link)
        self.snap.append(snap or 1 << 30)
        self.binary.append(resolution > 127)
        self.power.append(min(resolution & 127, 63 if resolution > 127 else 19))
        self.offset.append(max(min(offset, 1 << 33), -(1 << 33)))

    def nanoseconds(
        self, interface: Ints, ticks: "np.ndarray[tuple[int], np.dtype[np.uint64]]"
    ) -> Ints:
        """Times in the interfaces' own units as nanoseconds since 1970; -1 where out of range."""
        times = np.empty(len(ticks), np.int64)
        for one in np.unique(interface).tolist():
            at = np.flatnonzero(interface == one)
            unit = 1 << self.power[one] if self.binary[one] else 10 ** self.power[one]
            seconds, part = np.divmod(ticks[at], np.uint64(unit))
            if unit <= 1_000_000_000:
                part = part * np.uint64(1_000_000_000) // np.uint64(unit)
            else:
                part = (part.astype(np.float64) * (1e9 / unit)).astype(np.uint64)
            whole = np.minimum(seconds, np.uint64(1 << 34)).astype(np.int64) + self.offset[one]
            made = whole * 1_000_000_000 + part.astype(np.int64)
            times[at] = np.where((made >= 0) & (made < LATEST_NS), made, -1)
        return times


class _Reader:
    """A pcapng file: blocks of which some are packets."""

    def __init__(self, stream: BinaryIO, tally: Tally, chunk: int) -> None:
        self._stream, self._tally, self._chunk = stream, tally, chunk
        self._buffer, self._base, self._at = b"", 0, 0
        self._order = "<"
        self._holes = 0
        self._interfaces = _Interfaces()
        self._section = 0  # the number of its first interface
        self._count = 0
        self._last_time = -1

    def packets(self) -> Iterator[Packets]:
        """Its packets."""
        more = self._fill()
        while True:
            order = self._order
            starts, kinds, bases, stopped = self._walk()
            if len(starts):
                made = self._made(starts, kinds, bases, Wire(self._buffer, order))
                self._count += len(made)
                if len(made):
                    yield made
            if stopped or len(starts) >= MOST:
                if self._holes > MOST_HOLES:
                    reason = "too often broken: the rest was not read"
                    self._tally.note(reason, self._base + self._at)
                    return
                continue
            if not more:
                break
            more = self._fill()
        if self._at < len(self._buffer) - len(PAD):
            self._tally.note("the file ends inside a block", self._base + self._at)

    def _fill(self) -> bool:
        rest = self._buffer[self._at : len(self._buffer) - len(PAD)] if self._buffer else b""
        self._base += self._at
        self._at = 0
        more = self._stream.read(self._chunk)
        self._buffer = b"".join((rest, more, PAD))
        return bool(more)

    def _walk(self) -> tuple[Ints, Ints, Ints, bool]:
        """Where packets' blocks begin, of which kind, and the number of their section's first
        interface; last, whether to come back for more of this buffer.
        """
        buffer, end = self._buffer, len(self._buffer) - len(PAD)
        unpack = Struct(f"{self._order}II").unpack_from
        starts: list[int] = []
        others: list[tuple[int, int]] = []
        sections = [(0, self._section)]
        add = starts.append
        at, stopped = self._at, False
        while at + 12 <= end and len(starts) < MOST:
            kind, total = unpack(buffer, at)
            if kind == _SECTION:
                order = _ORDERS.get(buffer[at + 8 : at + 12])
                if order is not None and order != self._order:
                    self._order, stopped = order, True
                    self._holes += 1
                    break
            if total & 3 or total < _LEAST.get(kind, 12):
                at, stopped = self._resume(at, end), True
                break
            if at + total > end:
                if total > MOST_BLOCK:
                    at, stopped = self._resume(at, end), True
                break
            if kind == _ENHANCED:
                add(at)
            elif kind in (_SIMPLE, _OLD):
                others.append((len(starts), kind))
                add(at)
            elif kind == _SECTION:
                self._section = len(self._interfaces)
                sections.append((len(starts), self._section))
            elif kind == _INTERFACE:
                self._interface(buffer[at + 8 : at + total - 4], at)
            at += total
        self._at = at
        kinds = np.full(len(starts), _ENHANCED, np.int64)
        for place, kind in others:
            kinds[place] = kind
        where = np.array([place for place, _ in sections], np.int64)
        which = np.searchsorted(where, np.arange(len(starts)), side="right") - 1
        bases = np.array([base for _, base in sections], np.int64)[which]
        return np.array(starts, np.int64), kinds, bases, stopped

    def _interface(self, body: bytes, at: int) -> None:
        if len(self._interfaces) < MOST_INTERFACES:
            self._interfaces.add(body, self._order)
        else:
            self._tally.note("more interfaces than are kept", self._base + at)

    def _resume(self, at: int, end: int) -> int:
        """Where the next block begins after bytes that are none."""
        self._holes += 1
        self._tally.note("bytes between blocks that are no block", self._base + at)
        wire = Wire(self._buffer, self._order)
        begin, step = at + 1, _FIRST_WINDOW
        while begin < end - 12:
            until = min(begin + step, end - 11)
            kinds = wire.all_u32(begin, until)
            places = np.flatnonzero(np.isin(kinds, _KINDS)) + begin
            total = wire.u32(places + 4)
            inside = (total >= 12) & (total % 4 == 0) & (places + total <= end)
            places, total = places[inside], total[inside]
            same = wire.u32(places + total - 4) == total
            if same.any():
                return int(places[same.argmax()])
            begin, step = begin + step, min(step * 4, _WINDOW)
        self._holes += MOST_HOLES // 4  # nothing in all of a buffer: it will hardly get better
        return end

    def _made(self, starts: Ints, kinds: Ints, bases: Ints, wire: Wire) -> Packets:
        total = wire.u32(starts + 4)
        simple, old = kinds == _SIMPLE, kinds == _OLD
        # What other kinds keep elsewhere is read at a place that is surely inside.
        interface = np.where(old, wire.u16(starts + 8), wire.u32(starts + 8))
        interface = np.where(simple, 0, interface) + bases
        known = interface < len(self._interfaces)
        begin = np.where(simple, starts + 12, starts + 28)
        captured = wire.u32(starts + 20)
        length = np.where(simple, wire.u32(starts + 8), wire.u32(starts + 24))
        if not known.all():
            lost = int((~known).sum())
            where = int(starts[(~known).argmax()]) + self._base
            self._tally.note("packet of an interface that is not described", where, lost)
        interface = np.where(known, interface, 0)
        snap = np.array([*self._interfaces.snap, 1 << 30], np.int64)[interface]
        captured = np.where(simple, np.minimum(length, snap), captured)
        room = starts + total - 4 - begin
        wrong = known & (captured > room) & ~simple
        if wrong.any():
            where = int(starts[wrong.argmax()]) + self._base
            self._tally.note("packet longer than its block", where, int(wrong.sum()))
        captured = np.minimum(captured, room)
        ticks = (wire.u32(starts + 12).astype(np.uint64) << np.uint64(32)) | wire.u32(
            starts + 16
        ).astype(np.uint64)
        keep = np.flatnonzero(known)
        times = self._times(interface[keep], ticks[keep], simple[keep])
        links = np.array([*self._interfaces.link, 0], np.int64)[interface[keep]]
        begin, captured = begin[keep], captured[keep]
        return Packets(
            raw=self._buffer,
            start=begin,
            end=begin + captured,
            length=np.maximum(length[keep], captured),
            time=times,
            link=links,
            offset=starts[keep] + self._base,
            first=self._count,
        )

    def _times(
        self, interface: Ints, ticks: "np.ndarray[tuple[int], np.dtype[np.uint64]]", simple: Bools
    ) -> Ints:
        """Times of packets; one without has that of the packet before it."""
        times = self._interfaces.nanoseconds(interface, ticks)
        if simple.any():
            order = np.where(simple, -1, np.arange(len(times)))
            latest = np.maximum.accumulate(order)
            times = np.where(latest < 0, self._last_time, times[latest])
        if len(times):
            self._last_time = int(times[-1])
        return times

"""Finds the packets in a capture file of either kind (draft-ietf-opsawg-pcap, -pcapng).

Only the walk from one record to the next is a loop; all else is done for a block of them at once.
After bytes that make no sense, the next place is looked for where some do.
"""

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, Final

import numpy as np

from labrys.evidence.pcap import pcapng
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

CHUNK: Final = 16 << 20
MOST_BYTES: Final = 1 << 18
"""The longest packet: what libpcap takes for the largest `snaplen`."""

_MAGICS: Final = {
    b"\xa1\xb2\xc3\xd4": (">", 1_000, 16),
    b"\xd4\xc3\xb2\xa1": ("<", 1_000, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1, 16),
    b"\xa1\xb2\xcd\x34": (">", 1_000, 24),
    b"\x34\xcd\xb2\xa1": ("<", 1_000, 24),
}
"""What a file begins with → byte order, nanoseconds of its fractions, length of record headers."""
_HEADER: Final = 24
_NEAR: Final = 2 * 86_400
"""How many seconds the clock may jump over a hole in the file."""
_WINDOW: Final = 1 << 20
_FIRST_WINDOW: Final = 1 << 12


def is_capture(head: bytes) -> bool:
    """Whether a file that begins so is a capture."""
    return (head[:4] in _MAGICS and len(head) >= _HEADER) or pcapng.is_capture(head)


def packets(stream: BinaryIO, tally: Tally, chunk: int = CHUNK) -> Iterator[Packets]:
    """Every packet of a capture, a block at a time; what is no packet is noted in `tally`."""
    head = stream.read(_HEADER)
    stream.seek(0)
    if pcapng.is_capture(head):
        return pcapng.packets(stream, tally, chunk)
    return _Classic(stream, tally, chunk).packets()


class _Classic:
    """A pcap file: one header, then records."""

    def __init__(self, stream: BinaryIO, tally: Tally, chunk: int) -> None:
        self._stream, self._tally, self._chunk = stream, tally, chunk
        self._buffer, self._base, self._at = b"", 0, 0
        self._order, self._unit, self._record = "<", 1_000, 16
        self._link = 0
        self._headers: list[int] = []
        self._clock: int | None = None
        self._count = self._holes = 0

    def packets(self) -> Iterator[Packets]:
        """Its packets."""
        more = self._fill()
        self._header()
        while True:
            made = self._block(last=not more)
            if made is not None:
                self._count += len(made)
                yield made
            elif more and self._holes <= MOST_HOLES:
                more = self._fill()
            else:
                break
        if self._holes <= MOST_HOLES and self._at < len(self._buffer) - len(PAD):
            self._tally.note("the file ends inside a packet", self._base + self._at)

    def _fill(self) -> bool:
        rest = self._buffer[self._at : len(self._buffer) - len(PAD)] if self._buffer else b""
        self._base += self._at
        self._at = 0
        more = self._stream.read(self._chunk)
        self._buffer = b"".join((rest, more, PAD))
        return bool(more)

    def _header(self) -> None:
        head = self._buffer[self._at : self._at + _HEADER]
        self._order, self._unit, self._record = _MAGICS[head[:4]]
        (network,) = Struct(f"{self._order}20xI").unpack(head)
        self._link = network & 0xFFFF
        number = Struct(f"{self._order}I").unpack
        self._headers = [number(magic)[0] for magic in _MAGICS]
        self._clock = None
        self._at += _HEADER

    def _block(self, *, last: bool) -> Packets | None:
        """The packets from here on that are whole in the buffer; None where there is none."""
        while True:
            begin = self._at
            starts, end = self._walk()
            if not len(starts):
                return None
            wire = Wire(self._buffer, self._order)
            seconds, captured = wire.u32(starts), wire.u32(starts + 8)
            wrong = self._wrong(starts, seconds, captured, wire)
            if wrong.any():
                first = int(wrong.argmax())
                begin = int(starts[first])
                starts, seconds, captured = starts[:first], seconds[:first], captured[:first]
                self._at = begin
            else:
                self._at = end
            made = self._made(starts, seconds, captured, wire) if len(starts) else None
            if wrong.any() and not self._skip(begin, last=last) and made is None:
                return None
            if made is not None:
                return made

    def _walk(self) -> tuple[Ints, int]:
        """Where records begin, and where the one after them does."""
        length = Struct(f"{self._order}I").unpack_from
        buffer, at, header = self._buffer, self._at, self._record
        end = len(buffer) - len(PAD)
        starts: list[int] = []
        add = starts.append
        while at + header <= end and len(starts) < MOST:
            after = at + header + length(buffer, at + 8)[0]
            if after > end:
                # Too long for what is here: either more is to be read, or it is no length.
                if after - at > MOST_BYTES + header:
                    add(at)
                break
            add(at)
            at = after
        return np.array(starts, np.int64), at

    def _wrong(self, starts: Ints, seconds: Ints, captured: Ints, wire: Wire) -> Bools:
        """Which records are none."""
        zeros = (seconds == 0) & (captured == 0) & (wire.u32(starts + 12) == 0)
        made: Bools = (captured > MOST_BYTES) | zeros | np.isin(seconds, self._headers)
        return made

    def _made(self, starts: Ints, seconds: Ints, captured: Ints, wire: Wire) -> Packets:
        self._clock = int(seconds[-1])
        begin = starts + self._record
        times = seconds * 1_000_000_000 + wire.u32(starts + 4) * self._unit
        return Packets(
            raw=self._buffer,
            start=begin,
            end=begin + captured,
            length=np.maximum(wire.u32(starts + 12), captured),
            time=np.where(times < LATEST_NS, times, -1),
            link=np.full(len(starts), self._link, np.int64),
            offset=starts + self._base,
            first=self._count,
        )

    def _skip(self, at: int, *, last: bool) -> bool:
        """Go on behind what is no record; False where nothing more is to be found in the buffer."""
        self._holes += 1
        if self._holes > MOST_HOLES:
            self._tally.note("too often broken: the rest was not read", self._base + at)
            self._at = len(self._buffer) - len(PAD)
            return False
        if self._buffer[at : at + 4] in _MAGICS and at + _HEADER <= len(self._buffer) - len(PAD):
            self._at = at
            self._header()  # captures one after the other
            return True
        self._tally.note("bytes between packets that are no packet", self._base + at)
        end = len(self._buffer) - len(PAD)
        at, window = at + 1, _FIRST_WINDOW
        while at < end:
            found = self._plausible(at, min(at + window, end), last=last)
            if found is not None:
                self._at = found
                return True
            at, window = at + window, min(window * 4, _WINDOW)
        self._holes += MOST_HOLES // 4  # nothing in all of a buffer: it will hardly get better
        self._at = end
        return False

    def _plausible(self, begin: int, end: int, *, last: bool) -> int | None:
        """Where in a part of the buffer a record begins, to all appearances."""
        wire = Wire(self._buffer, self._order)
        limit = len(self._buffer) - len(PAD) - self._record
        at = np.arange(begin, max(min(end, limit + 1), begin))
        first = at[self._like(at, wire)]
        after = first + self._record + wire.u32(first + 8)
        inside = after <= limit
        good = np.zeros(len(first), np.bool_)
        good[inside] = self._like(after[inside], wire)
        good |= last & (after == limit + self._record)
        return int(first[good.argmax()]) if good.any() else None

    def _like(self, at: Ints, wire: Wire) -> Bools:
        seconds, captured, length = wire.u32(at), wire.u32(at + 8), wire.u32(at + 12)
        clock = self._clock
        near = seconds > 0 if clock is None else np.abs(seconds - clock) < _NEAR
        fits = (captured > 0) & (captured <= length) & (length <= MOST_BYTES)
        most = 1_000_000_000 // self._unit
        made: Bools = near & fits & (wire.u32(at + 4) < most)
        return made

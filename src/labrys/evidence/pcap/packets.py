"""A block of captured packets as columns, and how numbers are taken out of their bytes."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

MOST: Final = 1 << 17
"""Packets in a block, at most."""
MOST_HOLES: Final = 1_000
"""Places in a file where what is no packet is stepped over; past that it is given up."""
PAD: Final = bytes(64)
"""Follows the bytes of every block, so that a fixed number of them can be taken at any packet."""
LATEST_NS: Final = (1 << 33) * 1_000_000_000
"""Seconds beyond 33 bits (year 2242) are garbage."""


@dataclass(frozen=True, slots=True)
class Packets:
    """Packets that lie in `raw`; every array has one number for each, in the file's order.

    `start` and `end` are where the captured bytes lie in `raw`, `length` the bytes on the wire,
    `time` nanoseconds since 1970 (-1: unknown), `link` the link type, `offset` where the record
    begins in the file, `first` the running number of the first packet.
    """

    raw: bytes
    start: Ints
    end: Ints
    length: Ints
    time: Ints
    link: Ints
    offset: Ints
    first: int

    def __len__(self) -> int:
        return len(self.start)


class Wire:
    """Unsigned numbers at any offset of a buffer, for many offsets at a time."""

    def __init__(self, raw: bytes, order: str = ">") -> None:
        self._raw, self._order = raw, order
        self.bytes: Bytes = np.frombuffer(raw, np.uint8)
        self._views: dict[int, npt.NDArray[np.unsignedinteger]] = {}

    def _view(self, size: int) -> "npt.NDArray[np.unsignedinteger]":
        if size not in self._views:
            count = max(len(self._raw) - size + 1, 0)
            kind = np.dtype(f"{self._order}u{size}")
            self._views[size] = np.ndarray((count,), kind, self._raw, 0, (1,))
        return self._views[size]

    def u8(self, at: Ints) -> Ints:
        """One byte each."""
        return self.bytes[at].astype(np.int64)

    def u16(self, at: Ints) -> Ints:
        """Two bytes each."""
        return self._view(2)[at].astype(np.int64)

    def u32(self, at: Ints) -> Ints:
        """Four bytes each."""
        return self._view(4)[at].astype(np.int64)

    def u64(self, at: Ints) -> Words:
        """Eight bytes each."""
        return self._view(8)[at].astype(np.uint64)

    def all_u32(self, begin: int, end: int) -> Ints:
        """The numbers of four bytes at every offset from `begin` up to `end`."""
        return self._view(4)[begin:end].astype(np.int64)

"""How far unpacking may go, and the account that is kept of it while it runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

CHUNK: Final = 1 << 20
"""Bytes handled at a time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one file given by the user may unpack to.

    A stream, or everything in one file together, that has grown beyond `ratio_from` bytes may not
    be more than `max_ratio` times what it was unpacked from: logs compress some 10 to 200 times,
    bombs a thousand times and more.
    """

    max_depth: int = 5
    max_member_bytes: int = 64 << 30
    max_total_bytes: int = 512 << 30
    max_ratio: int = 1_000
    ratio_from: int = 100 << 20
    max_members: int = 1_000_000
    max_directory_bytes: int = 128 << 20
    max_dictionary_bytes: int = 1 << 30
    min_free_disk_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read: `name` as in `Source`, `offset` bytes into it, and why."""

    name: str
    offset: int
    reason: str


class Chunk(NamedTuple):
    """Some unpacked bytes, and how many packed ones have been used up for its stream so far."""

    data: bytes
    consumed: int


class Broken(Exception):
    """The rest of a stream cannot be read; `rest` is what could still be had of it."""

    def __init__(self, reason: str, rest: bytes = b"") -> None:
        super().__init__(reason)
        self.reason = reason
        self.rest = rest


class Stop(Exception):
    """A limit is reached, or the disk is full: nothing more of this file is unpacked."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside an archive; `modified` in epoch milliseconds."""

    name: str
    modified: int | None
    chunks: Iterator[Chunk]


class Account:
    """What has been unpacked from one file of the user's so far, held against the limits."""

    def __init__(self, limits: Limits, packed: int) -> None:
        self.limits = limits
        self._packed = max(packed, 1)
        self._members = 0
        self._written = 0

    def member(self) -> None:
        """Count one more file; raises `Stop` when there are too many."""
        self._members += 1
        if self._members > self.limits.max_members:
            raise Stop(f"holds more than {self.limits.max_members} files; the rest is not read")

    def chunk(self, length: int, written: int, consumed: int) -> None:
        """Count `length` bytes of a stream that has so far made `written` of `consumed` bytes.

        Raises `Broken` when that stream is too large, `Stop` when everything together is.
        """
        limits = self.limits
        self._written += length
        if self._written > limits.max_total_bytes:
            raise Stop(f"unpacks to more than {limits.max_total_bytes} bytes in all")
        if self._too_dense(self._written, self._packed):
            raise Stop(f"unpacks to more than {limits.max_ratio} times its size: a bomb")
        if written > limits.max_member_bytes:
            raise Broken(f"unpacks to more than {limits.max_member_bytes} bytes")
        if self._too_dense(written, consumed):
            raise Broken(f"unpacks to more than {limits.max_ratio} times its size: a bomb")

    def _too_dense(self, written: int, packed: int) -> bool:
        return written > self.limits.ratio_from and written > packed * self.limits.max_ratio

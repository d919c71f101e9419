"""A conversation of one flow: who speaks, and the first bytes each side has said, in order."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from labrys.evidence.records import Records

FIXED: Final = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto")
"""The columns that every protocol record begins with."""
MOST_KEPT: Final = 16 << 10
"""Bytes kept of each side."""
WRAP: Final = 1 << 32


class Piece(NamedTuple):
    """The payload of one packet."""

    sequence: int
    data: bytes
    time: int  # nanoseconds
    offset: int  # of the packet in the file
    number: int  # of the packet


class Stream:
    """What one side said: pieces in any order, twice or with holes."""

    __slots__ = ("_text", "pieces", "size")

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.size = 0
        self._text: bytes | None = None

    def add(self, piece: Piece) -> None:
        """Keep a piece, unless there is enough."""
        if self.size < MOST_KEPT:
            self.pieces.append(piece)
            self.size += len(piece.data)
            self._text = None

    def ordered(self) -> Iterator[tuple[int, Piece]]:
        """The pieces by their place in the stream, which counts from the first of them."""
        if not self.pieces:
            return
        base = self.pieces[0].sequence
        half = WRAP >> 1
        placed = [((one.sequence - base + half) % WRAP - half, one) for one in self.pieces]
        placed.sort(key=lambda each: each[0])
        yield from placed

    def text(self) -> bytes:
        """What was said from the beginning to the first hole."""
        if self._text is None:
            self._text = self._assembled()
        return self._text

    def _assembled(self) -> bytes:
        if len(self.pieces) == 1:
            return self.pieces[0].data
        parts: list[bytes] = []
        at: int | None = None
        for place, piece in self.ordered():
            at = place if at is None else at
            if place > at:
                break
            if place + len(piece.data) > at:
                parts.append(piece.data[at - place :])
                at = place + len(piece.data)
        return b"".join(parts)

    def forget(self) -> None:
        """Let go of all pieces."""
        self.pieces, self.size, self._text = [], 0, b""


class Talk:
    """One flow's conversation. `ends` are the fixed columns but the time; `state` is the protocol's."""

    __slots__ = ("asked", "done", "ends", "kept", "said", "service", "state")

    def __init__(self, service: int, ends: tuple[str, str, str, str, str, str]) -> None:
        self.service = service
        self.ends = ends
        self.asked, self.said = Stream(), Stream()  # the originator's and the responder's
        self.done = False
        self.state: Any = None
        self.kept = 0

    def first(self) -> Piece | None:
        """The first packet of either side."""
        sides = [side.pieces[0] for side in (self.asked, self.said) if side.pieces]
        return min(sides, key=lambda piece: piece.number) if sides else None

    def finish(self) -> None:
        """There is nothing more to learn from this conversation."""
        self.done = True
        self.state = None
        self.asked.forget()
        self.said.forget()

    def weight(self) -> int:
        """About how many bytes are kept for it."""
        return self.asked.size + self.said.size + getattr(self.state, "weight", 0)


def emit(records: Records, talk: Talk, shape: str, fields: dict[str, Any], at: Piece) -> None:
    """Keep a record of what was said in a conversation."""
    records.add(
        shape,
        fields,
        time=at.time // 1_000_000 or None,
        offset=at.offset,
        fixed=(stamp(at.time), *talk.ends),
    )


def stamp(nanoseconds: int) -> str | None:
    """A time as Zeek writes it; None where it is not known."""
    if nanoseconds <= 0:
        return None
    whole, part = divmod(nanoseconds // 1_000, 1_000_000)
    return f"{whole}.{part:06d}"


def printable(data: bytes) -> str:
    """Bytes that should be text, with what is not shown in hex."""
    text = data.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)

"""Follows protocols in which two sides talk in turns, message by message, over TCP."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from labrys.evidence.pcap.services import SSL
from labrys.evidence.pcap.talk import WRAP, Piece, Talk
from labrys.evidence.records import Records

MOST_LINE: Final = 4_096
_MOST_EARLY: Final = 16
"""Packets that wait for one that is missing; then it is lost."""
_TLS: Final = (b"\x16\x03\x00", b"\x16\x03\x01", b"\x16\x03\x03")
_UNKNOWN: Final = Piece(0, b"", 0, 0, 0)


class InOrder:
    """What one side says, as it should be heard: `buffer` holds what was not yet taken from it.

    `last` is the packet that came last, without its bytes; `lost` is set where some are missing.
    """

    __slots__ = ("_early", "_next", "buffer", "last", "lost")

    def __init__(self) -> None:
        self.buffer = b""
        self.last = _UNKNOWN
        self.lost = False
        self._early: list[Piece] = []
        self._next: int | None = None

    def add(self, piece: Piece) -> None:
        """Put a packet in its place."""
        self.last = piece._replace(data=b"")
        if self._next is None:
            self._next = piece.sequence
        ahead = self._ahead(piece)
        if ahead > 0:
            self._early.append(piece)
            if len(self._early) > _MOST_EARLY:
                self.skip()
            return
        self._append(piece, -ahead)
        while self._early:
            ready = [one for one in self._early if self._ahead(one) <= 0]
            if not ready:
                return
            self._early.remove(ready[0])
            self._append(ready[0], -self._ahead(ready[0]))

    def skip(self) -> None:
        """Give up what is missing, and take what came after it."""
        for piece in sorted(self._early, key=self._ahead):
            if self._ahead(piece) > 0:
                self.lost = True
                self._next = piece.sequence
            self._append(piece, -self._ahead(piece))
        self._early = []

    def line(self) -> bytes | None:
        """Take the next whole line, without its end; of one that is too long what there is."""
        at = self.buffer.find(b"\n", 0, MOST_LINE)
        if at < 0:
            return self.take(MOST_LINE) if len(self.buffer) > MOST_LINE else None
        return self.take(at + 1).rstrip(b"\r\n")

    def take(self, size: int) -> bytes:
        """Take so many bytes, or what there is."""
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    @property
    def weight(self) -> int:
        """About how many bytes are kept."""
        return len(self.buffer) + sum(len(piece.data) + 100 for piece in self._early)

    def _ahead(self, piece: Piece) -> int:
        half = WRAP >> 1
        return (piece.sequence - (self._next or 0) + half) % WRAP - half

    def _append(self, piece: Piece, known: int) -> None:
        if known < len(piece.data):
            self.buffer += piece.data[known:]
            self._next = (piece.sequence + len(piece.data)) % WRAP


class Session(ABC):
    """A dialogue; each protocol says what is `heard` and what is left to say when it is `over`."""

    __slots__ = ("asked", "said")

    def __init__(self) -> None:
        self.asked, self.said = InOrder(), InOrder()

    @abstractmethod
    def heard(self, talk: Talk, records: Records, reply: bool) -> None:
        """One side said more; with `reply` the responder."""

    def over(self, talk: Talk, records: Records) -> None:  # noqa: B027 (some have nothing left)
        """There will be no more of it."""

    @property
    def plain(self) -> bool:
        """Whether a handshake of TLS may begin now: nothing is under way that may hold any bytes."""
        return True

    @property
    def weight(self) -> int:
        """About how many bytes are kept."""
        return 500 + self.asked.weight + self.said.weight


def packets(begin: Callable[[], Session]) -> Callable[[Talk, Records, Piece, bool], None]:
    """What takes the packets of a protocol whose dialogues `begin` makes."""

    def take(talk: Talk, records: Records, piece: Piece, reply: bool) -> None:
        session: Session = talk.state or begin()
        if not reply and session.plain and piece.data.startswith(_TLS):
            step(talk, records, True)  # what was agreed on: the rest is a handshake
            talk.service, talk.state = SSL, None
            talk.asked.add(piece)
            return
        talk.state = session
        side = session.said if reply else session.asked
        side.add(piece)
        session.heard(talk, records, reply)

    return take


def step(talk: Talk, records: Records, final: bool) -> None:
    """Nothing, until a dialogue is over."""
    if not final or talk.state is None:
        return
    session: Session = talk.state
    for side, reply in ((session.asked, False), (session.said, True)):
        side.skip()
        session.heard(talk, records, reply)
        if talk.state is not session:
            return
    session.over(talk, records)

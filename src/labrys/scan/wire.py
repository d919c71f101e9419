"""What a reading process tells its parent, as plain msgpack on a pipe.

Never pickled: whoever takes over a reader through evidence could then run code in the parent.
"""

from typing import Any, Final

import msgspec


class Opening(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The worker looks into a file for what to offer next: should it die now, that is why."""

    file: str


class Offer(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The worker asks: shall I read this? Answered by how many batches to skip, or None for no.

    `begin`: so many of its bytes were read before, as the content of digest `same`.
    """

    file: str
    name: str
    digest: str
    size: int
    format: str
    version: int
    begin: int = 0
    same: str = ""


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """How far one source has been read: `batches` handed out by its reader so far."""

    name: str
    digest: str
    batches: int
    rows: int
    unparsed: int
    done: bool
    reason: str = ""  # the first unparsed record's reason, with its offset
    offset: int = -1


class Grown(msgspec.Struct, frozen=True, array_like=True):
    """A piece of a growing file has been read, up to `end`, of which `number` records come before.

    `link`, `head`, `format`: what the next piece needs (`evidence.growth.Piece`). `digest` says
    which content the file has up to there. `unparsed` records are in the piece itself.
    """

    name: str
    end: int
    number: int
    link: bytes
    head: tuple[int, int]
    digest: str
    format: str
    version: int
    unparsed: int
    reason: str = ""
    offset: int = -1


class Whole(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """This file cannot be read in pieces: it has to be read when it is complete."""

    name: str


class Round(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Batches by shape (Arrow IPC streams) and how far their sources are once these are kept.

    `finished` names the top-level files in which everything has been offered by now.
    """

    batches: tuple[bytes, ...]
    shapes: tuple[str, ...]
    progress: tuple[Progress, ...]
    finished: tuple[str, ...]
    grown: tuple[Grown, ...] = ()


class Beat(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A sign of life: what is being read, and how much of it."""

    name: str
    rows: int


class Unread(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Something that could not be read (`evidence.unpack.limits.Problem`)."""

    name: str
    offset: int
    reason: str


class Idle(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The task is done."""


Message = Opening | Offer | Round | Beat | Unread | Whole | Idle

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """A message as bytes."""
    return _ENCODER.encode(message)


def decode(data: bytes) -> Message:
    """The message that bytes stand for; raises `msgspec.DecodeError` where they stand for none."""
    made: Any = _DECODER.decode(data)
    return made  # type: ignore[no-any-return]

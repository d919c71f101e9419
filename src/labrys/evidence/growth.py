"""Reads evidence while it grows: a piece of a file gives the same records as the file as a whole.

A record of a file that grows is named by what comes before it, not by the whole, which nobody knows
yet: `_id` is a digest of the content up to the record's block and the record's place. So reading a
file in pieces, at once, again when it is longer, or as a copy, gives every record the same name.
Two files share a name only where they are the same up to there.

The digest is a chain over blocks: SHA-256 of the digest before and the block. In the first block,
where files of one kind look alike, it goes on to the end of the record's own line.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from labrys.evidence.records import Shaped, Source
from labrys.evidence.registry import Format

CHAIN: Final = "lines:"
"""What digests that are of a chain begin with."""
MOST: Final = 8 << 20
"""A piece has at most so many bytes."""
_FIRST: Final = 1 << 10
_FINE: Final = 256
"""So many blocks of `_FIRST` bytes; those after them are of `_COARSE`."""
_COARSE: Final = 64 << 10
_BEGUN: Final = _FIRST * _FINE
_LINE: Final = 1 << 20
_HEAD: Final = 4 << 10
_NAME: Final = 20
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
_NOBODY: Final = "0" * 64
_NOWHERE: Final = Path()

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Known:
    """A content that was read before: its bytes, digest (SHA-256, or `Links.upto`), records."""

    size: int
    digest: str
    rows: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What to read of a file: from `start`, of which `number` records come before, to `end`.

    `link` is the chain's digest where the block of `start` begins (empty: to be computed); `head`
    where header lines are that replaced those the file begins with; `format` is empty while it is
    not known.
    `last`: nothing follows soon, so that records end where lines do (`line`); nothing follows at
    all, so that the last line ends where the file does (`end`).
    `known` are contents that were read before, of which one may be the beginning of this file.
    """

    start: int
    end: int
    number: int = 0
    link: bytes = b""
    head: tuple[int, int] = (0, 0)
    format: str = ""
    last: str = ""
    known: tuple["Known", ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A piece as a source: what the reader is shown, and where its bytes are in the file."""

    source: Source
    start: int
    end: int
    shown_before: int
    head: tuple[int, int] | None = None
    """Where in the file header lines are that replace those seen before."""

    def place(self, offsets: Ints) -> Ints:
        """Offsets in what the reader was shown as offsets in the file; below 0 before the piece."""
        made: Ints = np.where(
            offsets < self.shown_before, -1, offsets - self.shown_before + self.start
        )
        return made


@dataclass(frozen=True)
class _Shown(Source):
    """A source in memory."""

    data: bytes = b""

    def open(self) -> BinaryIO:
        """The content from its first byte."""
        return BytesIO(self.data)


def grows(chosen: Format, head: bytes) -> bool:
    """Whether a file that begins with `head` can be read in pieces: line by line."""
    if not chosen.grows or head.startswith(_WIDE) or b"\0" in head[:_HEAD]:
        return False
    if chosen.grows != "objects":
        return True
    first, newline, _ = head.lstrip(b"\xef\xbb\xbf \t\r\n\x1e").partition(b"\n")
    try:
        return bool(newline) and isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False


def part(stream: BinaryIO, name: str, chosen: Format, piece: Piece, modified: int) -> Part | None:
    """The whole records of a piece, or None where there is not one yet.

    `stream` is the file, which can be sought; `modified` its last change in epoch milliseconds.
    """
    stream.seek(piece.start)
    data = stream.read(min(MOST, piece.end - piece.start))
    size = chosen.whole(data)
    if piece.last and piece.start + len(data) >= piece.end:
        size = len(data) if piece.last == "end" else data.rfind(b"\n") + 1
    if not size:
        if len(data) < MOST:
            return None
        size = len(data)  # a line longer than any reader keeps
    shown = _shown_before(stream, chosen, piece)
    whole = shown + data[:size]
    source = _Shown(_NOWHERE, name, _NOBODY, len(whole), modified, data=whole)
    head = later_head(data[:size], piece.start) if chosen.replays == "head" else None
    return Part(source, piece.start, piece.start + size, len(shown), head)


def _shown_before(stream: BinaryIO, chosen: Format, piece: Piece) -> bytes:
    if chosen.replays == "head" and piece.start:
        stream.seek(piece.head[0])
        if piece.head[1]:
            return stream.read(piece.head[1] - piece.head[0])
        first = stream.read(min(_LINE, piece.start))
        return first[: head_lines(first)]
    if chosen.replays == "last" and piece.start:
        begin = max(0, piece.start - _HEAD)
        stream.seek(begin)
        before = stream.read(piece.start - begin)
        return before.partition(b"\n")[2] if begin else before
    return b""


def head_lines(data: bytes) -> int:
    """How many of a file's first bytes are lines that a reader of a later piece must see.

    All lines that begin with `#`, and as many more as there is room for.
    """
    cut = data[:_HEAD].rfind(b"\n") + 1 or data.find(b"\n") + 1
    while data[cut : cut + 1] == b"#" and (following := data.find(b"\n", cut) + 1):
        cut = following
    return cut


def later_head(data: bytes, start: int) -> tuple[int, int] | None:
    """Where in a piece (which begins at `start`) the last block of header lines is, if any."""
    at = max(data.rfind(b"\n#fields"), data.rfind(b"\n#Fields"))
    if at < 0:
        return None
    begin = at + 1
    while begin > 1 and (before := data.rfind(b"\n", 0, begin - 1) + 1) < begin:
        if data[before : before + 1] != b"#":
            break
        begin = before
    end = at + 1
    while data[end : end + 1] == b"#" and (following := data.find(b"\n", end) + 1):
        end = following
    return start + begin, start + end


def batches(part: Part, chosen: Format, links: "Links", number: int) -> Iterator[Shaped]:
    """The records of a part, named; `number` records come before them. Holds all of them."""
    made = [(shape, _placed(batch, part)) for shape, batch in chosen.read(part.source)]
    mine = [(shape, batch) for shape, batch in made if batch.num_rows]
    numbers = [_numbers(batch) for _, batch in mine]
    order = np.sort(np.concatenate(numbers)) if numbers else np.empty(0, np.int64)
    for (shape, batch), own in zip(mine, numbers, strict=True):
        yield shape, links.named(batch, chosen, np.searchsorted(order, own) + number)


def named(found: Iterable[Shaped], chosen: Format, links: "Links") -> Iterator[Shaped]:
    """The records of a whole file that could also have been read in pieces, named alike."""
    for shape, batch in found:
        yield shape, links.named(batch, chosen, _numbers(batch))


def after(begin: int, found: Iterable[Shaped]) -> Iterator[Shaped]:
    """Only the records that begin at `begin` or later."""
    for shape, batch in found:
        mine = _ints(batch, "_offset") >= begin if begin else None
        if mine is None or mine.all():
            yield shape, batch
        else:  # also where it is empty now: a reader's batches are counted
            yield shape, batch.filter(pa.array(mine))


def begun(stream: BinaryIO, links: "Links", size: int, known: Iterable[Known]) -> Known | None:
    """The longest of the known contents with which a file of `size` bytes begins, if any."""
    for one in sorted(known, key=lambda each: -each.size):
        if 0 < one.size <= size and _digest_of(stream, links, one) == one.digest:
            return one
    return None


def _digest_of(stream: BinaryIO, links: "Links", one: Known) -> str:
    if one.digest.startswith(CHAIN):
        return links.upto(one.size)
    stream.seek(0)
    digest, left = sha256(), one.size
    while left and (data := stream.read(min(left, 1 << 20))):
        digest.update(data)
        left -= len(data)
    return digest.hexdigest()


class Links:
    """The chain over a file's blocks, made as far as it is asked for; the file must not shrink."""

    def __init__(self, stream: BinaryIO, start: int = 0, link: bytes = b"") -> None:
        self._stream = stream
        self._begin = _block(start) if link else 0
        self._known = [link if link and self._begin else sha256(b"").digest()]

    def at(self, place: int) -> bytes:
        """The digest where the block of a place begins."""
        self._reach(_block(place))
        return self._known[_block(place) - self._begin]

    def upto(self, end: int) -> str:
        """What identifies the content from the beginning to `end`."""
        begin = _begin(_block(end))
        return f"{CHAIN}{self.at(end).hex()}{self._digest(self.at(end), begin, end).hex()[:_NAME]}"

    def named(self, batch: pa.RecordBatch, chosen: Format, numbers: Ints) -> pa.RecordBatch:
        """The batch with `_id` as the module says."""
        offsets = np.maximum(_ints(batch, "_offset"), 0)
        places = numbers if chosen.grows == "objects" else offsets
        text = pc.cast(pa.array(places), pa.string())
        made = pc.binary_join_element_wise(self._names(offsets), text, "-")
        return batch.set_column(batch.schema.get_field_index("_id"), "_id", made)

    def _names(self, offsets: Ints) -> pa.Array:
        early = offsets < _FIRST
        units = np.where(early, offsets, _blocks(offsets) + _FIRST)
        distinct, inverse = np.unique(units, return_inverse=True)
        texts = [
            self._own(unit) if unit < _FIRST else self.at(_begin(unit - _FIRST)).hex()
            for unit in distinct.tolist()
        ]
        return pa.array([text[:_NAME] for text in texts], pa.string()).take(pa.array(inverse))

    def _own(self, offset: int) -> str:
        """The digest of everything up to the end of the line at an offset in the first block."""
        self._stream.seek(offset)
        line = self._stream.readline(_LINE)
        return self._digest(sha256(b"").digest(), 0, offset + len(line)).hex()

    def _reach(self, block: int) -> None:
        while len(self._known) <= block - self._begin:
            number = self._begin + len(self._known) - 1
            begin, end = _begin(number), _begin(number + 1)
            self._known.append(self._digest(self._known[-1], begin, end))

    def _digest(self, before: bytes, begin: int, end: int) -> bytes:
        self._stream.seek(begin)
        return sha256(before + self._stream.read(end - begin)).digest()


def _block(place: int) -> int:
    return place // _FIRST if place < _BEGUN else _FINE + (place - _BEGUN) // _COARSE


def _blocks(places: Ints) -> Ints:
    made: Ints = np.where(places < _BEGUN, places // _FIRST, _FINE + (places - _BEGUN) // _COARSE)
    return made


def _begin(block: int) -> int:
    return block * _FIRST if block < _FINE else _BEGUN + (block - _FINE) * _COARSE


def _placed(batch: pa.RecordBatch, part: Part) -> pa.RecordBatch:
    """Only what the piece itself holds, with offsets in the file."""
    places = part.place(_ints(batch, "_offset"))
    at = batch.schema.get_field_index("_offset")
    batch = batch.set_column(at, "_offset", pa.array(places))
    return batch if (places >= 0).all() else batch.filter(pa.array(places >= 0))


def _numbers(batch: pa.RecordBatch) -> Ints:
    """The running numbers that a reader's `_id` ends in."""
    text = pc.utf8_slice_codeunits(batch.column("_id"), _NAME + 1)
    return np.asarray(pc.cast(text, pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _ints(batch: pa.RecordBatch, name: str) -> Ints:
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), np.int64)

"""The reading process: opens files, parses them and sends batches, within hard limits.

It talks to its parent over one pipe (`wire`). What it has not yet sent as a `Round` did not happen, so it may be killed at any instant.
"""

import os
import resource
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa

from labrys.evidence import growth, unread
from labrys.evidence.growth import Known, Links, Piece
from labrys.evidence.records import UNPARSED, Shaped, Source
from labrys.evidence.registry import SNIFF_BYTES, Format, choose, enclosed, formats
from labrys.evidence.unpack.archive import Enclosed, discard, open_sources
from labrys.evidence.unpack.limits import Account, Limits, Problem
from labrys.scan.coalesce import Coalescer
from labrys.scan.wire import (
    Beat,
    Grown,
    Idle,
    Message,
    Offer,
    Opening,
    Progress,
    Round,
    Unread,
    Whole,
    encode,
)

_ROUND_ROWS: Final = 40_000
_ROUND_BYTES: Final = 24 << 20
_BEAT_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Task:
    """Files to read in one go; `skip` names sources that broke a reader before.

    Of the files named in `pieces` only that piece is read; what a file has in common with one of
    the contents `known` is not read again.
    """

    files: tuple[tuple[str, str], ...]  # path, name as the user gave it
    skip: frozenset[str] = frozenset()
    pieces: Mapping[str, Piece] = field(default_factory=dict)
    known: tuple[Known, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a worker unpacks to, how far, and how many bytes of memory it may use."""

    spool: Path
    limits: Limits
    memory: int


@dataclass(slots=True)
class _State:
    pipe: Connection
    bounds: Bounds
    gathered: Coalescer = field(default_factory=Coalescer)
    progress: dict[str, Progress] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    grown: list[Grown] = field(default_factory=list)
    beat: float = 0.0

    def tell(self, message: Message) -> None:
        """Send a message to the parent."""
        self.pipe.send_bytes(encode(message))

    def unread(self, name: str, offset: int, reason: str) -> None:
        """Tell of something that could not be read."""
        clean = reason.encode("utf-8", "backslashreplace").decode()
        self.tell(Unread(name, max(min(offset, 1 << 62), -1), clean[:2000]))


def serve(pipe: Connection, bounds: Bounds) -> None:
    """Read the tasks that arrive until the pipe closes."""
    _limit(bounds.memory)
    state = _State(pipe, bounds)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the other end is gone
        while (task := pipe.recv()) is not None:
            for path, name in task.files:
                if (piece := task.pieces.get(name)) is not None:
                    _read_piece(state, Path(path), name, piece)
                else:
                    _read_file(state, Path(path), name, task)
                state.finished.append(name)
            _send_round(state)
            state.tell(Idle())


def _limit(memory: int) -> None:
    # Address space, not resident size, is what can be limited; allocators reserve generously.
    soft = memory + (4 << 30)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _read_file(state: _State, path: Path, name: str, task: Task) -> None:
    spool, limits = state.bounds.spool, state.bounds.limits
    state.tell(Opening(name))
    try:
        file = _File(name, task, Account(limits, path.stat().st_size))
        _read_items(state, file, open_sources(path, name, spool, limits, file.account))
    except (OSError, MemoryError) as error:
        state.unread(name, -1, f"cannot be read: {_say(error)}")


@dataclass(frozen=True, slots=True)
class _File:
    """The file of the user's that is being read, and the account of what lies in it."""

    name: str
    task: Task
    account: Account


def _read_items(state: _State, file: _File, items: Iterable[Source | Problem]) -> None:
    """Read what was found in a file, one after the other."""
    for item in items:
        if isinstance(item, Problem):
            state.unread(item.name, item.offset, item.reason)
            continue
        try:
            if item.name not in file.task.skip:
                _read_source(state, file, item)
                if item.name != file.name:  # an archive, in which the next is looked for
                    state.tell(Opening(file.name))
        finally:
            discard(item, state.bounds.spool)


def _read_source(state: _State, file: _File, source: Source) -> None:
    """Offer one source and, if wanted, read it to its end, and after it what is enclosed in it."""
    if source.size == 0:
        if not source.enclosed:
            state.unread(source.name, 0, "empty file")
        return
    try:
        with source.open() as stream:
            head = stream.read(SNIFF_BYTES)
        chosen = choose(head, source.name) or (enclosed() if source.enclosed else None)
    except OSError as error:
        state.unread(source.name, -1, _say(error))
        return
    if chosen is None:
        state.unread(source.name, 0, unread.why(head))
        return
    with source.open() as stream:
        in_pieces, links = growth.grows(chosen, head), Links(stream)
        known = file.task.known
        before = growth.begun(stream, links, source.size, known) if in_pieces else None
        begin, same = (before.size, before.digest) if before is not None else (0, "")
        state.tell(
            Offer(
                *(file.name, source.name, source.digest, source.size),
                *(chosen.id, chosen.version, begin, same),
            )
        )
        skip = state.pipe.recv()
        if skip is None:
            return
        inside = Enclosed(source, state.bounds.spool, file.account)
        found: Iterable[Shaped] = chosen.read(replace(source, loose=not in_pieces, inside=inside))
        if in_pieces:
            found = growth.after(begin, growth.named(found, chosen, links))
        _read_records(state, source, chosen, skip, found, partial(_enclosed, state, file, inside))


def _enclosed(state: _State, file: _File, inside: Enclosed) -> None:
    """Read what a source's reader left, before the source itself counts as read: a scan that ends
    between the two reads it once more."""
    _read_items(state, file, inside.sources())


def _read_records(
    state: _State,
    source: Source,
    chosen: Format,
    skip: int,
    found: Iterable[Shaped],
    afterwards: Callable[[], None],
) -> None:
    batches = rows = unparsed = 0
    reason, offset = "", -1

    def note(done: bool) -> None:
        state.progress[source.name] = Progress(
            source.name, source.digest, batches, rows, unparsed, done, reason, offset
        )

    try:
        for shape, batch in found:
            batches += 1
            rows += batch.num_rows
            if shape == UNPARSED:
                unparsed += batch.num_rows
                if not reason:
                    reason, offset = _first_reason(batch)
            if batches <= skip:
                continue
            state.gathered.add(shape, batch)
            note(done=False)
            _beat(state, source.name, rows)
            if state.gathered.rows >= _ROUND_ROWS or state.gathered.size >= _ROUND_BYTES:
                _send_round(state)
    except MemoryError:
        reason, offset = "needs more memory than a reader may use", -1
        state.unread(source.name, -1, reason)
    except Exception as error:  # a reader must not raise, but a plug-in's bug must not end a scan
        state.unread(source.name, -1, f"reader {chosen.id} failed: {_say(error)}")
    afterwards()
    note(done=True)
    if state.gathered.rows >= _ROUND_ROWS // 4:
        _send_round(state)


def _read_piece(state: _State, path: Path, name: str, piece: Piece) -> None:
    """Read the next piece of a growing file, or say that it is none that can be read so."""
    state.tell(Opening(name))
    try:
        with path.open("rb") as stream:
            chosen = _format(stream, name, piece)
            if chosen is None:
                state.tell(Whole(name))
                return
            modified = os.fstat(stream.fileno()).st_mtime_ns // 1_000_000
            links = Links(stream, piece.start, piece.link)
            if piece.known and (one := growth.begun(stream, links, piece.end, piece.known)):
                _note_known(state, name, chosen, one, links)
                return
            part = growth.part(stream, name, chosen, piece, modified)
            if part is not None:
                _read_part(state, chosen, part, links, piece)
    except (OSError, MemoryError) as error:
        state.unread(name, piece.start, f"cannot be read: {_say(error)}")


def _note_known(state: _State, name: str, chosen: Format, one: Known, links: Links) -> None:
    """The file begins with what was read before: say so, and that the rest can be read."""
    state.grown.append(
        Grown(
            *(name, one.size, one.rows, links.at(one.size), (0, 0), links.upto(one.size)),
            *(chosen.id, chosen.version, 0),
        )
    )


def _format(stream: BinaryIO, name: str, piece: Piece) -> Format | None:
    """The format of a growing file; None where it does not grow by lines."""
    if piece.format:
        return next((made for made in formats() if made.id == piece.format), None)
    head = stream.read(min(SNIFF_BYTES, piece.end))
    chosen = choose(head, name)
    return chosen if chosen is not None and growth.grows(chosen, head) else None


def _read_part(
    state: _State, chosen: Format, part: growth.Part, links: Links, piece: Piece
) -> None:
    """Read a piece whole before anything of it counts: it is small."""
    number, unparsed, reason, offset = piece.number, 0, "", -1
    try:
        for shape, batch in growth.batches(part, chosen, links, piece.number):
            number += batch.num_rows
            if shape == UNPARSED:
                unparsed += batch.num_rows
                if not reason:
                    reason, offset = _first_reason(batch)
            state.gathered.add(shape, batch)
    except Exception as error:  # as for whole files
        reason, offset = f"reader {chosen.id} failed: {_say(error)}", part.start
        state.unread(part.source.name, part.start, reason)
    state.grown.append(
        Grown(
            name=part.source.name,
            end=part.end,
            number=number,
            link=links.at(part.end),
            head=part.head or piece.head,
            digest=links.upto(part.end),
            format=chosen.id,
            version=chosen.version,
            unparsed=unparsed,
            reason=reason,
            offset=offset,
        )
    )


def _first_reason(batch: pa.RecordBatch) -> tuple[str, int]:
    names = batch.schema.names
    reason = batch.column("reason")[0].as_py() if "reason" in names else None
    return str(reason or "unreadable record"), int(batch.column("_offset")[0].as_py() or 0)


def _beat(state: _State, name: str, rows: int) -> None:
    now = time.monotonic()
    if now - state.beat >= _BEAT_SECONDS:
        state.beat = now
        state.tell(Beat(name, rows))


def _send_round(state: _State) -> None:
    """Send what has been gathered; its sources' progress is true once this has arrived."""
    shapes: list[str] = []
    batches: list[bytes] = []
    for shape, table in state.gathered.take():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            # As one batch: a small one for each file costs more than its content.
            writer.write_table(table.combine_chunks())
        shapes.append(shape)
        batches.append(sink.getvalue().to_pybytes())
    progress = tuple(state.progress.values())
    state.progress = {}
    told = Round(tuple(batches), tuple(shapes), progress, tuple(state.finished), tuple(state.grown))
    state.tell(told)
    state.finished, state.grown = [], []


def _say(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"{type(error).__name__}: {error}"[:300]

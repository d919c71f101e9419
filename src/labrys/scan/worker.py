"""The reading process: opens files, parses them and sends batches, within hard limits.

It talks to its parent over one pipe. Everything it sends is plain data or Arrow IPC bytes; what
it has not yet sent as a `Round` did not happen, so it may be killed at any instant.
"""

import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import pyarrow as pa

from labrys.evidence.records import UNPARSED, Source
from labrys.evidence.registry import SNIFF_BYTES, Format, choose
from labrys.evidence.unpack.archive import discard, open_sources
from labrys.evidence.unpack.limits import Limits, Problem
from labrys.scan.coalesce import Coalescer

_ROUND_ROWS: Final = 40_000
_ROUND_BYTES: Final = 24 << 20
_BEAT_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Task:
    """Files to read in one go; `skip` names sources that broke a reader before."""

    files: tuple[tuple[str, str], ...]  # path, name as the user gave it
    skip: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a worker unpacks to, how far, and how many bytes of memory it may use."""

    spool: Path
    limits: Limits
    memory: int


@dataclass(frozen=True, slots=True)
class Opening:
    """The worker looks into a file for what to offer next: should it die now, that is why."""

    file: str


@dataclass(frozen=True, slots=True)
class Offer:
    """The worker asks: shall I read this? Answered by how many batches to skip, or None for no."""

    file: str
    source: Source
    format: str
    version: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one source has been read: `batches` handed out by its reader so far."""

    name: str
    digest: str
    batches: int
    rows: int
    unparsed: int
    done: bool
    reason: str = ""  # the first unparsed record's reason, with its offset
    offset: int = -1


@dataclass(frozen=True, slots=True)
class Round:
    """Batches by shape (Arrow IPC streams) and how far their sources are once these are kept.

    `finished` names the top-level files in which everything has been offered by now.
    """

    batches: tuple[bytes, ...]
    shapes: tuple[str, ...]
    progress: tuple[Progress, ...]
    finished: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life: what is being read, and how much of it."""

    name: str
    rows: int


@dataclass(slots=True)
class _State:
    pipe: Connection
    bounds: Bounds
    gathered: Coalescer = field(default_factory=Coalescer)
    progress: dict[str, Progress] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    beat: float = 0.0


def serve(pipe: Connection, bounds: Bounds) -> None:
    """Read the tasks that arrive until the pipe closes."""
    _limit(bounds.memory)
    state = _State(pipe, bounds)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the other end is gone
        while (task := pipe.recv()) is not None:
            for path, name in task.files:
                _read_file(state, Path(path), name, task.skip)
                state.finished.append(name)
            _send_round(state)
            pipe.send(None)


def _limit(memory: int) -> None:
    # Address space, not resident size, is what can be limited; allocators reserve generously.
    soft = memory + (4 << 30)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _read_file(state: _State, path: Path, name: str, skip: frozenset[str]) -> None:
    spool, limits = state.bounds.spool, state.bounds.limits
    state.pipe.send(Beat(name, 0))
    state.pipe.send(Opening(name))
    try:
        for item in open_sources(path, name, spool, limits):
            if isinstance(item, Problem):
                state.pipe.send(item)
            else:
                if item.name not in skip:
                    _read_source(state, name, item)
                    state.pipe.send(Opening(name))
                discard(item, spool)
    except (OSError, MemoryError) as error:
        state.pipe.send(Problem(name, -1, f"cannot be read: {_say(error)}"))


def _read_source(state: _State, file: str, source: Source) -> None:
    """Offer one source and, if wanted, read it to its end."""
    if source.size == 0:
        state.pipe.send(Problem(source.name, 0, "empty file"))
        return
    try:
        with source.open() as stream:
            head = stream.read(SNIFF_BYTES)
        chosen = choose(head, source.name)
    except OSError as error:
        state.pipe.send(Problem(source.name, -1, _say(error)))
        return
    if chosen is None:
        state.pipe.send(Problem(source.name, 0, "no reader knows this format"))
        return
    state.pipe.send(Offer(file, source, chosen.id, chosen.version))
    skip = state.pipe.recv()
    if skip is None:
        return
    _read_records(state, source, chosen, skip)


def _read_records(state: _State, source: Source, chosen: Format, skip: int) -> None:
    batches = rows = unparsed = 0
    reason, offset = "", -1

    def note(done: bool) -> None:
        state.progress[source.name] = Progress(
            source.name, source.digest, batches, rows, unparsed, done, reason, offset
        )

    try:
        for shape, batch in _batches(chosen, source):
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
        state.pipe.send(Problem(source.name, -1, reason))
    except Exception as error:  # a reader must not raise, but a plug-in's bug must not end a scan
        state.pipe.send(Problem(source.name, -1, f"reader {chosen.id} failed: {_say(error)}"))
    note(done=True)
    if state.gathered.rows >= _ROUND_ROWS // 4:
        _send_round(state)


def _batches(chosen: Format, source: Source) -> Iterator[tuple[str, pa.RecordBatch]]:
    yield from chosen.read(source)


def _first_reason(batch: pa.RecordBatch) -> tuple[str, int]:
    names = batch.schema.names
    reason = batch.column("reason")[0].as_py() if "reason" in names else None
    return str(reason or "unreadable record"), int(batch.column("_offset")[0].as_py() or 0)


def _beat(state: _State, name: str, rows: int) -> None:
    now = time.monotonic()
    if now - state.beat >= _BEAT_SECONDS:
        state.beat = now
        state.pipe.send(Beat(name, rows))


def _send_round(state: _State) -> None:
    """Send what has been gathered; its sources' progress is true once this has arrived."""
    shapes: list[str] = []
    batches: list[bytes] = []
    for shape, table in state.gathered.take():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        shapes.append(shape)
        batches.append(sink.getvalue().to_pybytes())
    progress = tuple(state.progress.values())
    state.progress = {}
    state.pipe.send(Round(tuple(batches), tuple(shapes), progress, tuple(state.finished)))
    state.finished = []


def _say(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"{type(error).__name__}: {error}"[:300]

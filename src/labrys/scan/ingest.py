"""Reads evidence into the case: worker processes parse, this process keeps and searches."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.contract import RowDetector
from labrys.errors import LabrysError
from labrys.evidence.growth import CHAIN, Known
from labrys.evidence.unpack.limits import Limits, Problem
from labrys.evidence.unpack.walk import discover, text
from labrys.lake.case import Case, Result
from labrys.lake.ledger import SourceRow
from labrys.ocsf.schema import FINDING
from labrys.scan.coalesce import Coalescer
from labrys.scan.pool import Pool
from labrys.scan.wire import Beat, Grown, Offer, Progress, Round, Whole
from labrys.scan.worker import Bounds

CONTAINER: Final = "container"
"""Ledger format (and digest) of an archive as a whole: what is in it has rows of its own."""
_MOST_SAID: Final = 20
"""So many things that went wrong with one growing file are kept."""
_WORTH_ENCODING: Final = 2_048
"""Below so many rows a dictionary costs more than it saves."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read: processes, their memory and patience, and how much is gathered at once."""

    jobs: int = 2
    memory: int = 2 << 30
    stall_seconds: float = 120.0
    flush_bytes: int = 48 << 20
    limits: Limits = field(default_factory=Limits)


class Watcher(Protocol):
    """Is told what happens, for those who watch; must not raise."""

    def found_files(self, files: int, size: int) -> None:
        """So many files, with so many bytes, are to be read."""

    def reading(self, name: str, rows: int) -> None:
        """A source is being read, so many records of it so far."""

    def finished(self, name: str, size: int) -> None:
        """One of the files is done with."""

    def kept(self, rows: int, findings: int) -> None:
        """So many more records and findings are safe in the case."""

    def step(self, name: str) -> None:
        """What the scan does now."""


class DiskFull(LabrysError):
    """The case's disk is full; what was committed before stays."""


def ingest(
    case: Case,
    paths: Sequence[Path],
    reading: Reading,
    detectors: Sequence[RowDetector],
    watch: Watcher,
) -> frozenset[str]:
    """Read every file below `paths` that the case does not have; the names of all there are.

    Whatever ends this early (an interrupt, a full disk), what has been committed stays and the
    next call goes on from there. Raises `DiskFull` when the case cannot take more.
    """
    session = Session(case, reading, detectors, watch)
    bounds = Bounds(case.spool, reading.limits, reading.memory)
    files = list(session.to_read(discover(paths), tuple(own_names(case.path, paths))))
    watch.found_files(len(files), sum(size for _, _, size in files))
    if not files:
        session.flush()
        return frozenset(session.names)
    pool = Pool(min(reading.jobs, len(files)), bounds, reading.stall_seconds)
    try:
        for message, reply in pool.read(files, grown_before(case)):
            if isinstance(message, Offer):
                reply.skip = session.offered(message)
            elif isinstance(message, Round):
                session.received(message)
            else:
                session.told(message)
        session.flush()
    except KeyboardInterrupt:
        session.flush()
        raise
    finally:
        pool.close()
    return frozenset(session.names)


def grown_before(case: Case) -> tuple[Known, ...]:
    """The contents of files that were read in pieces: others may begin with them."""
    return tuple(
        Known(row.size, row.digest, row.rows)
        for row in case.sources()
        if row.digest.startswith(CHAIN)
    )


class Session:
    """What has been received and not yet committed; `found` is told of results that are kept."""

    def __init__(
        self,
        case: Case,
        reading: Reading,
        detectors: Sequence[RowDetector],
        watch: Watcher,
        found: Callable[[Sequence[Result]], None] | None = None,
    ) -> None:
        self._case, self._reading, self._found = case, reading, found
        self._detectors, self._watch = detectors, watch
        self._gathered = Coalescer()
        self._open: dict[str, SourceRow] = {}  # by the name offered, until done
        self._changed: dict[tuple[str, str], SourceRow] = {}  # to be committed with the rows
        self._files: dict[str, SourceRow] = {}
        self._growing: dict[str, SourceRow] = {}
        self._plain: set[str] = set()  # files that are a source themselves
        self._troubled: set[str] = set()  # names of which something could not be read
        self._offered: set[tuple[str, str]] = set()
        self.names: set[str] = set()

    def to_read(
        self, found: Iterable[Path | Problem], own: tuple[str, ...] = ()
    ) -> Iterable[tuple[str, str, int]]:
        """(path, name, size) of every file that is new or has changed, but not of the case's own.

        A name that is no UTF-8 becomes text that can be kept; the path stays what it is.
        """
        for item in found:
            name = text(str(item)) if isinstance(item, Path) else item.name
            if name.startswith(own):
                continue
            if isinstance(item, Problem):
                self.problem(item)
                continue
            try:
                stat = item.stat()
            except OSError as error:
                self.problem(Problem(name, -1, (error.strerror or str(error)).lower()))
                continue
            known = self._case.known(item, stat)
            if known is not None and known.state in ("done", "duplicate", "unknown", "growing"):
                self.names.add(known.name)  # perhaps named otherwise: from another folder
                continue
            self.names.add(name)
            self._files[name] = _file_row(item, name, stat)
            yield str(item), name, stat.st_size

    @property
    def gathered(self) -> bool:
        """Whether there is something to commit."""
        return bool(self._gathered.rows or self._changed)

    def expect(self, row: SourceRow, *, growing: bool = False, anew: bool = False) -> None:
        """Workers will speak of this file, or of how it has grown; `anew`: from its beginning."""
        self.names.add(row.name)
        self._files[row.name] = row
        if growing:
            self._plain.add(row.name)
            if anew:
                self._growing.pop(row.name, None)
            self._growing.setdefault(row.name, row)
        else:
            self._plain.discard(row.name)
        self._troubled.discard(row.name)

    def offered(self, offer: Offer) -> int | None:
        """Whether to read a source: how many of its batches to skip, or None."""
        source, file = offer, self._files[offer.file]
        inside = source.name != offer.file
        if not inside:
            self._plain.add(offer.file)
        key = (source.name, source.digest)
        if key in self._offered:  # the process that took it died, and its file is read once more
            taken = self._open.get(source.name)
            return taken.batches if taken is not None else None
        self._offered.add(key)
        asked = replace(
            file,
            name=source.name,
            path="" if inside else file.path,
            size=source.size,
            digest=source.digest,
            format=offer.format,
            version=str(offer.version),
            state="partial",
        )
        row = self._case.entry(asked)
        if offer.begin == offer.size and offer.same:
            before = self._case.named(offer.same)
            row = replace(asked, state="duplicate", same_as=before)
        self.names.add(row.name)
        if row.state != "partial":
            self._changed[row.name, row.digest] = row
            return None
        self._open[source.name] = row
        return row.batches

    def received(self, message: Round) -> None:
        """Take in batches and the progress that becomes true with them."""
        for shape, data in zip(message.shapes, message.batches, strict=True):
            with pa.ipc.open_stream(pa.py_buffer(data)) as stream:
                for batch in stream:
                    self._gathered.add(shape, batch, 0)
            self._gathered.size += len(data)
        for progress in message.progress:
            self._progress(progress)
        for grown in message.grown:
            self._grew(grown)
        for name in message.finished:
            row = self._files[name]
            if name not in self._plain:
                # A file that could not be opened is tried again next time.
                state = "failed" if name in self._troubled else "done"
                self._changed[name, row.digest] = replace(row, state=state)
            self._watch.finished(name, row.size)
        if self._gathered.size >= self._reading.flush_bytes:
            self.flush()

    def _grew(self, grown: Grown) -> None:
        """A piece of a growing file has been read: the content up to there is in the case."""
        before, file = self._growing[grown.name], self._files[grown.name]
        problems = before.problems
        if grown.reason:
            said = f"{grown.reason} (first at offset {grown.offset})"
            problems = problems if len(problems) >= _MOST_SAID else (*problems, said)
        if before.state != "growing" and (old := self._last_content(grown)) is not None:
            self._changed[old.name, old.digest] = replace(old, state="done")
        self._growing[grown.name] = row = replace(
            file,
            size=grown.end,
            digest=grown.digest,
            format=grown.format,
            version=str(grown.version),
            state="growing",
            rows=grown.number,
            unparsed=before.unparsed + grown.unparsed,
            problems=problems,
        )
        self._changed = {
            key: each
            for key, each in self._changed.items()
            if key[0] != row.name or each.state != "growing"
        }
        self._changed[row.name, row.digest] = row

    def _last_content(self, grown: Grown) -> SourceRow | None:
        """What a growing file was read as before, if its content is another one now."""
        waiting = [row for row in self._changed.values() if row.name == grown.name]
        rows = [
            row for row in (*self._case.read_as(grown.name), *waiting) if row.state == "growing"
        ]
        return rows[-1] if rows and rows[-1].digest != grown.digest else None

    def _progress(self, progress: Progress) -> None:
        row = self._open.get(progress.name)
        if row is None:
            return
        problems = row.problems
        if progress.done and progress.unparsed:
            said = f"{progress.reason} (first at offset {progress.offset})"
            problems = tuple(dict.fromkeys((*problems, said)))
        state = row.state if row.state == "failed" else "done" if progress.done else "partial"
        row = replace(
            row,
            state=state,
            batches=progress.batches,
            rows=progress.rows,
            unparsed=progress.unparsed,
            problems=problems,
        )
        self._open[progress.name] = row
        self._changed[row.name, row.digest] = row
        if progress.done:
            del self._open[progress.name]

    def told(self, message: Beat | Whole | Problem) -> None:
        """Take notice of what is neither an offer nor records."""
        if isinstance(message, Beat):
            self._watch.reading(message.name, message.rows)
        elif isinstance(message, Problem):
            self.problem(message)

    def problem(self, problem: Problem) -> None:
        """Remember what could not be read; it is part of the case like what could."""
        at = f" at offset {problem.offset}" if problem.offset > 0 else ""
        said = f"{problem.reason}{at}"
        self.names.add(problem.name)
        self._troubled.add(problem.name)
        row = self._open.get(problem.name)
        if row is not None:
            problems = tuple(dict.fromkeys((*row.problems, said)))
            self._open[problem.name] = replace(row, state="failed", problems=problems)
            self._changed[row.name, row.digest] = self._open[problem.name]
            return
        before = self._changed.get((problem.name, ""))
        problems = (*(before.problems if before else ()), said)
        self._changed[problem.name, ""] = SourceRow(
            problem.name, "", 0, 0, 0, "", "", "", state="failed", problems=problems
        )

    def flush(self) -> None:
        """Search what has been gathered, and commit it with its findings and progress."""
        tables = {shape: _encoded(table) for shape, table in self._gathered.take()}
        changed, self._changed = list(self._changed.values()), {}
        if not tables and not changed:
            return
        results = [made for each in self._detectors for made in search(each, tables.items())]
        with writing(self._case):
            self._case.commit(tables, changed, results)
        if self._found is not None:
            self._found(results)
        self._watch.kept(
            sum(table.num_rows for table in tables.values()),
            sum(result.table.num_rows for result in results),
        )


@contextmanager
def writing(case: Case) -> Iterator[None]:
    """Within it, what the disk of the case refuses is `DiskFull`; what is in it stays."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not from the disk: Arrow could not make sense of a file
            raise
        reason = error.strerror or str(error)
    except sqlite3.OperationalError as error:
        reason = str(error)
    else:
        return
    raise DiskFull(f"{case.path}: cannot be written ({reason})")


def search(detector: RowDetector, tables: Iterable[tuple[str, pa.Table]]) -> list[Result]:
    """All that a row detector finds, one result for each name it reports under."""
    found = [detector.detect(shape, table) for shape, table in tables]
    found = [table for table in found if table.num_rows]
    whole = pa.concat_tables(found) if found else None
    results = []
    for name in detector.emits:
        table = (
            FINDING.empty_table()
            if whole is None
            else whole.filter(pc.equal(whole["detector"], name))
        )
        results.append(Result(name, detector.digest, table))
    return results


def own_names(case: Path, paths: Sequence[Path]) -> Iterable[str]:
    """What files in the case's own folder are called, if it lies among the evidence."""
    real = os.path.realpath(case)
    for path in paths:
        root = os.path.realpath(path)
        if os.path.join(real, "").startswith(os.path.join(root, "")):
            yield os.path.join(text(str(path / os.path.relpath(real, root))), "")


def _file_row(path: Path, name: str, stat: os.stat_result) -> SourceRow:
    return SourceRow(
        name,
        text(str(path.absolute())),
        stat.st_size,
        stat.st_mtime_ns,
        stat.st_ino,
        digest=CONTAINER,
        format=CONTAINER,
        version="",
    )


def _encoded(table: pa.Table) -> pa.Table:
    """Text columns by dictionary, once for both the matcher and the Parquet writer."""
    if table.num_rows < _WORTH_ENCODING:
        return table.combine_chunks()
    columns = [
        _encode(column) if name != "_id" and pa.types.is_string(column.type) else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.table(columns, names=table.column_names)


def _encode(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], pa.string())
    return whole.dictionary_encode()

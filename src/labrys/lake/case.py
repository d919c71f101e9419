"""A case: one folder with the evidence's records, what was found in them, and the ledger of both.

Copy the folder and you have everything. One process may write to a case, any number may read.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labrys.evidence.unpack.walk import text
from labrys.lake.compaction import compaction, merged
from labrys.lake.ledger import CaseError, Found, Ledger, Segment, SourceRow
from labrys.lake.lock import release, take
from labrys.lake.progress import problems, resumed
from labrys.lake.segment import LEADING, Written, plan, publish, read, read_all, write
from labrys.ocsf.schema import FINDING

_OURS: Final = re.compile(r"(?:\.)?[0-9]{8}\.parquet(?:\.draft)?\Z")
_READ: Final = ("done", "partial", "failed")


@dataclass(frozen=True, slots=True)
class Shape:
    """What the case holds of one shape: rows, and the source's column names in first-seen order."""

    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The findings (`ocsf.schema.FINDING`) of one detector, all it found in what they go with."""

    detector: str
    digest: str
    table: pa.Table


class Case:
    """An open case; use it as a context manager, in one thread, and not across a fork."""

    def __init__(self, path: Path, ledger: Ledger, lock: IO[bytes] | None) -> None:
        self.path = path
        self.lake = path / "lake"
        self.spool = path / "spool"
        self._findings = path / "findings"
        self._ledger = ledger
        self._lock = lock
        self._segments = {each.id: each for each in ledger.segments(self.lake)}
        self._files = 0
        self._handed_out: dict[str, SourceRow] = {}
        self._replaced: list[Path] = []

    @classmethod
    def open(cls, path: str | Path, *, create: bool = True, write: bool = True) -> Self:
        """Open a case, or start one where nothing is.

        Raises `CaseError` when another process writes to it, when it is missing (and not to be
        created), damaged, or some other folder. Files that no transaction made part of the case
        (left by a killed process) are removed when it is opened for writing.
        """
        path = Path(path).absolute()
        _require(path, create=create and write)
        if not write:
            return cls(path, Ledger(path / "ledger.sqlite", write=False), None)
        lock = take(path)
        try:
            case = cls(path, Ledger(path / "ledger.sqlite", write=True), lock)
            case._tidy()
        except BaseException:
            release(path, lock)
            raise
        return case

    def close(self) -> None:
        """Let others write; the case is complete at every moment, closed or not."""
        self._ledger.close()
        if self._lock is not None:
            release(self.path, self._lock)
            self._lock = None

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes to the case."""
        return self._lock is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # What was read

    def known(self, path: Path, stat: os.stat_result) -> SourceRow | None:
        """The source that was read from an unchanged file: same path, size, times and inode."""
        for row in self._ledger.by_path(text(str(path.absolute()))):
            same = (row.size, row.mtime_ns, row.inode)
            if same == (stat.st_size, stat.st_mtime_ns, stat.st_ino) and row.state != "partial":
                return row
        return None

    def entry(self, source: SourceRow) -> SourceRow:
        """What to do with a source of this name and digest; its `state` says it.

        `partial`: read it, leaving out the first `batches` batches, under the returned name.
        Anything else: pass it to `commit` as it is and go on. Asking twice for one content gives
        a duplicate the second time.
        """
        earlier = self._handed_out.get(source.digest)
        if earlier is not None:
            return replace(source, state="duplicate", same_as=earlier.name)
        rows = [row for row in self._ledger.by_digest(source.digest) if row.state in _READ]
        rows.sort(key=lambda row: (row.state != "done", row.name != source.name))
        row = resumed(source, rows[0]) if rows else replace(source, state="partial")
        if row.state == "partial":
            self._handed_out[source.digest] = row
        return row

    def sources(self) -> list[SourceRow]:
        """Every source the case knows, in the order of names."""
        return self._ledger.sources()

    def read_from(self, path: Path) -> list[SourceRow]:
        """Every content that was read from a file, oldest first."""
        return self._ledger.by_path(text(str(path.absolute())))

    def read_as(self, name: str) -> list[SourceRow]:
        """Every content that was read under a name."""
        return self._ledger.by_name(name)

    def named(self, digest: str) -> str:
        """The name under which the case has a content."""
        return next((row.name for row in self._ledger.by_digest(digest)), "")

    def problems(self) -> list[tuple[str, str]]:
        """(source, what the reader of results must know about it), nothing for a good source."""
        return [(row.name, text) for row in self.sources() for text in problems(row)]

    # Writing

    def commit(
        self,
        tables: Mapping[str, pa.Table],
        sources: Sequence[SourceRow] = (),
        results: Sequence[Result] = (),
    ) -> list[Segment]:
        """Add rows, how far their sources are now read, and what was found in them: all or none.

        `tables` by shape, with the leading columns of `evidence.records`; `results` must be all
        that the named detectors find in these tables. Returns the new segments.
        """
        self._must_write()
        written = [self._write_segment(part) for part in plan(tables)]
        found = [item for made in results for item in self._write_results(made, written)]
        numbers = self._ledger.record(written, sources, found)
        new = [
            Segment(number, self.lake / file, has.rows, has.time_min, has.time_max, has.places)
            for number, (file, has) in zip(numbers, written, strict=True)
        ]
        self._segments.update((each.id, each) for each in new)
        return new

    def put_findings(
        self, segment: Segment | None, result: Result, generation: int | None = None
    ) -> None:
        """Set what a detector finds in a segment, or (None) in the whole lake as it is now.

        `generation`: in the lake as it was when `generation()` was that.
        """
        self._must_write()
        replaced = self._ledger.found()
        file = self._write_findings(result.table)
        number = segment.id if segment else 0
        rows = result.table.num_rows
        found = Found(number, result.detector, result.digest, file, rows, generation or 0)
        self._ledger.record((), (), [found])
        self._drop(replaced)

    def compact(self, least: int) -> int:
        """Put small segments together once there are `least` of them; how many went.

        Whoever reads the case at this moment still finds the old files: they are removed by the
        next call, or by the next one who opens the case to write.
        """
        self._must_write()
        for file in self._replaced:
            file.unlink(missing_ok=True)
        self._replaced = []
        gone = 0
        for group in compaction(list(self._segments.values()), self._ledger.found(), least):
            self._merge(group)
            gone += len(group)
        return gone

    def _merge(self, group: Sequence[Segment]) -> None:
        """One segment instead of several; until the ledger says so, it is not there."""
        ids = [each.id for each in group]
        mine = [row for row in self._ledger.found() if row.segment in ids]
        name, has = self._write_segment(merged(self.tables(each) for each in group))
        found = []
        for detector, digest in dict.fromkeys((row.detector, row.digest) for row in mine):
            rows = [row for row in mine if row.detector == detector and row.rows]
            table = pa.concat_tables([FINDING.empty_table(), *map(self._found_in, rows)])
            file = self._write_findings(table)
            found.append(Found(0, detector, digest, file, table.num_rows, 0))
        number = self._ledger.replace(ids, (name, has), found)
        new = Segment(number, self.lake / name, has.rows, has.time_min, has.time_max, has.places)
        self._segments = {k: v for k, v in self._segments.items() if k not in ids} | {number: new}
        self._replaced += [each.file for each in group]
        kept = {row.file for row in self._ledger.found()}
        self._replaced += [self._findings / f for f in {row.file for row in mine} - kept - {""}]

    def _found_in(self, row: Found) -> pa.Table:
        """What a detector found in a segment; its file may hold what others found as well."""
        with _whole(self._findings / row.file):
            table = pq.read_table(self._findings / row.file, schema=FINDING)
        return table.filter(pc.equal(table["detector"], row.detector))

    # Reading

    def segments(self, without: tuple[str, str] | None = None) -> list[Segment]:
        """The segments, oldest first; `without` (detector, digest): where it has not yet looked."""
        if without is None:
            return list(self._segments.values())
        seen = {
            row.segment for row in self._ledger.found() if (row.detector, row.digest) == without
        }
        return [each for each in self._segments.values() if each.id not in seen]

    def read(
        self, segment: Segment, shape: str, columns: Collection[str] | None = None
    ) -> pa.Table:
        """The rows of one shape in a segment, under the source's own column names."""
        if not segment.file.is_file():
            raise _missing(segment.file)
        with _whole(segment.file):
            return read(segment.file, segment.places[shape], columns=columns)

    def tables(self, segment: Segment) -> Iterator[tuple[str, pa.Table]]:
        """Every shape of a segment with its rows."""
        if not segment.file.is_file():
            raise _missing(segment.file)
        with _whole(segment.file):
            yield from read_all(segment.file, segment.places)

    def shapes(self) -> dict[str, Shape]:
        """Every shape in the case, in the order of names."""
        rows: dict[str, int] = {}
        columns: dict[str, dict[str, None]] = {}
        for each in self._segments.values():
            for shape, place in each.places.items():
                rows[shape] = rows.get(shape, 0) + place.rows
                columns.setdefault(shape, {}).update((name, None) for name, _ in place.columns)
        return {shape: Shape(rows[shape], tuple(columns[shape])) for shape in sorted(rows)}

    def findings(self, current: Mapping[str, str] | None = None) -> pa.Table:
        """What the detectors found last (`ocsf.schema.FINDING`).

        `current` (detector → digest) leaves out what other detectors or versions found.
        """
        try:
            return self._read_findings(current)
        except FileNotFoundError:  # a writer has just replaced it: the ledger has the new one
            pass
        try:
            return self._read_findings(current)
        except FileNotFoundError as reason:
            raise _missing(Path(reason.filename or self._findings)) from reason

    def up_to_date(self, detector: str, digest: str) -> bool:
        """Whether a detector's findings over the whole lake cover all there is in it now."""
        generation = self._ledger.generation()
        return any(
            (row.segment, row.detector, row.digest, row.generation)
            == (0, detector, digest, generation)
            for row in self._ledger.found()
        )

    def generation(self) -> int:
        """A number that grows with every segment."""
        return self._ledger.generation()

    # Inside

    def _write_segment(self, tables: Mapping[str, pa.Table]) -> tuple[str, Written]:
        for shape, table in tables.items():
            if missing := set(LEADING.names) - set(table.column_names):
                raise CaseError(f"rows of {shape} lack the columns {sorted(missing)}")
        name = self._new_name()
        return name, write(self.lake / name, tables)

    def _write_results(
        self, result: Result, written: Sequence[tuple[str, Written]]
    ) -> Iterator[Found]:
        """One row for each new segment, so that an empty answer is remembered as well."""
        if result.table.num_rows and not written:
            raise CaseError(f"{result.detector} found something in no rows at all")
        rest = result.table
        for number, (_, segment) in reversed(list(enumerate(written))):
            mine = pc.is_in(rest["shape"], value_set=pa.array(list(segment.places)))
            # The first segment takes what is left, so that no finding is lost.
            table, rest = (
                (rest.filter(mine), rest.filter(pc.invert(mine))) if number else (rest, rest)
            )
            file = self._write_findings(table)
            yield Found(-number - 1, result.detector, result.digest, file, table.num_rows, 0)

    def _write_findings(self, table: pa.Table) -> str:
        """The new file's name; "" where there is nothing to write."""
        if not table.num_rows:
            return ""
        path = self._findings / self._new_name()
        draft = path.with_name(f".{path.name}.draft")
        pq.write_table(table.cast(FINDING), draft, compression="zstd", compression_level=1)
        publish(draft, path)
        return path.name

    def _new_name(self) -> str:
        self._files += 1
        return f"{self._files:08d}.parquet"

    def _read_findings(self, current: Mapping[str, str] | None) -> pa.Table:
        wanted: dict[str, set[str]] = {}
        for row in self._ledger.found():
            if row.rows and (current is None or current.get(row.detector) == row.digest):
                wanted.setdefault(row.file, set()).add(row.detector)
        tables = [FINDING.empty_table()]
        for file, detectors in wanted.items():
            with _whole(self._findings / file):
                table = pq.read_table(self._findings / file, schema=FINDING)
            keep = pc.is_in(table["detector"], value_set=pa.array(sorted(detectors)))
            tables.append(table.filter(keep))
        return pa.concat_tables(tables)

    def _drop(self, replaced: Sequence[Found]) -> None:
        """Remove the files of findings that newer ones have replaced."""
        kept = {row.file for row in self._ledger.found()}
        for file in {row.file for row in replaced} - kept - {""}:
            (self._findings / file).unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Make the folders, and remove what a killed process left in them."""
        known = {each.file.name for each in self._segments.values()}
        known.update(row.file for row in self._ledger.found())
        shutil.rmtree(self.spool, ignore_errors=True)
        for folder in (self.lake, self._findings, self.spool):
            folder.mkdir(mode=0o700, exist_ok=True)
        for folder in (self.lake, self._findings):
            for file in folder.iterdir():
                if _OURS.match(file.name) and file.name not in known:
                    file.unlink()
        self._files = max((int(name[:8]) for name in known if name), default=0)

    def _must_write(self) -> None:
        if self._lock is None:
            raise CaseError(f"{self.path}: opened for reading only")


@contextmanager
def _whole(file: Path) -> Iterator[None]:
    """Within it, damage to a file of the case is a `CaseError`; that it is missing is not."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise CaseError(f"{file}: damaged ({error}); restore it from a copy") from error


def _missing(file: Path) -> CaseError:
    return CaseError(f"{file}: missing, although the ledger lists it; restore it from a copy")


def _require(path: Path, *, create: bool) -> None:
    if path.exists() and not path.is_dir():
        raise CaseError(f"{path}: not a folder, so not a labrys case")
    if (path / "ledger.sqlite").exists():
        return
    if not create:
        raise CaseError(f"{path}: no labrys case here; `labrys scan` makes one")
    if path.exists() and any(name.name != "lock" for name in path.iterdir()):
        raise CaseError(f"{path}: a folder with other things in it; give a new name for the case")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CaseError(f"{path}: cannot be made ({error.strerror}); name another place") from error

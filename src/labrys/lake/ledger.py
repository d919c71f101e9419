"""The ledger: which sources were read how far, which segments and findings are part of the case.

SQLite in WAL mode with `synchronous=FULL`. A file in the case's folders is part of the case only
once a transaction here says so; that transaction also says how far its sources were read.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from labrys.errors import LabrysError
from labrys.lake.segment import Place, Written

VERSION: Final = 1
_SOURCE: Final = (
    *("name", "path", "size", "mtime_ns", "inode", "digest", "format", "version"),
    *("state", "batches", "rows", "unparsed", "problems", "same_as", "superseded_by"),
)
_SCHEMA: Final = """
CREATE TABLE sources (
  name TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL, digest TEXT NOT NULL, format TEXT NOT NULL, version TEXT NOT NULL,
  state TEXT NOT NULL, batches INTEGER NOT NULL, rows INTEGER NOT NULL,
  unparsed INTEGER NOT NULL, problems TEXT NOT NULL, same_as TEXT NOT NULL,
  superseded_by TEXT NOT NULL, PRIMARY KEY (name, digest));
CREATE INDEX sources_path ON sources (path);
CREATE INDEX sources_digest ON sources (digest);
CREATE TABLE segments (
  id INTEGER PRIMARY KEY, file TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL,
  time_min INTEGER, time_max INTEGER);
CREATE TABLE places (
  segment INTEGER NOT NULL, shape TEXT NOT NULL, first INTEGER NOT NULL, rows INTEGER NOT NULL,
  columns TEXT NOT NULL, PRIMARY KEY (segment, shape)) WITHOUT ROWID;
CREATE TABLE found (
  segment INTEGER NOT NULL, detector TEXT NOT NULL, digest TEXT NOT NULL, file TEXT NOT NULL,
  rows INTEGER NOT NULL, generation INTEGER NOT NULL,
  PRIMARY KEY (segment, detector)) WITHOUT ROWID;
"""


class CaseError(LabrysError):
    """A case folder is missing, damaged, in use, or not a case."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """How far one source of evidence was read.

    `state`: `done`; `partial` (resume after `batches`); `duplicate` (the same content as
    `same_as`, not read); `failed` (`problems` says why; what was read before stays); `unknown`
    (no format claims it); `growing` (read up to `size`, and watched: `digest` is then that of the
    content up to there, see `evidence.growth`). `path` is absolute, or "" for what was inside an archive.
    `superseded_by` is the digest of a newer content of the same file: both stay in the case.
    """

    name: str
    path: str
    size: int
    mtime_ns: int
    inode: int
    digest: str
    format: str
    version: str
    state: str = "partial"
    batches: int = 0
    rows: int = 0
    unparsed: int = 0
    problems: tuple[str, ...] = ()
    same_as: str = ""
    superseded_by: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """One Parquet file of the lake; times are epoch milliseconds."""

    id: int
    file: Path
    rows: int
    time_min: int | None
    time_max: int | None
    places: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Found:
    """What one detector found in one segment, or (`segment` 0) in the whole lake as it was."""

    segment: int
    detector: str
    digest: str
    file: str
    rows: int
    generation: int


class Ledger:
    """The case's SQLite file; every method is one transaction."""

    def __init__(self, path: Path, *, write: bool) -> None:
        self._path = path
        if not write and not path.exists():
            raise CaseError(f"{path.parent}: not a labrys case (no {path.name} in it)")
        try:
            self._db = _connect(path, write=write)
            self._check(create=write)
        except sqlite3.DatabaseError as reason:
            raise CaseError(f"{path}: the ledger cannot be read ({reason})") from reason

    def close(self) -> None:
        """Close the file; nothing is lost by not doing so."""
        self._db.close()

    def _check(self, *, create: bool) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and create:
            # One transaction with the version in it: a kill here leaves an empty file, not half.
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version == 0:
            raise CaseError(f"{self._path.parent}: this case is only being made; try again soon")
        elif version != VERSION:
            raise CaseError(
                f"{self._path}: ledger version {version}, but this labrys reads {VERSION};"
                " use the release that made the case, or scan into a new one"
            )

    # Sources

    def sources(self) -> list[SourceRow]:
        """Every source, in the order of names."""
        return self._sources("ORDER BY name, digest")

    def by_path(self, path: str) -> list[SourceRow]:
        """The sources that were read from an absolute path."""
        return self._sources("WHERE path = ? AND path <> '' ORDER BY rowid", path)

    def by_name(self, name: str) -> list[SourceRow]:
        """The sources that were read under a name."""
        return self._sources("WHERE name = ? ORDER BY rowid", name)

    def by_digest(self, digest: str) -> list[SourceRow]:
        """The sources with the given content."""
        return self._sources("WHERE digest = ? ORDER BY rowid", digest)

    def _sources(self, rest: str, *values: Any) -> list[SourceRow]:
        query = f"SELECT {', '.join(_SOURCE)} FROM sources {rest}"  # noqa: S608 our own words
        rows = self._db.execute(query, values)
        return [_source(row) for row in rows]

    # Segments and findings

    def segments(self, folder: Path) -> list[Segment]:
        """Every segment, oldest first."""
        places: dict[int, dict[str, Place]] = {}
        query = "SELECT segment, shape, first, rows, columns FROM places ORDER BY segment, first"
        for segment, shape, first, rows, columns in self._db.execute(query):
            pairs = tuple((name, kept) for name, kept in json.loads(columns))
            places.setdefault(segment, {})[shape] = Place(first, rows, pairs)
        query = "SELECT id, file, rows, time_min, time_max FROM segments ORDER BY id"
        return [
            Segment(number, folder / file, rows, low, high, places.get(number, {}))
            for number, file, rows, low, high in self._db.execute(query)
        ]

    def found(self) -> list[Found]:
        """What each detector found last in each segment."""
        query = "SELECT segment, detector, digest, file, rows, generation FROM found ORDER BY 1, 2"
        return [Found(*row) for row in self._db.execute(query)]

    def record(
        self,
        segments: Sequence[tuple[str, Written]],
        sources: Sequence[SourceRow],
        found: Iterable[Found],
    ) -> list[int]:
        """Make segments, findings and reading progress part of the case, all or none.

        A `Found.segment` below 0 means the new segment number `-segment - 1` of this call; a
        `Found.generation` of 0 the one after it.
        """
        numbers = []
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for file, written in segments:
                numbers.append(self._add_segment(file, written))
            for source in sources:
                self._forget_empty(source)
            for source in sources:
                self._put_source(source)
            generation = self.generation()
            for item in found:
                segment = numbers[-item.segment - 1] if item.segment < 0 else item.segment
                self._db.execute(
                    "INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        *(segment, item.detector, item.digest, item.file, item.rows),
                        item.generation or generation,
                    ),
                )
        return numbers

    def replace(
        self,
        old: Sequence[int],
        new: tuple[str, Written],
        found: Iterable[Found],
    ) -> int:
        """Put one segment in the place of several, with what was found in them; its number.

        What was found in the whole lake stays true: the records are the same.
        """
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            before = self.generation()
            number = self._add_segment(*new)
            marks = [(each,) for each in old]
            for name, column in (("segments", "id"), ("places", "segment"), ("found", "segment")):
                query = f"DELETE FROM {name} WHERE {column} = ?"  # noqa: S608 our own words
                self._db.executemany(query, marks)
            self._db.executemany(
                "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?)",
                [(number, i.detector, i.digest, i.file, i.rows, number) for i in found],
            )
            self._db.execute(
                "UPDATE found SET generation = ? WHERE segment = 0 AND generation = ?",
                (number, before),
            )
        return number

    def generation(self) -> int:
        """A number that grows with every segment."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM segments").fetchone()[0])

    def _add_segment(self, file: str, written: Written) -> int:
        number = self._db.execute(
            "INSERT INTO segments (file, rows, time_min, time_max) VALUES (?, ?, ?, ?)",
            (file, written.rows, written.time_min, written.time_max),
        ).lastrowid
        self._db.executemany(
            "INSERT INTO places VALUES (?, ?, ?, ?, ?)",
            [
                (number, shape, place.first, place.rows, json.dumps(place.columns))
                for shape, place in written.places.items()
            ],
        )
        return int(number or 0)

    def _forget_empty(self, source: SourceRow) -> None:
        """Drop what earlier attempts said of a file that they could not even begin to read."""
        if source.digest:
            self._db.execute(
                "DELETE FROM sources WHERE name = ? AND digest <> ? AND rows = 0 AND batches = 0"
                " AND (path = ? OR digest = '')",
                (source.name, source.digest, source.path),
            )

    def _put_source(self, source: SourceRow) -> None:
        if source.state == "growing":
            self._db.execute(
                "DELETE FROM sources WHERE name = ? AND state = 'growing' AND digest <> ?",
                (source.name, source.digest),
            )
        have = self._db.execute(
            "SELECT state FROM sources WHERE name = ? AND digest = ?", (source.name, source.digest)
        ).fetchone()
        if source.state == "duplicate" and have and have[0] != "duplicate":
            return
        values = [getattr(source, name) for name in _SOURCE]
        values[_SOURCE.index("problems")] = json.dumps(source.problems)
        marks = ", ".join("?" * len(_SOURCE))
        query = f"INSERT OR REPLACE INTO sources VALUES ({marks})"  # noqa: S608 our own words
        self._db.execute(query, values)
        if not have and source.path:
            self._db.execute(
                "UPDATE sources SET superseded_by = ? WHERE path = ? AND name = ? AND digest <> ?",
                (source.digest, source.path, source.name, source.digest),
            )


def _connect(path: Path, *, write: bool) -> sqlite3.Connection:
    if write:
        db = sqlite3.connect(path, timeout=30, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        return db
    # Without the right to write beside the ledger, SQLite cannot keep its shared memory there.
    mode = "mode=ro" if os.access(path.parent, os.W_OK) else "mode=ro&immutable=1"
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=30)
    db.execute("PRAGMA query_only = ON")
    return db


def _source(row: Sequence[Any]) -> SourceRow:
    values = dict(zip(_SOURCE, row, strict=True))
    values["problems"] = tuple(json.loads(values["problems"]))
    return SourceRow(**values)

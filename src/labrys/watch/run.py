"""The watch itself: look, read what has grown, search it, tell; now and then correlate and join.

One loop in one thread. Rows are searched as soon as they have come; detectors over windows,
correlations and incidents follow at intervals, beside the loop, and only if something has changed. Nothing is asked
of a worker while what it read before has not been taken in, so that a flood of evidence waits in
its files and not in memory.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import numpy as np
import pyarrow as pa

from labrys.decisions import hidden, kept
from labrys.detect.sigma.findings import MATCH
from labrys.evidence.growth import CHAIN, MOST, Known
from labrys.evidence.unpack.limits import Problem
from labrys.evidence.unpack.walk import text
from labrys.lake.case import Case, Result
from labrys.lake.ledger import Segment, SourceRow
from labrys.scan.ingest import CONTAINER, Session, Watcher, grown_before, own_names, writing
from labrys.scan.pool import Pool
from labrys.scan.run import Equipment, Options, Scan, concluded, detect_rest
from labrys.scan.wire import Offer, Round, Whole
from labrys.scan.worker import Bounds, Task
from labrys.watch.aside import Aside, Beside
from labrys.watch.files import File, Files
from labrys.watch.source import Fed

_TICK: Final = 0.02
"""How long the loop waits for workers at a time, in seconds."""
_GATHER: Final = 0.1
"""What has come is searched after so many seconds, also while more is coming."""
_SHARE: Final = 4
"""Looking for files, and joining findings, may take one part in so many of the time."""
_ASKED: Final = 64
"""So many pieces are asked for at a time."""
_CONTENTS: Final = 8
"""So many older contents of a file are compared with it."""
_SMALL: Final = 64
"""From so many small segments on they are put together."""


class Listener(Protocol):
    """Is told what the watch finds."""

    def findings(self, found: pa.Table) -> None:
        """New findings that are in the case (`ocsf.schema.FINDING`), none hidden by an exception."""

    def incidents(self, scan: Scan) -> None:
        """All there is now, after detectors over windows, correlations and triage have run."""


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds: how often to look for growth, to join findings, and when a file rests.

    `idle`: end when nothing has grown for so long; None: never.
    """

    look: float = 0.2
    every: float = 10.0
    settle: float = 1.0
    idle: float | None = None


@dataclass(slots=True)
class _Due:
    """When something is to be done again, at most one part in `_SHARE` of the time."""

    every: float
    at: float = 0.0

    def done(self, seconds: float) -> None:
        """It has been done just now and took so long."""
        self.at = time.monotonic() + max(self.every, seconds * (_SHARE - 1))


@dataclass(frozen=True, slots=True)
class _Found:
    """What windows and correlations found in the case as it was at a generation."""

    generation: int
    put: tuple[tuple[Segment | None, Result], ...]
    notes: tuple[str, ...]
    begun: float


@dataclass
class Watch:
    """One watch over paths into a case; `stop` is asked in each round whether to end."""

    case: Case
    options: Options
    tools: Equipment
    pace: Pace
    listener: Listener
    watcher: Watcher
    stop: Callable[[], bool]
    fed: Fed | None = None
    expire: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        reading = self.options.reading
        self._session = Session(self.case, reading, self.tools.rows, self.watcher, self._found)
        own = tuple(own_names(self.case.path, self.options.paths))
        writing = self.fed.writing if self.fed is not None else lambda _: False
        self._files = Files(self.options.paths, self.pace.settle, own, writing)
        self._asked: dict[str, File] = {}
        self._queue: deque[Task] = deque()
        self._look = _Due(self.pace.look)
        self._join = _Due(self.pace.every)
        self._gathered = 0.0
        self._read: list[File] = []
        self._joined = 0
        self._beside = Beside(self.case.path)

    def run(self) -> Scan:
        """Watch until told to stop; what the case then holds."""
        begun = (time.monotonic(), 0.0)
        reading = self.options.reading
        bounds = Bounds(self.case.spool, reading.limits, reading.memory)
        pool = Pool(max(1, reading.jobs), bounds, reading.stall_seconds)
        try:
            if self.fed is not None:
                self.fed.begin()
            while not self.stop():
                self._round(pool)
                ended = self.fed is not None and self.fed.ended and not self.options.paths[1:]
                idle = self.pace.settle if ended else self.pace.idle
                if idle is not None and self._over(idle):
                    self._see()  # what came since the last look
                    if self._over(idle):
                        self._drain(pool)
                        break
            self._flush()
        finally:
            self._beside.close()
            pool.close()
            self._files.close()
        made = self._conclude(begun)
        self.case.compact(_SMALL)
        return made

    def _round(self, pool: Pool) -> None:
        if time.monotonic() >= self._look.at:
            self._see()
            self._look.done(self._files.look_seconds)
        self._ask()
        self._hear(pool)
        if self._session.gathered and (
            not self._asked or time.monotonic() - self._gathered > _GATHER
        ):
            self._flush()
        self._tend()

    def _behind(self) -> bool:
        """Whether evidence waits to be read: joining can wait, but not for ever."""
        waits = bool(self._asked or self._queue)
        return waits and time.monotonic() < self._join.at + self.pace.every

    def _over(self, idle: float) -> bool:
        waits = bool(self._asked or self._queue or self._session.gathered)
        return not waits and self._files.quiet >= idle

    def _drain(self, pool: Pool) -> None:
        """Read also what a line without an end still waits for: nothing more will come."""
        self._ask(ending=True)
        while (self._asked or self._queue) and not self.stop():
            self._hear(pool)
            self._ask(ending=True)

    # Reading

    def _see(self) -> None:
        for item in self._files.look():
            if isinstance(item, Problem):
                self._session.problem(item)
            else:
                self._begin(item)

    def _begin(self, file: File) -> None:
        """A file that is new to this watch, but perhaps not to the case."""
        try:
            known = self.case.known(file.path, file.path.stat())
        except OSError:
            return
        if known is None or known.state == "failed":
            return
        self._session.names.add(known.name)
        file.read, file.number = known.size, known.rows
        # Whether it still begins with that is asked when it grows.
        file.way = "known" if known.format != CONTAINER else "whole"

    def _ask(self, *, ending: bool = False) -> None:
        """Give the workers something to do, but never more than they can soon hand back."""
        whole = sum(file.way == "whole" for file in self._asked.values())
        before: tuple[Known, ...] | None = None
        for file in list(self._files.due(ending=ending)):
            if len(self._asked) >= _ASKED:
                return
            if file.name in self._asked:  # two files of one name: after a rotation
                continue
            if file.way == "whole":
                if whole >= max(1, self.options.reading.jobs - 1):
                    continue
                whole += 1
            known: tuple[Known, ...] = ()
            if file.way == "known":
                file.again()
            if file.read == 0:
                before = grown_before(self.case) if before is None else before
                known = (*before, *self._own(file))
            self._asked[file.name] = file
            self._queue.append(self._task(file, known, ending=ending))

    def _own(self, file: File) -> tuple[Known, ...]:
        """What was read of a file as a whole before it was watched, or as another content of it."""
        rows = self.case.read_from(file.path)
        return tuple(
            Known(row.size, row.digest, row.rows)
            for row in rows
            if row.state == "done" and row.format != CONTAINER
            if not row.digest.startswith(CHAIN)
        )[-_CONTENTS:]

    def _task(self, file: File, known: tuple[Known, ...], *, ending: bool) -> Task:
        row = SourceRow(
            file.name,
            text(str(file.path.absolute())),
            *(file.size, file.mtime_ns, file.inode),
            digest=CONTAINER,
            format=CONTAINER,
            version="",
        )
        if file.way == "whole":
            file.asked, file.read = True, file.size
            self._session.expect(row)
            return Task(((str(file.path), file.name),), known=known)
        piece = self._files.piece(file, known, ending=ending)
        self._session.expect(row, growing=True, anew=piece.start == 0)
        return Task(((file.opened(), file.name),), pieces={file.name: piece})

    def _hear(self, pool: Pool) -> None:
        for message, reply in pool.pump(self._queue, _TICK):
            if isinstance(message, Round):
                self._take(message)
            elif isinstance(message, Offer):
                reply.skip = self._session.offered(message)
            else:
                if isinstance(message, Whole) and message.name in self._asked:
                    self._asked[message.name].way = "whole"
                if (
                    isinstance(message, Problem)
                    and message.offset < 0
                    and message.name in self._asked
                ):
                    self._skip(self._asked[message.name])
                self._session.told(message)

    def _take(self, message: Round) -> None:
        if not self._session.gathered:
            self._gathered = time.monotonic()
        self._session.received(message)
        for grown in message.grown:
            file = self._asked.get(grown.name)
            if file is not None:
                known = (
                    file.read == 0
                    and grown.end < file.size
                    and grown.number
                    and not message.batches
                )
                file.tried = (-1, "") if known else file.tried
                file.way, file.format = "pieces", grown.format
                file.number, file.link, file.head = grown.number, grown.link, grown.head
                self._files.was_read(file, grown.end)
        for name in message.finished:
            done = self._asked.pop(name, None)
            if done is not None:
                done.asked = False
                if self.fed is not None and not done.rest and done.way:
                    self._read.append(done)

    def _skip(self, file: File) -> None:
        """What no reader survives is not read again and again."""
        if file.way != "whole" and file.rest:
            self._files.was_read(file, min(file.size, file.read + MOST))
            file.tried = (-1, "")
        file.asked = False
        self._asked.pop(file.name, None)

    # Telling

    def _flush(self) -> None:
        self._session.flush()
        # Not before what was read of them is safe.
        while self.fed is not None and self._read:
            done = self._read.pop()
            if not done.rest:
                self.fed.finished(done.path)

    def _found(self, results: Sequence[Result]) -> None:
        tables = [each.table for each in results if each.detector != MATCH and each.table.num_rows]
        if tables:
            self.listener.findings(self._visible(pa.concat_tables(tables)))

    def _visible(self, found: pa.Table) -> pa.Table:
        masks = hidden(found, kept(self.case.path, self.options.decisions).exclusions)
        return found if not masks else found.filter(pa.array(~np.logical_or.reduce(masks)))

    def _tend(self) -> None:
        """What takes longer, beside reading: windows and correlations, then triage, then order."""
        if self._beside.running:
            return
        if (found := self._beside.result(_Found)) is not None:
            with writing(self.case):
                for segment, result in found.put:
                    self.case.put_findings(segment, result, found.generation)
            self._beside.start(partial(self._triaged, found))
        elif (made := self._beside.result(Scan)) is not None:
            self.listener.incidents(made)
            same = self.case.generation() == self._joined
            self.case.compact(_SMALL)
            self._joined = self.case.generation() if same else self._joined
            if self.expire is not None:
                self.expire()
            self._join.done(made.seconds)
        elif time.monotonic() >= self._join.at and not self._behind():
            generation = self.case.generation()
            if generation != self._joined:
                self._joined = generation
                self._beside.start(self._correlated)
            else:
                self._join.done(0)

    def _correlated(self, case: Aside) -> "_Found":
        """What windows and correlations come to; nothing is written."""
        begun = time.monotonic()
        generation = case.generation()
        notes = tuple(detect_rest(case, self.tools, self.options, self.watcher))
        return _Found(generation, tuple(case.put), notes, begun)

    def _triaged(self, found: "_Found", case: Aside) -> Scan:
        begun = (found.begun, 0.0)
        names = frozenset(self._session.names)
        return concluded(case, self.tools, names, found.notes, begun, self.options)

    def _conclude(self, begun: tuple[float, float]) -> Scan:
        with writing(self.case):
            problems = list(detect_rest(self.case, self.tools, self.options, self.watcher))
        names = frozenset(self._session.names)
        made = concluded(self.case, self.tools, names, tuple(problems), begun, self.options)
        self.listener.incidents(made)
        return made

"""Correlates and joins beside the watch, in a thread that only reads the case.

So reading and searching go on meanwhile. Only the watch's own thread writes: what detectors over
windows found is handed to it, together with the state of the case that it is true of.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from labrys.lake.case import Case, Result
from labrys.lake.ledger import Segment

_Made = TypeVar("_Made")


class Aside(Case):
    """A case that is only read; what is put into it waits in `put` for who may write."""

    put: list[tuple[Segment | None, Result]]

    def put_findings(
        self, segment: Segment | None, result: Result, generation: int | None = None
    ) -> None:
        """Keep a result for who may write."""
        self.put.append((segment, result))


class Beside:
    """One piece of work at a time, beside everything else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(1, "labrys-join")
        self._work: Future[object] | None = None

    def start(self, work: Callable[[Aside], object]) -> None:
        """Begin a piece of work on the case as it is now."""
        self._work = self._pool.submit(self._run, work)

    @property
    def running(self) -> bool:
        """Whether there is work that is not done."""
        return self._work is not None and not self._work.done()

    def result(self, kind: type[_Made]) -> _Made | None:
        """What the work came to, once; waits for it. Raises what it raised."""
        work, self._work = self._work, None
        made = work.result() if work is not None else None
        return made if isinstance(made, kind) else None

    def close(self) -> None:
        """Wait for the work to end."""
        self._pool.shutdown(wait=True)

    def _run(self, work: Callable[[Aside], object]) -> object:
        with Aside.open(self._path, create=False, write=False) as case:
            case.put = []
            return work(case)

"""The parent's side of the reading processes: deals out files, outlives crashes and stalls."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final

import msgspec

from labrys.evidence.growth import Known
from labrys.evidence.unpack.limits import Problem
from labrys.scan.wire import Beat, Idle, Offer, Opening, Round, Unread, Whole, decode
from labrys.scan.worker import Bounds, Task, serve

_TASK_FILES: Final = 64
_TASK_BYTES: Final = 16 << 20
_TRIES: Final = 3
_PR_SET_PDEATHSIG: Final = 1

Message = Offer | Round | Beat | Whole | Problem


@dataclass(slots=True)
class Reply:
    """Lets the one who iterates answer an `Offer`: skip so many batches, or None to refuse."""

    skip: int | None = 0


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: Task | None = None
    open_file: str = ""
    open_source: str = ""
    left: deque[tuple[str, str]] = field(default_factory=deque)
    heard: float = 0.0


class Pool:
    """Reading processes that share one queue of files."""

    def __init__(self, jobs: int, bounds: Bounds, stall_seconds: float) -> None:
        self._bounds = bounds
        self._stall = stall_seconds
        # Forked before this process has threads of its own, so that a start costs nothing;
        # replacements for crashed ones come later and must be spawned.
        self._workers: list[_Worker] = []
        for _ in range(jobs):
            self._workers.append(self._start("fork"))

    def _start(self, method: str) -> _Worker:
        context: Any = multiprocessing.get_context(method)
        ours, theirs = context.Pipe()
        inherited = (*(worker.pipe for worker in self._workers), ours) if method == "fork" else ()
        process = context.Process(
            target=_child,
            args=(theirs, inherited, self._bounds),
            daemon=True,
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, heard=time.monotonic())

    def read(
        self, files: Iterable[tuple[str, str, int]], known: tuple[Known, ...] = ()
    ) -> Iterator[tuple[Message, Reply]]:
        """Everything the workers say about (path, name, size) files, until all are read.

        An `Offer` is answered with what the caller has left in the `Reply` beside it.
        """
        queue = deque(replace(task, known=known) for task in _tasks(files))
        while queue or self.busy:
            yield from self.pump(queue, 1.0)

    @property
    def busy(self) -> int:
        """How many workers have something to do."""
        return sum(worker.task is not None for worker in self._workers)

    def pump(self, queue: deque[Task], timeout: float) -> Iterator[tuple[Message, Reply]]:
        """What the workers say within so many seconds; who has nothing to do takes from `queue`."""
        for worker in self._workers:
            if worker.task is None and queue:
                self._deal(worker, queue)
        busy = [worker for worker in self._workers if worker.task is not None]
        ready = wait([worker.pipe for worker in busy], timeout)
        for worker in busy:
            if worker.pipe in ready:
                yield from self._hear(worker, queue)
            elif time.monotonic() - worker.heard > self._stall:
                worker.process.kill()
                reason = f"no progress in {self._stall:.0f} s, given up"
                yield from self._replace(worker, queue, reason)

    def _deal(self, worker: _Worker, queue: deque[Task]) -> None:
        worker.task = queue.popleft() if queue else None
        worker.open_file = worker.open_source = ""
        if worker.task is not None:
            worker.left = deque(worker.task.files)
            worker.heard = time.monotonic()
            worker.pipe.send(worker.task)

    def _hear(self, worker: _Worker, queue: deque[Task]) -> Iterator[tuple[Message, Reply]]:
        try:
            message = decode(worker.pipe.recv_bytes())
        except (EOFError, OSError):
            worker.process.join(5)
            yield from self._replace(worker, queue, _ended(worker.process.exitcode))
            return
        except msgspec.DecodeError:
            worker.process.kill()
            yield from self._replace(worker, queue, "no longer makes sense, given up")
            return
        worker.heard = time.monotonic()
        if isinstance(message, Idle):
            self._deal(worker, queue)
            return
        if isinstance(message, Unread):
            yield Problem(message.name, message.offset, message.reason), Reply()
            return
        reply = Reply()
        if isinstance(message, Opening):
            if message.file != worker.open_file:
                yield Beat(message.file, 0), Reply()
            worker.open_file, worker.open_source = message.file, ""
            return
        if isinstance(message, Offer):
            worker.open_source = message.name
        elif isinstance(message, Round):
            for _ in message.finished:
                worker.left.popleft()
        yield message, reply
        if isinstance(message, Offer):
            with suppress(OSError):
                worker.pipe.send(reply.skip)

    def _replace(
        self, worker: _Worker, queue: deque[Task], reason: str
    ) -> Iterator[tuple[Message, Reply]]:
        """Blame what was open, and read the rest of the task elsewhere.

        A file of which only a part is to blame (an archive) becomes a task of its own, so that
        what is left out of it, and how often it is tried again, concerns no other file.
        """
        worker.pipe.close()
        left, task = worker.left, worker.task
        file = worker.open_file or (left[0][1] if left else "")
        blamed = worker.open_source or file
        yield Problem(blamed, -1, f"reader {reason}"), Reply()
        rest = tuple(each for each in left if each[1] != file)
        if rest and task is not None:
            queue.appendleft(replace(task, files=rest))
        if task is not None and blamed != file:
            skip = task.skip | {blamed}
            if len(skip) < _TRIES:
                again = tuple(each for each in left if each[1] == file)
                queue.appendleft(replace(task, files=again, skip=skip))
            else:
                reason = f"its readers failed {len(skip)} times: the rest of it was not read"
                yield Problem(file, -1, reason), Reply()
        fresh = self._start("spawn")
        self._workers[self._workers.index(worker)] = fresh
        self._deal(fresh, queue)

    def close(self) -> None:
        """End every worker at once."""
        for worker in self._workers:
            with suppress(OSError):
                worker.pipe.close()
            worker.process.kill()
        for worker in self._workers:
            worker.process.join(5)


def _child(pipe: Connection, inherited: tuple[Connection, ...], bounds: Bounds) -> None:
    # The parent decides what an interrupt means; a worker just dies with its pipe, which it can
    # only notice if no copy of the other end is open here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in inherited:
        other.close()
    die_with_parent()
    serve(pipe, bounds)


def die_with_parent() -> None:
    """A reader that hangs never looks at its pipe: without this it would outlive a killed scan."""
    parent = multiprocessing.parent_process()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    elif parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    if parent is not None and not parent.is_alive():  # it was killed just before
        os._exit(1)


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended unexpectedly (exit code {code})"


def _tasks(files: Iterable[tuple[str, str, int]]) -> Iterator[Task]:
    """Files in their order, small ones together, large ones alone."""
    group: list[tuple[str, str]] = []
    size = 0
    for path, name, length in files:
        if group and (len(group) >= _TASK_FILES or size + length > _TASK_BYTES):
            yield Task(tuple(group))
            group, size = [], 0
        group.append((path, name))
        size += length
    if group:
        yield Task(tuple(group))

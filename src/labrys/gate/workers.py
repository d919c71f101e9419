"""The processes that judge: messages go out in small groups, and none can take the gate down.

A process that dies, hangs or eats its memory takes only its group with it: each message of that is
tried once more alone, and what then fails again is not judged (None). Answers are msgpack, never
pickled: whoever takes over a process through a message could then run code in the gate.
"""

import asyncio
import multiprocessing
import resource
import signal
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final

import msgspec

from labrys.gate.judge import Judge, Judgement
from labrys.scan.pool import die_with_parent

Make = Callable[[], Judge]
Rows = list[dict[str, Any]]
"""Of a message that breaks with the past (`detect.mail_relation.profile`)."""

_GROUP: Final = 32
_GROUP_BYTES: Final = 4 << 20
_LOADING: Final = 60.0
"""Seconds that a process may take until it can judge."""
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_REQUEST: Final = msgspec.msgpack.Decoder(list[bytes | Rows])
_ANSWER: Final = msgspec.msgpack.Decoder(list[Judgement])


@dataclass(slots=True)
class _Asked:
    """A message that waits for its judgement."""

    content: bytes | Rows
    size: int
    answer: "asyncio.Future[Judgement | None]"
    alone: bool = False


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection


@dataclass(slots=True)
class Workers:
    """So many processes; `make` gives each its judge, `seconds` is how long a group may take.

    `most_bytes` is what may wait at once; beyond it a message is not judged.
    """

    make: Make
    jobs: int = 2
    memory: int = 1 << 30
    seconds: float = 20.0
    most_bytes: int = 256 << 20
    _waiting: "deque[_Asked]" = field(default_factory=deque)
    _held: int = 0
    _idle: "list[_Worker]" = field(default_factory=list)
    _threads: ThreadPoolExecutor | None = None
    _groups: "set[asyncio.Task[None]]" = field(default_factory=set)

    def start(self) -> None:
        """Start the processes; before this one has threads, so that they share what is loaded."""
        judge = self.make()
        self._idle = [self._process("fork", lambda: judge) for _ in range(self.jobs)]
        self._threads = ThreadPoolExecutor(self.jobs)

    def close(self) -> None:
        """End every process at once."""
        for worker in self._idle:
            worker.process.kill()
            worker.pipe.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    async def judge(self, content: bytes) -> Judgement | None:
        """The judgement of a message; None where there could be none in time."""
        return await self._asked(content, len(content), first=False)

    async def related(self, rows: Rows) -> Judgement | None:
        """What is told of a message that breaks with the past; None where that could not be asked."""
        size = sum(len(str(value)) for row in rows for value in row.values())
        return await self._asked(rows, size, first=True)

    async def _asked(self, content: bytes | Rows, size: int, *, first: bool) -> Judgement | None:
        if self._held + size > self.most_bytes:
            return None
        asked = _Asked(content, size, asyncio.get_running_loop().create_future())
        self._held += size
        try:
            (self._waiting.appendleft if first else self._waiting.append)(asked)
            self._deal()
            return await asked.answer
        finally:
            self._held -= size

    def _deal(self) -> None:
        """Give each idle process what waits, in groups."""
        while self._idle and self._waiting:
            group = self._next()
            if group:
                task = asyncio.create_task(self._ask(self._idle.pop(), group))
                self._groups.add(task)
                task.add_done_callback(self._groups.discard)

    def _next(self) -> list[_Asked]:
        group: list[_Asked] = []
        size = 0
        while self._waiting and len(group) < _GROUP:
            first = self._waiting[0]
            if group and (first.alone or group[0].alone or size + first.size > _GROUP_BYTES):
                break
            self._waiting.popleft()
            if not first.answer.cancelled():
                group.append(first)
                size += first.size
        return group

    async def _ask(self, worker: _Worker, group: list[_Asked]) -> None:
        request = _ENCODE([each.content for each in group])
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._threads, _exchange, worker, request, self.seconds)
        if answer is None or len(answer) != len(group):
            worker.process.kill()
            worker.pipe.close()
            self._again(group)
            worker = await loop.run_in_executor(self._threads, self._process, "spawn", self.make)
        else:
            for each, judged in zip(group, answer, strict=True):
                _tell(each, judged)
        self._idle.append(worker)
        self._deal()

    def _again(self, group: list[_Asked]) -> None:
        for each in reversed(group):
            if len(group) == 1:
                _tell(each, None)
            else:
                each.alone = True
                self._waiting.appendleft(each)

    def _process(self, method: str, make: Make) -> _Worker:
        context: Any = multiprocessing.get_context(method)
        ours, theirs = context.Pipe()
        # A fork holds copies of the pipes of those before it, and of the other end of its own.
        held = [*(each.pipe for each in self._idle), ours] if method == "fork" else []
        process = context.Process(
            target=_serve, args=(theirs, held, make, self.memory), daemon=True
        )
        process.start()
        theirs.close()
        # Loading counts for no message: it may take longer than judging ever may.
        with suppress(OSError, EOFError):
            if ours.poll(_LOADING):
                ours.recv_bytes()
        return _Worker(process, ours)


def _tell(asked: _Asked, judged: Judgement | None) -> None:
    if not asked.answer.done():
        asked.answer.set_result(judged)


def _exchange(worker: _Worker, request: bytes, seconds: float) -> list[Judgement] | None:
    """Ask a process and wait for its answer; None where it gives none, or none that makes sense."""
    try:
        worker.pipe.send_bytes(request)
        if not worker.pipe.poll(seconds):
            return None
        return _ANSWER.decode(worker.pipe.recv_bytes())
    except (OSError, EOFError, ValueError):
        return None


def _serve(pipe: Connection, inherited: list[Connection], make: Make, memory: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in inherited:
        other.close()
    die_with_parent()
    judge = make()
    # Address space, not resident size, is what can be limited; allocators reserve generously.
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = memory + (4 << 30)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the other end is gone
        pipe.send_bytes(b"ready")
        while True:
            pipe.send_bytes(_ENCODE(_answers(judge, _REQUEST.decode(pipe.recv_bytes()))))


def _answers(judge: Judge, asked: list[bytes | Rows]) -> list[Judgement]:
    made = iter(judge.judge([each for each in asked if isinstance(each, bytes)]))
    return [next(made) if isinstance(each, bytes) else judge.related(each) for each in asked]

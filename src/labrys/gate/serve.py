"""Runs the gate: a milter for the mail server, an HTTP check for everybody else, one set of judges."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labrys.errors import LabrysError
from labrys.gate.decide import Gate
from labrys.gate.http import Api, Terms
from labrys.gate.judge import Judgement
from labrys.gate.milter import Envelope, Session
from labrys.gate.policy import Action

_MOST_CONNECTIONS: Final = 256
_LAST_WORDS: Final = 0.1
"""Seconds in which an answer that is ready goes out."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: `unix:PATH`, or host and port."""

    host: str
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """`unix:PATH`, `inet:PORT@HOST` as mail servers write it, or `HOST:PORT`; else LabrysError."""
    if text.startswith("unix:"):
        return Address("", 0, text.removeprefix("unix:"))
    if text.startswith("inet:"):
        port, _, host = text.removeprefix("inet:").partition("@")
    else:
        host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65_535:
        raise LabrysError(f"{text!r} is no address; write HOST:PORT, inet:PORT@HOST or unix:PATH")
    return Address(host.strip("[]") or "127.0.0.1", int(port))


class Doors:
    """What listens, and the connections there are."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_MOST_CONNECTIONS)

    async def open(self, serve: Serve, where: Address) -> asyncio.Server:
        """Listen, and `serve` each connection; LabrysError where that cannot be."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._open.add(task)
            try:
                async with self._slots:
                    await serve(reader, writer)
            except asyncio.CancelledError:
                pass  # only `close` does that
            finally:
                self._open.discard(task)

        try:
            if where.path:
                Path(where.path).unlink(missing_ok=True)
                made = await asyncio.start_unix_server(connected, where.path)
            else:
                made = await asyncio.start_server(connected, where.host, where.port)
        except OSError as error:
            raise LabrysError(f"cannot listen on {where}: {error.strerror or error}") from error
        self._servers.append(made)
        return made

    async def close(self, gate: Gate, seconds: float = 30.0) -> None:
        """Take nothing new, answer what is being judged, then end every connection."""
        for server in self._servers:
            server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await gate.quiet.wait()
        await asyncio.sleep(_LAST_WORDS)
        for task in (there := tuple(self._open)):
            task.cancel()
        await asyncio.gather(*there, return_exceptions=True)


async def run(
    gate: Gate,
    milter: Address,
    http: Address | None,
    ready: Callable[[], None],
    terms: Terms | None = None,
) -> None:
    """Serve until the process is told to end (SIGINT, SIGTERM); `ready` is called when it listens.

    Raises LabrysError where it cannot listen.
    """
    doors = Doors()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, ended.set)
    asked_on = terms or Terms()

    async def decide(content: bytes, envelope: Envelope) -> tuple[Judgement | None, Action]:
        asked_on.probing.mail()
        return await gate.decide(content, envelope)

    await doors.open(lambda *pair: Session(decide, gate.host).run(*pair), milter)
    if http is not None:
        await doors.open(lambda *pair: Api(gate, asked_on).run(*pair), http)
    ready()
    await ended.wait()
    await doors.close(gate)

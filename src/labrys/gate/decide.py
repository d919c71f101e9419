"""Judges a message, decides by the policy, and remembers what was not simply let through."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from labrys.gate.judge import Judgement, joined
from labrys.gate.milter import Envelope
from labrys.gate.policy import Action, Policy
from labrys.gate.reports import Reported
from labrys.gate.sketch import signature
from labrys.gate.store import Report, Store, now
from labrys.gate.workers import Workers

if TYPE_CHECKING:
    from labrys.gate.history import History

_PAUSE: Final = 5.0
"""Seconds between two times that what was learnt is written down."""
REPORTED: Final = "reported"
"""Folder, in that of the gate, of the messages that people reported."""


@dataclass(slots=True)
class Gate:
    """What all connections share. `folder` holds the ledger and what was reported."""

    workers: Workers
    policy: Policy
    store: Store
    folder: Path
    host: str
    history: "History | None" = None
    seen: Counter[str] = field(default_factory=Counter)
    quiet: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while no message is being judged."""
    _busy: int = 0
    _due: asyncio.TimerHandle | None = None
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def __post_init__(self) -> None:
        self.quiet.set()

    async def decide(self, content: bytes, envelope: Envelope) -> tuple[Judgement | None, Action]:
        """Judge a message, remember it if it is not simply let through, and say what to do."""
        self._busy += 1
        self.quiet.clear()
        try:
            return await self._decided(content, envelope)
        finally:
            self._busy -= 1
            if not self._busy:
                self.quiet.set()

    async def _decided(self, content: bytes, envelope: Envelope) -> tuple[Judgement | None, Action]:
        judged = await self.workers.judge(content)
        rows = self.history.broken(judged) if self.history and judged else None
        if judged is not None and rows:
            judged = joined(judged, await self.workers.related(rows))
        action = self.policy.action(judged)
        # Whoever asks over HTTP has no envelope, and teaches nothing.
        if judged is not None and envelope.recipients and action in (Action.ACCEPT, Action.TAG):
            self._learn(judged, envelope)
        self.seen[str(action)] += 1
        self.seen["messages"] += 1
        self.seen["not judged"] += judged is None
        if action != Action.ACCEPT:
            try:
                await self._off(lambda: self.store.keep(judged, action, envelope))
            except Exception:  # a full disk must not stop the mail, only be counted
                self.seen["not written down"] += 1
        return judged, action

    async def report(self, said: Reported, label: str, reporter: str) -> bool:
        """Keep what somebody says of a message; False where nobody says what it is."""
        wanted = said.label or ("spam" if label == "spam" else "ham" if label == "ham" else None)
        if wanted is None:
            return False
        judged = await self.workers.judge(said.content)
        made = Report(
            digest=said.digest,
            label=wanted,
            reporter=reporter[:200],
            time=now(),
            severity=judged.severity if judged is not None else 0,
            signature=signature(judged.runs) if judged is not None else "",
        )

        def write() -> None:
            kept = self.folder / REPORTED
            kept.mkdir(mode=0o700, exist_ok=True)
            (kept / f"{said.digest}.eml").write_bytes(said.content)
            self.store.report(made)

        await self._off(write)
        self.seen["reports"] += 1
        return True

    def _learn(self, judged: Judgement, envelope: Envelope) -> None:
        if self.history is None:
            return
        self.history.passed(judged, envelope)
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(_PAUSE, self._save)

    def _save(self) -> None:
        self._due = None
        assert self.history is not None
        write = self._writer.submit(self.history.saving())
        write.add_done_callback(self._saved)

    def _saved(self, done: "Future[None]") -> None:
        self.seen["not written down"] += done.exception() is not None

    async def _off(self, write: Callable[[], None]) -> None:
        """Write elsewhere: a disk that is slow must not keep other connections waiting."""
        await asyncio.get_running_loop().run_in_executor(self._writer, write)

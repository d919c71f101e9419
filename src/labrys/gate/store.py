"""What the gate remembers: messages it held back or marked, and what people reported.

SQLite in the gate's folder, or a database of the team's. A message's own text is kept only where
somebody reported it; of the rest the ledger has what is needed to answer "where is my mail?".
"""

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from labrys.detect.mail_relation.seen import DAY, Seen
from labrys.errors import LabrysError
from labrys.gate.judge import Judgement
from labrys.gate.milter import Envelope
from labrys.gate.policy import Action

FILE: Final = "gate.sqlite"
_OURS: Final = "key"
_MOST_RECIPIENTS: Final = 50
Label = Literal["spam", "ham"]


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was not simply let through. `queue_id` is the mail server's name for it."""

    digest: str
    queue_id: str
    time: int
    action: str
    severity: int
    confidence: int
    sender: str
    recipients: tuple[str, ...]
    subject: str
    title: str
    reasons: tuple[str, ...]
    released: int = 0
    released_by: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said of a message: `digest` is that of the message itself, as reported.

    `severity` is what the gate thought of it, `signature` that of its text: near copies share it.
    """

    digest: str
    label: Label
    reporter: str
    time: int
    severity: int = 0
    signature: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided that a reported message is: `drop` says that it must not teach."""

    digest: str
    label: Literal["spam", "ham", "drop"]
    who: str
    time: int


class Store:
    """The open ledger; every change is committed before the call returns."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import BigInteger, Column, MetaData, Table, Text, create_engine

        self._engine = create_engine(url)
        tables = MetaData()

        def table(name: str) -> Any:
            return Table(
                name,
                tables,
                Column("id", Text, primary_key=True),
                Column("time", BigInteger, nullable=False, index=True),
                Column("content", Text, nullable=False),
            )

        self._held, self._reports = table("labrys_gate_held"), table("labrys_gate_report")
        self._known, self._decided = table("labrys_gate_known"), table("labrys_gate_decided")
        tables.create_all(self._engine)

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def keep(self, judged: Judgement | None, action: Action, envelope: Envelope) -> None:
        """Remember a message that was not simply let through."""
        judged = judged or Judgement("")
        made = Held(
            digest=judged.digest,
            queue_id=envelope.queue_id,
            time=now(),
            action=str(action),
            severity=judged.severity,
            confidence=judged.confidence,
            sender=_clean(envelope.sender or judged.sender),
            recipients=tuple(_clean(each) for each in envelope.recipients[:_MOST_RECIPIENTS]),
            subject=_clean(judged.subject),
            title=judged.title or "not judged",
            reasons=tuple(_clean(f"{each.title} ({each.rule})") for each in judged.reasons),
        )
        self._put(self._held, f"{envelope.queue_id}:{judged.digest}", made)

    def held(self, *, days: int = 30, action: str = "") -> list[Held]:
        """What was held back or marked in the last days, newest first."""
        rows = self._rows(self._held, now() - days * DAY)
        made = [msgspec.convert(json.loads(row), Held) for row in rows]
        return [each for each in reversed(made) if not action or each.action == action]

    def release(self, queue_id: str, who: str) -> Held:
        """Note that a held message was let go; LabrysError where there is none of that name."""
        for each in self.held(days=36_500, action=str(Action.QUARANTINE)):
            if each.queue_id == queue_id:
                made = msgspec.structs.replace(each, released=now(), released_by=who)
                self._put(self._held, f"{each.queue_id}:{each.digest}", made)
                return made
        raise LabrysError(f"no message {queue_id} was held back here (labrys mail held lists them)")

    def report(self, said: Report) -> None:
        """Keep a report; the same person's earlier one on the message is replaced."""
        self._put(self._reports, f"{said.digest}:{said.reporter}", said)

    def reports(self) -> list[Report]:
        """All reports, oldest first."""
        return [msgspec.convert(json.loads(row), Report) for row in self._rows(self._reports, 0)]

    def decide(self, said: Decision) -> None:
        """Keep a decision; it replaces an earlier one on the same message."""
        self._put(self._decided, said.digest, said)

    def decisions(self) -> dict[str, Decision]:
        """Every decision by the message's digest."""
        rows = (msgspec.convert(json.loads(row), Decision) for row in self._rows(self._decided, 0))
        return {each.digest: each for each in rows}

    def forget(self, days: int) -> int:
        """Delete what is older than so many days; how many entries that were."""
        from sqlalchemy import delete

        before = now() - days * DAY
        with self._engine.begin() as connection:
            return sum(
                connection.execute(delete(each).where(each.c.time < before)).rowcount
                for each in (self._held, self._reports, self._decided)
            )

    def secret(self) -> bytes:
        """What the digests of addresses are keyed with; made when it is asked for first."""
        from sqlalchemy import insert, select

        with self._engine.begin() as connection:
            asked = select(self._known.c.content).where(self._known.c.id == _OURS)
            kept = connection.execute(asked).scalar()
            if kept is None:
                kept = secrets.token_hex(32)
                row = {"id": _OURS, "time": now(), "content": kept}
                connection.execute(insert(self._known).values(row))
        return bytes.fromhex(kept)

    def known(self) -> Iterator[tuple[str, Seen]]:
        """Who wrote before (`detect.mail_relation.profile`), least recent first."""
        from sqlalchemy import select

        columns = self._known.c
        asked = select(columns.id, columns.content).where(columns.id != _OURS)
        with self._engine.begin() as connection:
            for name, content in connection.execute(asked.order_by(columns.time, columns.id)):
                yield name, msgspec.json.decode(content, type=Seen)

    def know(self, changed: Mapping[str, Seen | None]) -> None:
        """Keep what has changed of who wrote before; None: forgotten."""
        from sqlalchemy import bindparam, delete, insert

        if not changed:
            return
        rows = [
            {"id": name, "time": seen.day * DAY, "content": msgspec.json.encode(seen).decode()}
            for name, seen in changed.items()
            if seen is not None
        ]
        with self._engine.begin() as connection:
            gone = delete(self._known).where(self._known.c.id == bindparam("gone"))
            connection.execute(gone, [{"gone": name} for name in changed])
            if rows:
                connection.execute(insert(self._known), rows)

    def _rows(self, table: Any, since: int) -> Iterator[str]:
        from sqlalchemy import select

        with self._engine.begin() as connection:
            asked = select(table.c.content).where(table.c.time >= since)
            yield from (
                row for (row,) in connection.execute(asked.order_by(table.c.time, table.c.id))
            )

    def _put(self, table: Any, uid: str, made: Held | Report | Decision) -> None:
        from sqlalchemy import delete, insert

        row: Mapping[str, Any] = {
            "id": uid, "time": made.time, "content": msgspec.json.encode(made).decode(),
        }  # fmt: skip
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.id == uid))
            connection.execute(insert(table).values(row))


@contextmanager
def opened(folder: Path, url: str = "") -> Iterator[Store]:
    """The ledger in a folder (made if it is not there), or in the database of an address."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = Store(url or f"sqlite:///{folder / FILE}")
        try:
            yield store
        finally:
            store.close()
    except (SQLAlchemyError, OSError) as reason:
        raise LabrysError(f"the gate's ledger in {folder} cannot be used: {reason}") from reason


def now() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


def _clean(text: str) -> str:
    """Text of a message as it can be stored: no half characters."""
    return text.encode("utf-8", "replace").decode()

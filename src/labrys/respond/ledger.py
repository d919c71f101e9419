"""The ledger of blocks: who blocked what, when, why and until when; a table beside the decisions.

In SQLite inside the case, or in a database of the team, like everything people decide.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Final

from labrys.errors import LabrysError

FILE: Final = "respond.sqlite"
_MINUTE: Final = 60_000
_UNITS: Final = {"s": 1_000, "m": _MINUTE, "h": 60 * _MINUTE, "d": 24 * 60 * _MINUTE}


@dataclass(frozen=True, slots=True)
class Block:
    """One block; times are epoch milliseconds. `ended` is 0 while nobody has ended it.

    `findings` are the uids that asked for it, `incident` where they belong.
    """

    kind: str
    value: str
    since: int
    until: int
    who: str
    why: str
    findings: tuple[str, ...] = ()
    incident: str = ""
    ended: int = 0
    ended_by: str = ""
    ended_why: str = ""

    @property
    def id(self) -> str:
        """A short name; blocking the same again gives the same one."""
        return blake2b(f"{self.kind} {self.value}".encode(), digest_size=4).hexdigest()

    def active(self, now: int) -> bool:
        """Whether it holds at a time."""
        return not self.ended and now < self.until

    def state(self, now: int) -> str:
        """`active`, `undone` or `expired`."""
        if self.active(now):
            return "active"
        return "expired" if not self.ended or self.ended >= self.until else "undone"


def lately(blocks: Iterable[Block], at: int) -> int:
    """How many blocks were begun within the minute before."""
    return sum(at - _MINUTE < each.since <= at for each in blocks)


def span(text: str) -> int:
    """`90m`, `24h` or `7d` in milliseconds. Raises `LabrysError`."""
    unit = _UNITS.get(text[-1:], 0)
    number = text[:-1]
    if not unit or not number.isascii() or not number.isdigit() or not 0 < int(number) <= 100_000:
        raise LabrysError(f"{text!r} is no time span; write it as 90m, 24h or 7d")
    return int(number) * unit


def now() -> int:
    """This moment, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def kept(case: Path, url: str = "") -> tuple[Block, ...]:
    """The blocks of a case; nothing is created where there are none."""
    if not url and not (case / FILE).is_file():
        return ()
    with opened(case, url) as ledger:
        return ledger.all()


@contextmanager
def opened(case: Path, url: str = "") -> Iterator["Ledger"]:
    """The ledger of a case, or of `url` (an SQLAlchemy database address), to be written to."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        # A case may be renamed; a database of a team holds the blocks of several.
        ledger = Ledger(url or f"sqlite:///{case / FILE}", case.name if url else "")
        try:
            yield ledger
        finally:
            ledger.close()
    except (SQLAlchemyError, ImportError) as reason:
        raise LabrysError(f"the ledger of blocks cannot be used: {reason}") from reason


class Ledger:
    """An open ledger; every change is one transaction, committed before the call returns."""

    def __init__(self, url: str, case: str) -> None:
        from sqlalchemy import BigInteger, Column, MetaData, Table, Text, create_engine

        self._engine = create_engine(url)
        self._case = case
        tables = MetaData()
        self._table = Table(
            "labrys_block",
            tables,
            Column("case_name", Text, primary_key=True),
            Column("id", Text, primary_key=True),
            Column("since", BigInteger, primary_key=True),
            Column("content", Text, nullable=False),
        )
        tables.create_all(self._engine)

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def all(self) -> tuple[Block, ...]:
        """Every block there is or was, oldest first."""
        from sqlalchemy import select

        table = self._table
        asked = select(table.c.content).where(table.c.case_name == self._case)
        with self._engine.begin() as connection:
            rows = connection.execute(asked.order_by(table.c.since, table.c.id)).all()
        return tuple(_block(content) for (content,) in rows)

    def add(self, wanted: Sequence[Block]) -> tuple[list[Block], list[Block]]:
        """Begin blocks; (new, held already). One that holds is only made to hold longer."""
        at = now()
        active = {each.id: each for each in self.all() if each.active(at)}
        fresh, held = [], []
        for block in wanted:
            have = active.get(block.id)
            if have is None:
                fresh.append(block)
                continue
            findings = tuple(dict.fromkeys((*have.findings, *block.findings)))
            longer = replace(have, until=max(have.until, block.until), findings=findings)
            held.append(longer)
        changed = [each for each in held if each != active[each.id]]
        self._put([*fresh, *changed])
        return fresh, held

    def end(self, blocks: Sequence[Block], who: str, why: str) -> list[Block]:
        """Undo blocks that hold; those that do not are left as they are."""
        at = now()
        made = [
            replace(each, ended=at, ended_by=who, ended_why=why)
            for each in blocks
            if each.active(at)
        ]
        self._put(made)
        return made

    def expire(self) -> list[Block]:
        """Write down the end of every block whose time is over."""
        at = now()
        over = [each for each in self.all() if not each.ended and each.until <= at]
        made = [replace(each, ended=at, ended_by="labrys", ended_why="its time") for each in over]
        self._put(made)
        return made

    def _put(self, blocks: Sequence[Block]) -> None:
        from sqlalchemy import delete, insert

        if not blocks:
            return
        table = self._table
        with self._engine.begin() as connection:
            for each in blocks:
                mine = (
                    (table.c.case_name == self._case)
                    & (table.c.id == each.id)
                    & (table.c.since == each.since)
                )
                connection.execute(delete(table).where(mine))
                row = {"case_name": self._case, "id": each.id, "since": each.since}
                content = json.dumps(asdict(each))
                connection.execute(insert(table).values({**row, "content": content}))


def _block(content: str) -> Block:
    row = json.loads(content)
    return Block(**{**row, "findings": tuple(row["findings"])})

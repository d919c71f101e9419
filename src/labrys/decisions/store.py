"""Where decisions are kept: a table each, in SQLite inside the case or in a database of the team.

SQLAlchemy costs a quarter of a second to import, so `kept` does not ask for it where nobody has
decided anything yet.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from labrys.decisions.exclusion import Exclusion
from labrys.errors import LabrysError

FILE: Final = "decisions.sqlite"
VERDICTS: Final = ("true", "false")
_MOST_FINDINGS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody made of an incident: `true` (an attack) or `false` (it is normal here).

    `pairs` are (rule uid, host) of what was in it, so that the verdict means something for the next
    incident; `findings` are uids, by which the incident is known again after another scan.
    """

    incident: str
    verdict: str
    pairs: tuple[tuple[str, str], ...] = ()
    findings: tuple[str, ...] = ()
    who: str = ""
    why: str = ""
    made: int = 0


@dataclass(frozen=True, slots=True)
class Decisions:
    """All there are, oldest first; of several verdicts on one incident only the last."""

    exclusions: tuple[Exclusion, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


def kept(case: Path, url: str = "") -> Decisions:
    """The decisions about a case; nothing is created where there are none."""
    if not url and not (case / FILE).is_file():
        return Decisions()
    with opened(case, url) as store:
        return store.all()


@contextmanager
def opened(case: Path, url: str = "") -> Iterator["Store"]:
    """The store of a case, or of `url` (an SQLAlchemy database address), to be written to."""
    from sqlalchemy.exc import SQLAlchemyError

    address = url or f"sqlite:///{case / FILE}"
    try:
        store = Store(address)
        try:
            yield store
        finally:
            store.close()
    except (SQLAlchemyError, ImportError) as reason:
        raise LabrysError(f"decisions in {_without_password(address)}: {reason}") from reason


class Store:
    """An open store; every change is committed before the call returns."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import BigInteger, Column, MetaData, Table, Text, create_engine

        self._engine = create_engine(url)
        tables = MetaData()
        self._exclusions = Table(
            "labrys_exception",
            tables,
            Column("id", Text, primary_key=True),
            Column("made", BigInteger, nullable=False),
            Column("content", Text, nullable=False),
        )
        self._verdicts = Table(
            "labrys_verdict",
            tables,
            Column("incident", Text, primary_key=True),
            Column("made", BigInteger, nullable=False),
            Column("content", Text, nullable=False),
        )
        tables.create_all(self._engine)

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def all(self) -> Decisions:
        """Everything that was decided."""
        return Decisions(
            tuple(_exclusion(row) for row in self._rows(self._exclusions)),
            tuple(_verdict(row) for row in self._rows(self._verdicts)),
        )

    def add(self, exclusion: Exclusion) -> Exclusion:
        """Keep an exception; one that hides the same is replaced. Raises `LabrysError` if bad."""
        exclusion.check()
        exclusion = replace(exclusion, made=exclusion.made or _now())
        self._put(self._exclusions, "id", exclusion.id, exclusion.made, asdict(exclusion))
        return exclusion

    def remove(self, wanted: str) -> Exclusion:
        """Take an exception back, by its id or the beginning of it."""
        found = [each for each in self.all().exclusions if each.id.startswith(wanted)]
        if len(found) != 1:
            raise LabrysError(f"{len(found) or 'no'} exceptions begin with {wanted!r}")
        self._delete(self._exclusions, "id", found[0].id)
        return found[0]

    def judge(self, verdict: Verdict) -> Verdict:
        """Keep a verdict; an earlier one on the same incident is replaced."""
        if verdict.verdict not in VERDICTS:
            raise LabrysError(f"a verdict is one of {', '.join(VERDICTS)}")
        if not verdict.why.strip():
            raise LabrysError("say why: the verdict weighs on what is found later")
        findings = verdict.findings[:_MOST_FINDINGS]
        verdict = replace(verdict, findings=findings, made=verdict.made or _now())
        self._put(self._verdicts, "incident", verdict.incident, verdict.made, asdict(verdict))
        return verdict

    def withdraw(self, incident: str) -> None:
        """Take a verdict back."""
        self._delete(self._verdicts, "incident", incident)

    def _rows(self, table: Any) -> list[dict[str, Any]]:
        from sqlalchemy import select

        with self._engine.begin() as connection:
            rows = connection.execute(
                select(table.c.content).order_by(table.c.made, *table.primary_key)
            )
            return [json.loads(content) for (content,) in rows]

    def _put(self, table: Any, key: str, value: str, made: int, content: dict[str, Any]) -> None:
        from sqlalchemy import delete, insert

        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c[key] == value))
            row = {key: value, "made": made, "content": json.dumps(content)}
            connection.execute(insert(table).values(row))

    def _delete(self, table: Any, key: str, value: str) -> None:
        from sqlalchemy import delete

        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c[key] == value))


def _exclusion(row: dict[str, Any]) -> Exclusion:
    lists = {name: tuple(tuple(pair) for pair in row[name]) for name in ("entities", "values")}
    return Exclusion(**{**row, **lists})


def _verdict(row: dict[str, Any]) -> Verdict:
    pairs = tuple(tuple(pair) for pair in row["pairs"])
    return Verdict(**{**row, "pairs": pairs, "findings": tuple(row["findings"])})


def _now() -> int:
    return time.time_ns() // 1_000_000


def _without_password(url: str) -> str:
    from sqlalchemy import make_url

    return str(make_url(url).render_as_string(hide_password=True))

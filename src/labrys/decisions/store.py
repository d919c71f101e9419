"""Where decisions are kept: a table each, in SQLite inside the case or in a database of the team.

SQLAlchemy costs a quarter of a second to import, so `kept` does not ask for it where nobody has
decided anything yet.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, TypeVar

from labrys.decisions.exclusion import Exclusion
from labrys.errors import LabrysError

FILE: Final = "decisions.sqlite"
VERDICTS: Final = ("true", "false")
REGROUPINGS: Final = ("together", "apart")
MOST_FINDINGS: Final = 100_000

_Kind = TypeVar("_Kind", Exclusion, "Verdict", "Regrouping")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody made of an incident: `true` (an attack) or `false` (it is normal here).

    `pairs` are (rule uid, host) of what was in it, by which the verdict means something for the
    next incident; `phases` is how many phases of an attack it fitted, `tactics` are these, and
    `severity` (OCSF) is the incident's.
    """

    incident: str
    verdict: str
    pairs: tuple[tuple[str, str], ...] = ()
    phases: int = 0
    who: str = ""
    why: str = ""
    made: int = 0
    severity: int = 0
    tactics: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """A short name; each person has one verdict on an incident."""
        return _short("verdict", self.incident, self.who)


@dataclass(frozen=True, slots=True)
class Regrouping:
    """Findings, by their uids, that somebody wants in one incident (`together`) or `apart` from
    all the others."""

    kind: str
    findings: tuple[str, ...]
    who: str = ""
    why: str = ""
    made: int = 0

    @property
    def id(self) -> str:
        """A short name; the same wish has the same one."""
        return _short(self.kind, *self.findings)


Decision = Exclusion | Verdict | Regrouping


@dataclass(frozen=True, slots=True)
class Decisions:
    """All there are, oldest first."""

    exclusions: tuple[Exclusion, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    regroupings: tuple[Regrouping, ...] = ()


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
        self._tables = {
            kind: Table(
                f"labrys_{kind.__name__.lower()}",
                tables,
                Column("id", Text, primary_key=True),
                Column("made", BigInteger, nullable=False),
                Column("content", Text, nullable=False),
            )
            for kind in (Exclusion, Verdict, Regrouping)
        }
        tables.create_all(self._engine)

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def all(self) -> Decisions:
        """Everything that was decided."""
        return Decisions(
            tuple(_exclusion(row) for row in self._rows(Exclusion)),
            tuple(_verdict(row) for row in self._rows(Verdict)),
            tuple(_regrouping(row) for row in self._rows(Regrouping)),
        )

    def add(self, exclusion: Exclusion) -> Exclusion:
        """Keep an exception; one that hides the same is replaced. Raises `LabrysError` if bad."""
        exclusion.check()
        return self._put(exclusion)

    def judge(self, verdict: Verdict) -> Verdict:
        """Keep a verdict; the same person's earlier one on the incident is replaced."""
        if verdict.verdict not in VERDICTS:
            raise LabrysError(f"a verdict is one of {', '.join(VERDICTS)}")
        _must_say_why(verdict.why)
        return self._put(verdict)

    def regroup(self, wanted: Regrouping) -> Regrouping:
        """Keep a wish about which findings belong together."""
        if wanted.kind not in REGROUPINGS or len(wanted.findings) > MOST_FINDINGS:
            raise LabrysError(
                f"regrouping is one of {', '.join(REGROUPINGS)}, of at most {MOST_FINDINGS} findings"
            )
        _must_say_why(wanted.why)
        return self._put(wanted)

    def remove(self, wanted: str) -> Decision:
        """Take a decision back, by its id or the beginning of it."""
        there = self.all()
        every: list[Decision] = [*there.exclusions, *there.verdicts, *there.regroupings]
        found = [each for each in every if wanted and each.id.startswith(wanted)]
        if len(found) != 1:
            raise LabrysError(f"{len(found) or 'no'} decisions begin with {wanted!r}")
        self._delete(found[0])
        return found[0]

    def _rows(self, kind: type[Decision]) -> list[dict[str, Any]]:
        from sqlalchemy import select

        table = self._tables[kind]
        with self._engine.begin() as connection:
            asked = select(table.c.content).order_by(table.c.made, table.c.id)
            return [json.loads(content) for (content,) in connection.execute(asked)]

    def _put(self, decision: "_Kind") -> "_Kind":
        from sqlalchemy import insert

        decision = replace(decision, made=decision.made or time.time_ns() // 1_000_000)
        content = json.dumps(asdict(decision))
        self._delete(decision)
        with self._engine.begin() as connection:
            row = {"id": decision.id, "made": decision.made, "content": content}
            connection.execute(insert(self._tables[type(decision)]).values(row))
        return decision

    def _delete(self, decision: Decision) -> None:
        from sqlalchemy import delete

        table = self._tables[type(decision)]
        with self._engine.begin() as connection:
            connection.execute(delete(table).where(table.c.id == decision.id))


def _must_say_why(why: str) -> None:
    if not why.strip():
        raise LabrysError("say why: whoever comes after you must understand it")


def _exclusion(row: dict[str, Any]) -> Exclusion:
    lists = {name: tuple(tuple(pair) for pair in row[name]) for name in ("entities", "values")}
    return Exclusion(**{**row, **lists})


def _verdict(row: dict[str, Any]) -> Verdict:
    lists = {"pairs": tuple(tuple(pair) for pair in row["pairs"])}
    # Verdicts of earlier versions know neither tactics nor severity.
    return Verdict(**{**row, **lists, "tactics": tuple(row.get("tactics", ()))})


def _regrouping(row: dict[str, Any]) -> Regrouping:
    return Regrouping(**{**row, "findings": tuple(row["findings"])})


def _short(*parts: str) -> str:
    return blake2b(repr(parts).encode(), digest_size=4).hexdigest()


def _without_password(url: str) -> str:
    from sqlalchemy import make_url

    return str(make_url(url).render_as_string(hide_password=True))

"""From chosen findings to blocks in the ledger: candidates, facts, guards, in that order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from labrys.errors import LabrysError
from labrys.lake.case import Case
from labrys.respond.facts import Facts, facts
from labrys.respond.guards import Limits, Names, Refusal, capped, known_address, refused
from labrys.respond.indicators import Indicator, indicators, inside
from labrys.respond.ledger import Block, lately, now
from labrys.triage.identity import is_system_file
from labrys.triage.named import incident

MOST_FINDINGS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Policy:
    """How to block: for how long (milliseconds), what never, what nevertheless, by whom and why."""

    lasts: int
    who: str
    why: str = ""
    allow: Names = field(default_factory=Names)
    own: Names = field(default_factory=Names)
    force: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be blocked, and what not and why."""

    blocks: tuple[Block, ...]
    refused: tuple[Refusal, ...]


def chosen(
    findings: pa.Table, incidents: pa.Table, wanted: Sequence[str], uids: Sequence[str], level: int
) -> tuple[pa.Table, dict[str, str]]:
    """The findings that are meant, and the incident of each.

    `wanted` are incidents by rank or the beginning of their uid: of these, findings of at least
    `level` (severity_id) count. `uids` are findings by uid, whatever their level. Raises
    `LabrysError` for what is not there.
    """
    of: dict[str, str] = {}
    for name in wanted:
        row = incident(incidents, name)
        of.update(dict.fromkeys(row["findings"], row["uid"]))
    known = set(findings["uid"].to_pylist()) if uids else set()
    if missing := [uid for uid in uids if uid not in known]:
        raise LabrysError(f"no finding {missing[0]!r} in this case")
    inside = pc.and_(
        pc.is_in(findings["uid"], value_set=pa.array(list(of), pa.string())),
        pc.greater_equal(findings["severity_id"], level),
    )
    named = pc.is_in(findings["uid"], value_set=pa.array(list(uids), pa.string()))
    return findings.filter(pc.or_(inside, named)).slice(0, MOST_FINDINGS), of


def plan(
    case: Case,
    findings: pa.Table,
    incidents: Mapping[str, str],
    policy: Policy,
    there: Sequence[Block] = (),
    known: Facts | None = None,
) -> Plan:
    """What to block of `findings`, and what not.

    `there` are the blocks there are or were; `known` spares asking the evidence again.
    """
    ours = lru_cache(65_536)(partial(known_address, own=policy.own))
    found = indicators(findings.to_pylist(), incidents, ours, is_system_file)
    at = now()
    active = {(each.kind, each.value) for each in there if each.active(at)}
    if known is None:
        asked = [each for each in found if (each.kind, each.value) not in active]
        known = facts(case, _values(asked, "ip"), _values(asked, "domain"))
    if known.own:  # now that it is known which end is ours
        mine = frozenset(known.own)
        found = indicators(
            findings.to_pylist(), incidents, lambda v: v in mine or ours(v), is_system_file
        )
    verdicts = [
        (each, refused(each, known, policy.allow, policy.own, policy.force)) for each in found
    ]
    no = [verdict for _, verdict in verdicts if verdict is not None]
    good = [each for each, verdict in verdicts if verdict is None]
    held = [each for each in good if (each.kind, each.value) in active]
    new = [each for each in good if (each.kind, each.value) not in active]
    new, over = capped(new, len(active), lately(there, at), policy.limits)
    titles = dict(zip(findings["uid"].to_pylist(), findings["title"].to_pylist(), strict=True))
    blocks = [
        Block(
            kind=each.kind,
            value=each.value,
            since=at,
            until=at + policy.lasts,
            who=policy.who,
            why=policy.why or str(titles.get(each.findings[0]) or ""),
            findings=each.findings,
            incident=each.incident,
        )
        for each in (*held, *new)
    ]
    return Plan(tuple(blocks), (*no, *over))


def selected(blocks: Iterable[Block], ids: Sequence[str], *, at: int) -> list[Block]:
    """Blocks that hold, by their id, its beginning, or their value. Raises `LabrysError`."""
    active = [each for each in blocks if each.active(at)]
    found: list[Block] = []
    for name in ids:
        mine = [e for e in active if e.value == name.lower() or (name and e.id.startswith(name))]
        if len(mine) != 1:
            raise LabrysError(f"{len(mine) or 'no'} blocks that hold are called {name!r}")
        found += mine
    return found


def _values(found: Iterable[Indicator], kind: str) -> list[str]:
    """The values of a kind that the evidence must be asked about."""
    mine = [each.value for each in found if each.kind == kind]
    return [value for value in mine if kind != "ip" or not inside(value)]

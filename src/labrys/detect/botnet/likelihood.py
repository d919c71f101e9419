"""How likely it is that a host was a bot on a day, from what the network detectors found of it.

Each detector's surest finding of the day multiplies the odds by how much more often bots have such
a finding than other hosts do. What was counted (`likelihood.toml`, by `python -m bench botnet --fit`)
bounds it: a finding that none of n other host-days had may multiply by no more than n + 1 (Laplace's
rule of succession). Findings share causes, so the second counts half, the third a quarter.

Monotone by contract: no finding ever lowers it, nor does a surer one.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from labrys.ocsf.schema import Severity

SOURCES: Final = (
    *("beacon", "botnet", "ddos", "dga", "dns_tunnel", "exfil", "http_odd", "lateral", "mimicry"),
    *("mining", "scan", "tls_odd"),
)
"""The detectors whose findings are joined."""
BESIDE: Final = ("unlike_peers",)
"""Told beside them, and counts nothing: what was counted of it did not hold on other days."""
LEVELS: Final = (Severity.LOW, Severity.MEDIUM, Severity.HIGH)
ONE_IN: Final = 50
"""Of so many host-days one is a bot's, unless the user says otherwise."""
DAY_MS: Final = 86_400_000
MOST_DAYS: Final = 31
"""A finding that lasts longer counts for its first so many days."""
_DISCOUNT: Final = 0.5
_SUREST: Final = 0.99
Levels = Mapping[str, int]
"""By detector the place in `LEVELS`, from 1, of its most severe finding; 0 or absent: none."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What share of bots' and of other hosts' days had a finding of a detector, and of how many days.

    `others` is what the days counted are worth, fewer than they are: of rare kinds few were seen.
    `shares` has, by detector, for each of `LEVELS` the shares with a finding as severe or more.
    """

    bots: int
    others: int
    silent: tuple[float, float]
    shares: Mapping[str, Sequence[tuple[float, float]]]

    def times(self, detector: str, level: int) -> float:
        """What a finding multiplies the odds by, 1 or more; never less than a milder one."""
        told = [*self.shares.get(detector, ()), (0.0, 0.0)]
        each = [
            self._ratio(max(0.0, at[0] - above[0]), max(0.0, at[1] - above[1]))
            for at, above in pairwise(told)
        ]
        return max(each[: max(level, 0)], default=1.0)

    def _ratio(self, bots: float, others: float) -> float:
        mine = (bots * self.bots + 0.5) / (self.bots + 1)
        theirs = (others * self.others + 1) / (self.others + 1)
        return max(1.0, mine / theirs)

    def nothing(self) -> float:
        """What it multiplies the odds by that no detector has a finding, at most 1."""
        bots, others = self.silent
        return min(1.0, (bots * self.bots + 0.5) / (self.bots + 1) / max(others, 0.5))


@dataclass(frozen=True, slots=True)
class HostDay:
    """A host on a day: how likely a bot, and why (detector, title, times the odds), strongest first."""

    host: str
    day: int
    likelihood: float
    reasons: tuple[tuple[str, str, float], ...]


def host_days(findings: pa.Table, one_in: float = ONE_IN) -> list[HostDay]:
    """Each host and day (UTC, in days since 1970) with a finding, the likeliest first.

    `findings` as `ocsf.schema.FINDING`; of so many host-days as `one_in` one is a bot's.
    """
    made = []
    for (host, day), rows in by_host(findings).items():
        found = levels(rows)
        worst: dict[str, Mapping[str, Any]] = {}
        for row in rows:
            held = worst.setdefault(row["detector"], row)
            if row["severity_id"] > held["severity_id"]:
                worst[row["detector"]] = row
        times = {name: counted().times(name, level) for name, level in found.items()}
        order = sorted(times, key=lambda name: (-times[name], name))
        reasons = tuple((name, str(worst[name]["title"]), times[name]) for name in order)
        made.append(HostDay(host, day, likelihood(found, one_in), reasons))
    return sorted(made, key=lambda one: (-one.likelihood, one.day, one.host))


def likelihood(found: Levels, one_in: float = ONE_IN, known: Counted | None = None) -> float:
    """How likely a bot a host-day with such findings is, of which one in so many is."""
    known = known or counted()
    found = {name: level for name, level in found.items() if level > 0 and name not in BESIDE}
    logs = sorted((math.log(known.times(*each)) for each in found.items()), reverse=True)
    if not found:
        logs = [math.log(known.nothing())]
    points = -math.log(max(one_in, 1.0 + 1e-9) - 1)
    points += sum(each * _DISCOUNT**place for place, each in enumerate(logs))
    return min(_SUREST, 1 / (1 + math.exp(-points)))


def levels(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Of the findings of a host and day: how severe each detector's most severe is."""
    made: dict[str, int] = {}
    for row in rows:
        if level := sum(row["severity_id"] >= each for each in LEVELS):
            made[row["detector"]] = max(made.get(row["detector"], 0), level)
    return made


def by_host(findings: pa.Table) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """The findings, low or worse, that accuse each address as a source, by the days they touch."""
    mine = pc.and_(
        pc.is_in(findings["detector"], value_set=pa.array([*SOURCES, *BESIDE])),
        pc.greater_equal(findings["severity_id"], int(LEVELS[0])),
    )
    made: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in findings.filter(mine).sort_by("uid").to_pylist():
        sources = {
            e["value"] for e in row["entities"] or () if e["role"] == "source" and e["type"] == "ip"
        }
        if row["time_start"] is None or not sources:
            continue
        first = row["time_start"] // DAY_MS
        last = (row["time_end"] or row["time_start"]) // DAY_MS
        for day in range(first, min(last, first + MOST_DAYS - 1) + 1):
            for source in sources:
                made.setdefault((source, day), []).append(row)
    return made


@cache
def counted() -> Counted:
    """What was counted."""
    return from_toml(files(__package__).joinpath("likelihood.toml").read_text(encoding="utf-8"))


def from_toml(text: str) -> Counted:
    """As `to_toml` writes it."""
    held = tomllib.loads(text)
    shares = {
        name: tuple((float(bots), float(others)) for bots, others in pairs)
        for name, pairs in held["shares"].items()
    }
    bots, others = held["silent"]
    return Counted(held["bots"], held["others"], (float(bots), float(others)), shares)


def to_toml(known: Counted) -> str:
    """The file."""
    lines = [
        "# What share of simulated bots' days and of others' had a finding of a detector that is",
        "# low, medium, high or worse. Written by `python -m bench botnet --fit`.",
        f"bots = {known.bots}",
        f"others = {known.others}",
        f"silent = [{known.silent[0]:.4f}, {known.silent[1]:.4f}]",
        "[shares]",
    ]
    for name, pairs in known.shares.items():
        told = ", ".join(f"[{bots:.4f}, {others:.4f}]" for bots, others in pairs)
        lines.append(f"{name} = [{told}]")
    return "\n".join(lines) + "\n"

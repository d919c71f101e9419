"""Would one score for each host be calibrated? Its fitting, and what came of it.

`python -m bench botnet [--quick] [--no-real]`. A logistic of what the network detectors found of a host
on a day, without negative weights, so that more or surer findings never lower it. It is fitted to
simulated days of the fitting ranges only; those of the test, real benign hosts and malware captures of
later months are for measuring. A host and day is the unit; bots are weighted to be one in `PRIOR`.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bench import network
from bench.data import workspace
from bench.traffic import bots, hosts
from bench.traffic import flow as made_flows
from bench.traffic import intrusions as made_up
from labrys.detect.network.testing import detector, network_detectors
from labrys.detect.network.testing import table as padded
from labrys.ocsf.schema import FINDING, Severity

PRIOR: Final = 50
SOURCES: Final = (
    *("beacon", "botnet", "ddos", "dga", "dns_tunnel", "exfil", "http_odd", "lateral", "mimicry"),
    *("mining", "scan", "tls_odd"),
)
"""The detectors whose findings are joined."""
NAMES: Final = (*SOURCES, "voices")
"""What `numbers` gives."""
DAY_MS: Final = 86_400_000
MOST_DAYS: Final = 31
"""A finding that lasts longer counts for so many days, its first."""
_SUREST: Final = 0.99
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """Of a logistic: what it begins with, and what each of `NAMES` adds, never below 0."""

    base: float
    each: tuple[float, ...]

    def score(self, numbers: Sequence[float]) -> float:
        """The probability."""
        points = self.base + sum(w * x for w, x in zip(self.each, numbers, strict=True))
        return 1 / (1 + math.exp(-points))


@dataclass(frozen=True, slots=True)
class HostDay:
    """What was found of a host on a day (`numbers`), and what it is."""

    bot: bool
    kind: str
    found: tuple[float, ...]
    alarm: bool
    """Whether a detector says medium or worse."""

    @classmethod
    def of(cls, bot: bool, kind: str, rows: Sequence[Mapping[str, Any]]) -> "HostDay":
        """From the findings about it."""
        alarm = any(row["severity_id"] >= Severity.MEDIUM for row in rows)
        return cls(bot, kind, numbers(rows), alarm)


def numbers(found: Sequence[Mapping[str, Any]]) -> tuple[float, ...]:
    """Of one host and day: the evidence of each of `SOURCES`, and how many say low or worse.

    Evidence of a detector is -ln(1 - c) of its surest finding: what noisy-or adds up.
    """
    surest = dict.fromkeys(SOURCES, 0.0)
    voices = set[str]()
    for row in found:
        name = row["detector"]
        surest[name] = max(surest[name], min(row["confidence"] / 100, _SUREST))
        if row["severity_id"] >= Severity.LOW:
            voices.add(name)
    return (*(-math.log(1 - each) for each in surest.values()), float(len(voices)))


def by_host(findings: pa.Table) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """The findings that accuse each address as a source, by the days (UTC) they touch."""
    mine = pc.is_in(findings["detector"], value_set=pa.array(SOURCES))
    made: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in findings.filter(mine).sort_by("uid").to_pylist():
        sources = {
            e["value"] for e in row["entities"] or () if e["role"] == "source" and e["type"] == "ip"
        }
        if row["time_start"] is None or not sources:
            continue
        first, last = (row[name] // DAY_MS for name in ("time_start", "time_end"))
        for day in range(first, min(last, first + MOST_DAYS - 1) + 1):
            for source in sources:
                made.setdefault((source, day), []).append(row)
    return made


def findings(tables: Mapping[str, pa.Table]) -> pa.Table:
    """What all detectors that the score joins find in the views of a case."""
    rows: list[dict[str, Any]] = []
    for made in (*network_detectors(), detector("dga")):
        rows += network.found(tables, made)
    return pa.Table.from_pylist(rows, FINDING)


def office(
    seed: int, polls: tuple[hosts.Poll, ...], ranges: bots.Ranges, home: bool
) -> list[HostDay]:
    """A day of 24 hosts in an office or 6 at home: ordinary ones, look-alikes, bots."""
    draw, size = Random(seed), 6 if home else 24
    calm = tuple(poll for poll in polls if poll.period >= 100)
    seen = bots.Seen(flows=hosts.day(seed, size, calm, alone=home))
    every = [f"10.{seed % 200}.0.{20 + number}" for number in range(size)]
    kinds = dict.fromkeys(every, "ordinary")
    wild = made_up.TUNING if ranges is bots.FIT else made_up.TEST
    free = iter(draw.sample(every, size))
    for maker in draw.sample((*bots.CONTROLLERS, *bots.TASKS), 1 if home else 5):
        host = next(free)
        kinds[host] = f"bot {maker.__name__}"
        bots.bot(draw, host, maker, ranges, seen)
    for maker in draw.sample(bots.LOOK_ALIKES, 2 if home else 6):
        host = next(free)
        kinds[host] = maker.__name__
        maker(draw, host, ranges, seen)
    for name, makers in ({} if home else made_up.CONTROLS).items():
        host = next(free)
        kinds[host] = f"look-alike of {name}"
        others = [one for one in every if one != host]
        seen.flows += makers[0](draw, host, 1, wild, others)
    tables = {
        "network_activity": padded("network_activity", seen.flows),
        "dns_activity": padded("dns_activity", seen.names),
        "http_activity": padded("http_activity", seen.requests),
    }
    day = round(made_flows.START * 1000) // 86_400_000
    found = by_host(findings(tables))
    return [
        HostDay.of(kind.startswith("bot "), kind, found.get((host, day), ()))
        for host, kind in kinds.items()
    ]


def world(
    seed: int, polls: tuple[hosts.Poll, ...], ranges: bots.Ranges, count: int
) -> list[HostDay]:
    """So many offices and as many homes."""
    return [
        each
        for number in range(2 * count)
        for each in office(seed + number, polls, ranges, number % 2 == 1)
    ]


def real(into: Path, quick: bool) -> Iterator[HostDay]:
    """Days of real benign hosts, and malware captures of later months: never fitted to."""
    folder = network.unzipped("benign_hosts/zeek_benign_hosts.zip", into)
    for path in sorted(each for each in folder.iterdir() if each.is_dir()):
        tables = network.views([path], into / f"{path.name}.labrys")
        flows = tables["network_activity"]
        senders = Counter(flows["src_endpoint_ip"].to_pylist())
        me = senders.most_common(1)[0][0]
        found = by_host(findings(tables))
        days = {
            int(row["_time"] // 86_400_000)
            for row in flows.select(["src_endpoint_ip", "_time"]).to_pylist()
            if row["src_endpoint_ip"] == me
        }
        for day in sorted(days):
            yield HostDay.of(False, f"real {path.name}", found.get((me, day), ()))
    for _, tables in network.captures(into, quick, network.CHECKED_FROM):
        found = by_host(findings(tables))
        best = max(found.values(), key=lambda rows: sum(numbers(rows)), default=())
        yield HostDay.of(True, "real malware capture", best)


def fit(days: Sequence[HostDay]) -> Weights:
    """A logistic without negative weights; those of detectors are drawn to one another, so that one
    that hardly speaks on simulated days weighs as the others do."""
    from scipy.optimize import minimize

    x = np.array([each.found for each in days])
    y = np.array([each.bot for each in days], float)
    w = weighted(days)

    def loss(made: Floats) -> float:
        points = made[0] + x @ made[1:]
        each = np.logaddexp(0, points) - y * points
        own = made[1:-1]
        apart = ((own - own.mean()) ** 2).sum()
        return float((w * each).sum() + _APART * apart + _SMALL * (made[1:] ** 2).sum())

    start = np.array([-5.0, *[1.0] * x.shape[1]])
    bounds = [(None, None), *[(0, None)] * x.shape[1]]
    made = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x
    return Weights(round(float(made[0]), 4), tuple(round(float(each), 4) for each in made[1:]))


_APART: Final = 3e-4
_SMALL: Final = 3e-5
"""Chosen before anything was measured; the loss of all host-days together is some hundredths."""


def weighted(days: Sequence[HostDay]) -> Floats:
    """What each counts, so that bots are one in `PRIOR` and all of them together 1."""
    bot = np.array([each.bot for each in days])
    share = np.where(bot, 1 / PRIOR / max(bot.sum(), 1), (1 - 1 / PRIOR) / max((~bot).sum(), 1))
    return np.asarray(share / share.sum(), np.float64)


def reliability(days: Sequence[HostDay], held: Weights) -> str:
    """Of all host-days, and of those that get a score: Brier score beside that of the share of bots
    alone, and expected calibration error in five bins; bots weighted to be one in `PRIOR`."""
    scored = np.array([each.found[-1] > 0 for each in days])
    parts = {"all": np.ones(len(days), bool), "scored": scored}
    return "; ".join(
        f"{name}: {_calibration(days, held, chosen)}" for name, chosen in parts.items()
    )


def _calibration(days: Sequence[HostDay], held: Weights, chosen: npt.NDArray[np.bool_]) -> str:
    y, w = np.array([each.bot for each in days], float)[chosen], weighted(days)[chosen]
    if not len(y):
        return "none"
    p, w = np.array([held.score(each.found) for each in days])[chosen], w / w.sum()
    share = float((w * y).sum())
    brier, blank = float((w * (p - y) ** 2).sum()), float((w * (share - y) ** 2).sum())
    place = np.minimum((p * 5).astype(int), 4)
    gap = sum(abs(float((w * (p - y))[place == each].sum())) for each in range(5))
    bins = [
        f"{int(y[place == each].sum())}+{int((1 - y)[place == each].sum())}" for each in range(5)
    ]
    return (
        f"{len(y)} host-days, Brier {brier:.4f} (share alone {blank:.4f}), ECE {gap:.4f}, "
        f"bots+others in fifths {' '.join(bins)}"
    )


def main(arguments: list[str]) -> int:
    """Fit, and print how well the score is calibrated."""
    parser = argparse.ArgumentParser(prog="python -m bench botnet", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small inputs: does it run?")
    parser.add_argument("--no-real", action="store_true", help="simulated days only")
    asked = parser.parse_args(arguments)
    count = 1 if asked.quick else 5
    fitted = world(3001, hosts.TUNING, bots.FIT, count)
    held = fit(fitted)
    told = ", ".join(f"{name} {each}" for name, each in zip(NAMES, held.each, strict=True))
    print(f"base {held.base}, {told}")
    _told("fitting ranges", fitted, held)
    _told("test ranges", world(9001, hosts.TEST, bots.TEST, count), held)
    if not asked.no_real:
        with workspace() as into:
            _told("real hosts", list(real(into, asked.quick)), held)
    return 0


def _told(name: str, days: Sequence[HostDay], held: Weights) -> None:
    count = sum(each.bot for each in days)
    print(f"{name}: {count} bots, {len(days) - count} others: {reliability(days, held)}")
    for kind in sorted({each.kind for each in days}):
        some = [each for each in days if each.kind == kind]
        scores = [held.score(each.found) for each in some]
        spoken = sum(each.found[-1] > 0 for each in some)
        alarms = sum(each.alarm for each in some)
        print(
            f"  {kind}: {len(some)}, {spoken} with a finding that is low or worse, {alarms} with an "
            f"alert, "
            f"score {min(scores):.3f} to {max(scores):.3f}, mean {np.mean(scores):.3f}"
        )

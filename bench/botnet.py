"""How likely a host is a bot: what that rests on is counted, and judged on other days.

`python -m bench botnet [--fit] [--quick] [--no-real]`. Counted is on simulated days of the fitting
ranges, each kind weighted by how common it is (`bench.traffic.population`); judged on days of the test
ranges, of real benign hosts, and on malware captures of later months. A host and day is the unit.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from bench import network
from bench.data import workspace
from bench.measure import REPO
from bench.traffic import flow as made_flows
from bench.traffic import population
from labrys.detect.botnet.likelihood import (
    LEVELS,
    ONE_IN,
    SOURCES,
    Counted,
    by_host,
    counted,
    levels,
    likelihood,
    to_toml,
)
from labrys.detect.network.testing import detector, network_detectors
from labrys.detect.network.testing import table as padded
from labrys.ocsf.schema import FINDING

FILE: Final = REPO / "src/labrys/detect/botnet/likelihood.toml"
FIT_SEED: Final = 3001
TEST_SEED: Final = 12_001
PLACES: Final = 60
"""Offices and homes to count on; half as many to judge on."""
TIMES: Final = (1 / 3, 3.0)
"""What else the shares of look-alikes might be, of what is assumed."""


@dataclass(frozen=True, slots=True)
class HostDay:
    """What was found of a host on a day, and what it is."""

    bot: bool
    kind: str
    found: Mapping[str, int]


def findings(tables: Mapping[str, pa.Table], without: Sequence[str] = ()) -> pa.Table:
    """What all detectors that are joined find in the views of a case, but those named."""
    rows: list[dict[str, Any]] = []
    for made in (*network_detectors(), detector("dga")):
        if made.id not in without:
            rows += network.found(tables, made)
    return pa.Table.from_pylist(rows, FINDING)


def simulated(seed: int, drawn: population.Drawn, count: int) -> Iterator[HostDay]:
    """The host-days of so many offices and homes."""
    for number in range(count):
        seen, kinds = population.day(seed, number, drawn)
        tables = {
            "network_activity": padded("network_activity", seen.flows),
            "dns_activity": padded("dns_activity", seen.names),
            "http_activity": padded("http_activity", seen.requests),
        }
        day = round(made_flows.START * 1000) // 86_400_000
        found = by_host(findings(tables))
        for host, kind in kinds.items():
            yield HostDay(kind.bot, kind.name, levels(found.get((host, day), ())))


def real(into: Path, quick: bool) -> Iterator[HostDay]:
    """Days of real benign hosts, and malware captures of later months: never counted."""
    folder = network.unzipped("benign_hosts/zeek_benign_hosts.zip", into)
    for path in sorted(each for each in folder.iterdir() if each.is_dir()):
        tables = network.views([path], into / f"{path.name}.labrys")
        flows = tables["network_activity"]
        me = Counter(flows["src_endpoint_ip"].to_pylist()).most_common(1)[0][0]
        found = by_host(findings(tables))
        days = {
            int(row["_time"] // 86_400_000)
            for row in flows.select(["src_endpoint_ip", "_time"]).to_pylist()
            if row["src_endpoint_ip"] == me
        }
        for day in sorted(days):
            yield HostDay(False, f"real {path.name}", levels(found.get((me, day), ())))
    for _, tables in network.captures(into, quick, network.CHECKED_FROM):
        every = [levels(rows) for rows in by_host(findings(tables)).values()]
        yield HostDay(True, "real malware capture", max(every, key=likelihood, default={}))


def weights(days: Sequence[HostDay], times: float = 1.0) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What each counts: bots and others each 1 together, kinds as common as they are.

    Look-alikes are `times` as common as assumed.
    """
    each = Counter((day.bot, day.kind) for day in days)
    share = {(True, kind): held for kind, held in {**population.TESTED, **population.BOTS}.items()}
    share |= {(False, kind): held * times for kind, held in population.OTHERS.items()}
    rest = 1 - sum(held for (bot, _), held in share.items() if not bot)
    made = np.array(
        [share.get((day.bot, day.kind), rest) / each[day.bot, day.kind] for day in days]
    )
    bot = np.array([day.bot for day in days])
    for part in (bot, ~bot):
        made[part] /= made[part].sum() or 1
    return made


def count(days: Sequence[HostDay]) -> Counted:
    """What share of either's days had which findings."""
    w, bot = weights(days), np.array([day.bot for day in days])

    def both(holds: Callable[[HostDay], bool]) -> tuple[float, float]:
        true = np.array([holds(day) for day in days])
        return tuple(round(float(w[part & true].sum()), 4) for part in (bot, ~bot))  # type: ignore[return-value]

    shares = {
        name: tuple(
            both(lambda day, name=name, level=level: day.found.get(name, 0) > level)  # type: ignore[misc]
            for level in range(len(LEVELS))
        )
        for name in SOURCES
    }
    silent = both(lambda day: day.found.keys().isdisjoint(SOURCES))
    return Counted(int(bot.sum()), worth(days), silent, shares)


def worth(days: Sequence[HostDay]) -> int:
    """How many days of others these are worth: one may yet be found of each kind, rare ones too."""
    each = Counter(day.kind for day in days if not day.bot)
    rest = 1 - sum(population.OTHERS[kind] for kind in each if kind in population.OTHERS)
    unseen = sum(population.OTHERS.get(kind, rest) / (held + 1) for kind, held in each.items())
    return round(1 / unseen - 1)


def reliability(days: Sequence[HostDay], known: Counted, times: float = 1.0) -> str:
    """Brier score beside that of the share of bots alone, expected calibration error, and a table:
    mean told and true share where it said so; bots weighted to be one in `ONE_IN`."""
    y = np.array([day.bot for day in days], float)
    w = weights(days, times) * np.where(y, 1 / ONE_IN, 1 - 1 / ONE_IN)
    w /= w.sum()
    p = np.array([likelihood(day.found, ONE_IN, known) for day in days])
    share = float((w * y).sum())
    brier, blank = float((w * (p - y) ** 2).sum()), float((w * (share - y) ** 2).sum())
    place = np.searchsorted(EDGES, p, side="right")
    lines, gap = [], 0.0
    for each, edge in enumerate((0.0, *EDGES)):
        here = place == each
        if here.any():
            told, true = ((w * held)[here].sum() / w[here].sum() for held in (p, y))
            gap += float(w[here].sum() * abs(told - true))
            lines.append(
                f"  from {edge}: said {told:.3f}, true {true:.3f} "
                f"({int(y[here].sum())} bots, {int((1 - y)[here].sum())} others)"
            )
    head = f"{len(y)} host-days, Brier {brier:.4f} (share alone {blank:.4f}), ECE {gap:.4f}"
    return "\n".join([head, *lines])


EDGES: Final = (0.02, 0.1, 0.3, 0.6, 0.85)


def main(arguments: list[str]) -> int:
    """Count, or judge what was counted."""
    parser = argparse.ArgumentParser(prog="python -m bench botnet", description=__doc__)
    parser.add_argument("--fit", action="store_true", help="count, and write what labrys uses")
    parser.add_argument("--quick", action="store_true", help="small inputs: does it run?")
    parser.add_argument("--no-real", action="store_true", help="simulated days only")
    asked = parser.parse_args(arguments)
    places = 2 if asked.quick else PLACES
    if asked.fit:
        days = list(simulated(FIT_SEED, population.FIT, places))
        FILE.write_text(to_toml(count(days)), encoding="utf-8")
        counted.cache_clear()
        _told("fitting ranges", days)
        return 0
    _told("test ranges", list(simulated(TEST_SEED, population.TEST, max(places // 2, 1))))
    if not asked.no_real:
        with workspace() as into:
            _told("real hosts", list(real(into, asked.quick)))
    return 0


def _told(name: str, days: Sequence[HostDay]) -> None:
    print(f"{name}: {reliability(days, counted())}")
    for times in TIMES:
        head = reliability(days, counted(), times).partition("\n")[0]
        print(f"  look-alikes {times:.2f} times as common: {head}")
    for kind in sorted({(day.bot, day.kind) for day in days}):
        some = [day for day in days if (day.bot, day.kind) == kind]
        scores = [likelihood(day.found) for day in some]
        alarms = sum(max(day.found.values(), default=0) >= 2 for day in some)
        least = np.quantile(scores, [0, 0.25, 0.5, 0.75, 1])
        told = Counter(name for day in some for name, held in day.found.items() if held >= 2)
        print(
            f"  {'bot' if kind[0] else 'other'} {kind[1]}: {len(some)}, {alarms} with an alert "
            f"({', '.join(f'{each} {n}' for each, n in told.most_common())}), likelihood "
            f"{' '.join(f'{each:.3f}' for each in least)}"
        )

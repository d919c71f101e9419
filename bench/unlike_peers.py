"""Hosts unlike their peers: who is told in simulated offices, and whether real malware stands out there.

`python -m bench unlike_peers [--quick]`. Simulated are days of the test ranges, on a seed of their own.
The traffic of each real malware capture of a later month is given to an ordinary host of a simulated
office; its place among all hosts is beside that of an isolation forest over the same numbers.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench import botnet, network
from bench.data import workspace
from bench.traffic import flow as made_flows
from bench.traffic import hosts, population
from labrys.detect.botnet.likelihood import by_host
from labrys.detect.network.finding import grouped, joined
from labrys.detect.network.testing import asked, detector, query
from labrys.detect.network.testing import table as padded
from labrys.detect.unlike_peers.features import FLOORS, KEYS, counts
from labrys.detect.unlike_peers.score import ID, SHOWN, judge

SEED: Final = 14_001
OFFICES: Final = 30
_HOSTS: Final = 24
_MORNING: Final = 10 * 3_600_000


def main(arguments: list[str]) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m bench unlike_peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small inputs: does it run?")
    quick = parser.parse_args(arguments).quick
    simulated(2 if quick else OFFICES)
    with workspace() as into:
        real(list(network.captures(into, quick, network.CHECKED_FROM)))
    return 0


def simulated(offices: int) -> None:
    """Of each kind of host: days, those told, those low, those told that nothing else tells."""
    told: dict[tuple[bool, str], list[tuple[int, bool]]] = defaultdict(list)
    for number in range(0, 2 * offices, 2):  # even ones are offices; homes have no peers
        seen, kinds = population.day(SEED, number, population.TEST)
        flows = padded("network_activity", seen.flows)
        tables = {
            "network_activity": flows,
            "dns_activity": padded("dns_activity", seen.names),
            "http_activity": padded("http_activity", seen.requests),
        }
        mine = {
            network.source_of(row): int(row["severity_id"])
            for row in network.found({"network_activity": flows}, detector(ID))
        }
        others = {host for host, _ in by_host(botnet.findings(tables, without=(ID,)))}
        for host, kind in kinds.items():
            told[kind.bot, kind.name].append((mine.get(host, 0), host in others))
    print(
        f"{offices} simulated offices of {_HOSTS} hosts, test ranges: told; low; told by nothing else"
    )
    for (bot, name), each in sorted(told.items()):
        low, only = sum(one > 1 for one, _ in each), sum(one > 0 and not two for one, two in each)
        print(f"  {'bot' if bot else 'other'} {name:10} {sum(one > 0 for one, _ in each):3} {low:3} {only:3} of {len(each)}")  # fmt: skip


def real(captures: Sequence[tuple[str, network.Tables]]) -> None:
    """Where a host with the traffic of real malware stands among those of its office."""
    ours, forest, alerts = [], [], 0
    for number, (_, tables) in enumerate(captures):
        draw = Random(SEED + number)
        office = hosts.day(SEED + number % 10, _HOSTS, hosts.TEST)
        host = draw.choice(sorted({row["src_endpoint_ip"] for row in office}))
        flows = padded("network_activity", [*office, *_moved(tables, host)])
        rows, told = _counted(flows), _scores(flows)
        alerts += told.get(host, 0.0) >= SHOWN
        ours.append(_place({row["src"]: told.get(row["src"], 0.0) for row in rows}, host))
        forest.append(_place(_isolated(rows), host))
    total = len(captures)
    print(
        f"{total} malware captures of later months, each on one host of a simulated office of {_HOSTS}"
    )
    print(
        f"  told {alerts}; first of its office {_first(ours)}, median place {np.median(ours):.1f}"
    )
    print(f"  isolation forest: first {_first(forest)}, median place {np.median(forest):.1f}")


def _moved(tables: network.Tables, host: str) -> Iterator[dict[str, Any]]:
    """The flows of a capture's own host, as those of another, on the simulated day."""
    flows = tables.get("network_activity")
    if flows is None or not flows.num_rows:
        return
    counted = pc.value_counts(flows["src_endpoint_ip"].combine_chunks()).to_pylist()
    me = max(counted, key=lambda one: (one["counts"], one["values"] or ""))["values"]
    mine = flows.filter(pc.equal(flows["src_endpoint_ip"], me)).sort_by("_time")
    begin = mine["_time"][0].as_py()
    start = round(made_flows.START * 1000) // 86_400_000 * 86_400_000 + _MORNING
    for row in mine.to_pylist():
        if row["_time"] - begin < 86_400_000 - _MORNING:
            held = {name: value for name, value in row.items() if value is not None and name not in ("_id", "_offset")}  # fmt: skip
            yield held | {"src_endpoint_ip": host, "_time": row["_time"] - begin + start}


def _counted(flows: pa.Table) -> list[dict[str, Any]]:
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("network_activity", flows)
        return list(database.sql(asked(counts, "network_activity")).to_arrow_table().to_pylist())


def _scores(flows: pa.Table) -> dict[str, float]:
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("network_activity", flows)
        rows = database.sql(query(ID)).to_arrow_table()
    return {held[0]["src"]: joined(judge(held[0])) for held in grouped(rows, KEYS)}


def _isolated(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    from sklearn.ensemble import IsolationForest

    numbers = np.log1p(np.array([[row[name] for name in FLOORS] for row in rows], float))
    odd = -IsolationForest(random_state=1).fit(numbers).score_samples(numbers)
    return dict(zip((row["src"] for row in rows), odd.tolist(), strict=True))


def _place(scores: dict[str, float], host: str) -> float:
    """The place of a host, from 1; of those that score the same the middle one."""
    mine = scores.get(host, 0.0)
    above = sum(score > mine for score in scores.values())
    same = sum(score == mine for score in scores.values())
    return above + (same + 1) / 2


def _first(places: Sequence[float]) -> int:
    return sum(place == 1 for place in places)

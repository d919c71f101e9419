"""Joins in how many ways a host does much more than its peers; more traffic of its own never lowers it.

A count says something where it is several times what is usual, both taken with the floor below which
nothing is said. What the host did on an earlier day as well says half.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from labrys.detect.network.finding import Found, Row, Signal, table, weighed
from labrys.detect.unlike_peers.features import FLOORS, KEYS
from labrys.ocsf.schema import Severity

ID: Final = "unlike_peers"
SHOWN: Final = 0.5
LOW: Final = 0.65
_STEPS: Final = ((3, 0.25), (6, 0.4), (12, 0.5))
"""From so many times what is usual on, and what that says."""
_TOLD: Final = {
    "called": "addresses outside that it called",
    "alone": "addresses that no peer calls",
    "alone_flows": "calls to one that no peer calls",
    "odd_ports": "addresses on ports of no known use",
    "failed": "addresses at which it failed",
    "inside": "hosts inside that it called",
    "admin": "hosts inside that it called to administer",
    "flows": "flows",
    "hours": "hours in which it called out",
    "sent": "bytes sent out",
    "minutes": "minutes of its longest flow",
}
_ADVICE: Final = (
    "See what the host is for: a server, a scanner or a new machine may well be unlike the rest. If "
    "nobody knows, look at the addresses that no other host calls."
)


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`), low at most: unlike is not bad."""
    return table(ID, weighed(rows, KEYS, judge, SHOWN, _found))


def judge(row: Row) -> Iterator[Signal]:
    """What each count says: how many times what is usual it is, less where it always was."""
    for name, floor in FLOORS.items():
        times = _times(row[name], row[f"usual_{name}"], floor)
        weight = max((weight for least, weight in _STEPS if times >= least), default=0.0)
        if weight:
            before = row[f"before_{name}"]
            known = before >= 0 and _times(row[name], before, floor) < _STEPS[0][0]
            said = f"{row[name]:,}, usually {row[f'usual_{name}']:,} at most"
            yield Signal(_TOLD[name], said, weight / 2 if known else weight)


def _times(value: int, usual: int, floor: int) -> float:
    return (value + floor) / (usual + floor)


def _found(
    row: Row, signals: Sequence[Signal], total: float, records: Sequence[dict[str, Any]]
) -> Found:
    kind = "servers" if row["server"] else "hosts"
    return Found(
        rule="unlike_peers.host",
        title=f"A host unlike the other {row['peers']} {kind} of the day",
        severity=Severity.LOW if total >= LOW else Severity.INFORMATIONAL,
        confidence=round(100 * total),
        key=(row["src"], str(row["day"])),
        start=row["first"],
        end=row["last"],
        entities=(("ip", row["src"], "source"),),
        signals=signals,
        techniques=(),
        advice=_ADVICE,
        records=records,
    )

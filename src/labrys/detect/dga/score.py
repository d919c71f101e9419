"""Judges what a host asked for in a day: many names that do not exist and look generated.

One odd name means little. What a bot cannot avoid is volume: it asks for names until one answers. So
names that do not exist are counted, by how much they look generated; no share of them decides, for
shares can be diluted, and more names never make a day look better.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.dga import explain
from labrys.detect.dga.model import Model, model
from labrys.detect.dga.names import Floats, Ints
from labrys.detect.dga.split import split
from labrys.ocsf.schema import FINDING, Severity

Marks = npt.NDArray[np.bool_]

HIGH_LOW: Final = 10
"""So many names above the model's `low` threshold in a day are high,"""
MEDIUM_LOW: Final = 5
"""so many are medium,"""
LOW_LOW: Final = 3
"""and so many low; or"""
MEDIUM_UNSURE: Final = 15
LOW_UNSURE: Final = 8
"""so many above `unsure`."""
BURST: Final = 40
"""So many different names that do not exist within `BURST_MS` are low whatever they look like,"""
FLOOD: Final = 150
"""and so many are medium: no user mistypes so often."""
BURST_MS: Final = 3_600_000
ALIVE_SURE: Final = 10
"""So many names above `sure` that do exist in a day are low: a resolver may answer for all names."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The registered names of a host and day, in order of time, as columns."""

    host: str
    day: int
    name: Sequence[str]
    margin: Floats
    dead: Marks
    alive: Marks
    first: Ints
    last: Ints
    row: Ints

    def missing(self, limit: float) -> int:
        """Names above a margin that do not exist."""
        return int(((self.margin > limit) & self.dead).sum())

    def answered(self, limit: float) -> int:
        """Names above a margin that have an address."""
        return int(((self.margin > limit) & self.alive).sum())

    def burst(self) -> int:
        """The most different names within `BURST_MS` that do not exist."""
        when = np.sort(self.first[self.dead])
        if not len(when):
            return 0
        ends = np.searchsorted(when, when + BURST_MS, side="right")
        return int((ends - np.arange(len(when))).max())


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`), in any order of rows."""
    if not rows.num_rows:
        return FINDING.empty_table()
    held = model()
    order = [(name, "ascending") for name in ("host", "day", "first", "name")]
    rows = rows.combine_chunks().sort_by(order)
    made = [
        found for asked in _days(rows, held) if (found := _finding(asked, rows, held)) is not None
    ]
    return pa.Table.from_pylist(made, FINDING)


def _days(rows: pa.Table, held: Model) -> Iterator[Asked]:
    """What each host asked for in each day, names under the same registered name as one."""
    coded = rows["name"].combine_chunks().dictionary_encode()
    parts = [split(text) for text in coded.dictionary.to_pylist()]
    found = [(at, part) for at, part in enumerate(parts) if part is not None]
    known = sorted({part.registered for _, part in found})
    number = {name: at for at, name in enumerate(known)}
    of_name = np.full(len(parts) + 1, -1, np.int64)
    for at, part in found:
        of_name[at] = number[part.registered]
    labels = pa.array([name.partition(".")[0] for name in known], pa.string())
    margin = held.margins(labels)
    name = of_name[coded.indices.to_numpy(zero_copy_only=False)]
    day = rows["day"].to_numpy()
    host = pc.dictionary_encode(rows["host"].combine_chunks()).indices.to_numpy()
    alive, dead = rows["alive"].to_numpy(), rows["dead"].to_numpy()
    first, last = rows["first"].to_numpy(), rows["last"].to_numpy()
    edge = np.flatnonzero(np.r_[True, (host[1:] != host[:-1]) | (day[1:] != day[:-1]), True])
    for start, end in zip(edge[:-1].tolist(), edge[1:].tolist(), strict=True):
        inside = np.arange(start, end)[name[start:end] >= 0]
        if not len(inside):
            continue
        mine, where, back = np.unique(name[inside], return_index=True, return_inverse=True)
        # Rows are in order of time: the first of a name is its earliest.
        latest = np.full(len(mine), np.iinfo(np.int64).min)
        np.maximum.at(latest, back, last[inside])
        lives = np.bincount(back, alive[inside]) > 0
        missing = ~lives & (np.bincount(back, dead[inside]) > 0)
        yield Asked(
            rows["host"][start].as_py(), int(day[start]), [known[n] for n in mine], margin[mine],
            missing, lives, first[inside][where], latest, inside[where],
        )  # fmt: skip


def judge(asked: Asked, limits: dict[str, float]) -> explain.Verdict | None:
    """What a day of a host's names means; None where it means nothing."""
    low, unsure, burst = (
        asked.missing(limits["low"]),
        asked.missing(limits["unsure"]),
        asked.burst(),
    )
    one, alive = asked.missing(limits["sure"]), asked.answered(limits["sure"])
    grades = (
        (low >= HIGH_LOW, explain.BURST, Severity.HIGH, min(95, 75 + low)),
        (low >= MEDIUM_LOW or unsure >= MEDIUM_UNSURE, explain.BURST, Severity.MEDIUM, 65),
        (burst >= FLOOD, explain.MISSING, Severity.MEDIUM, 50),
        (low >= LOW_LOW or unsure >= LOW_UNSURE, explain.BURST, Severity.LOW, 45),
        (burst >= BURST, explain.MISSING, Severity.LOW, 35),
        (alive >= ALIVE_SURE, explain.ALIVE, Severity.LOW, 30),
        (one > 0, explain.ONE, Severity.INFORMATIONAL, 20),
    )
    for holds, rule, severity, confidence in grades:
        if holds:
            return explain.Verdict(rule, severity, confidence, low, unsure, burst)
    return None


def _finding(asked: Asked, rows: pa.Table, held: Model) -> dict[str, Any] | None:
    verdict = judge(asked, held.limits)
    if verdict is None:
        return None
    shown = explain.shown(asked.margin, asked.dead, asked.alive, verdict, held.limits)
    about = np.flatnonzero(asked.dead) if verdict.rule != explain.ALIVE else shown
    records = rows.take(pa.array(asked.row[shown])).select(["_id", "_source", "_offset", "_shape"])
    seal = hashlib.sha256(f"{asked.host}\0{asked.day}".encode()).hexdigest()[:24]
    answered = explain.answered(asked.margin, asked.alive, held.limits)
    names = [asked.name[at] for at in shown]
    return {
        **explain.said(verdict, held, names, asked.margin[shown], [asked.name[n] for n in answered]),
        "uid": f"dga:{verdict.rule}:{seal}",
        "time_start": int(asked.first[about].min()),
        "time_end": int(asked.last[about].max()),
        "entities": [
            {"type": "ip" if _address(asked.host) else "host", "value": asked.host, "role": "source"},
            *({"type": "domain", "value": name, "role": "object"} for name in names),
            *(
                {"type": "domain", "value": asked.name[n], "role": "destination"}
                for n in answered
            ),
        ],
        "evidence": records.drop_columns("_shape").to_pylist(),
        "shape": records["_shape"][0].as_py(),
    }  # fmt: skip


def _address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdecimal()

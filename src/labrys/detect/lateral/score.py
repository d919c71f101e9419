"""Judges whether a host that reaches others does so for the first time, and how many at once."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from labrys.detect.lateral.features import DAY_MS, KEYS, PROTOCOLS, STANDING, WINDOW
from labrys.detect.network.finding import Found, Row, Signal, table, weighed
from labrys.ocsf.schema import Severity

ID: Final = "lateral"
ALERT: Final = 0.65
SURE: Final = 0.9
SHOWN: Final = 0.35
RARE: Final = 0.1
"""The share of hosts that may begin to reach several others, where that is rare."""
_TECHNIQUES: Final = {
    "smb": "T1021.002",
    "rdp": "T1021.001",
    "winrm": "T1021.006",
    "ssh": "T1021.004",
    "rpc": "T1021.003",
}
_ADVICE: Final = (
    "Ask who works from this host; look at the logons and processes on the hosts it reached, and at "
    "what happened on it just before."
)


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return table(ID, weighed(rows, KEYS, judge, SHOWN, _found))


def judge(row: Row) -> Iterator[Signal]:
    """What speaks for somebody who moves."""
    yield from _slow(row) if row["kind"] == "slow" else _day(row)


def _slow(row: Row) -> Iterator[Signal]:
    """Of several days, in edges that no other host has."""
    fresh = row["fresh"]
    days = (row["last"] - row["first"]) / DAY_MS
    weight = 0.55 if fresh >= 10 else 0.4 if fresh >= 5 else 0.3
    yield Signal("new hosts", f"{fresh} in {days:.1f} days that no other host reaches", weight)
    before = row["standing"] + row["earlier"]
    if row["quiet"] < STANDING:
        yield Signal("own past", f"here for only {row['quiet']} days before", -0.3)
    elif before == 0:
        yield Signal("own past", f"nothing like it in {row['quiet']} days before", 0.4)
    else:
        # Who administers others does so all the time.
        usual = 3 * before * WINDOW >= fresh * row["quiet"]
        told = f"{before} such hosts in {row['quiet']} days before"
        yield Signal("own past", told, -0.7 if usual else 0.2)
    share = row["alike"] / max(row["hosts"], 1)
    if row["hosts"] >= 10 and share <= RARE:
        told = f"{row['alike']} of {row['hosts']} hosts inside ever begin so many"
        yield Signal("rare here", told, 0.25)
    elif share > 2 * RARE:
        yield Signal("rare here", f"no: {row['alike']} of {row['hosts']} hosts do", -0.2)
    yield from _protocols(row)


def _protocols(row: Row) -> Iterator[Signal]:
    kinds = [name for name in PROTOCOLS if row[name] >= 2]
    if len(kinds) >= 2:
        yield Signal("protocols", ", ".join(kinds), 0.2)


def _day(row: Row) -> Iterator[Signal]:
    """Of one day."""
    fresh = row["fresh"]
    weight = 0.55 if fresh >= 10 else 0.4 if fresh >= 5 else 0.2
    yield Signal("new hosts", f"{fresh} reached for the first time, of {row['reached']}", weight)
    if row["hour"] >= 5:
        yield Signal("in one hour", f"{row['hour']} hosts", 0.25)
    yield from _protocols(row)
    if row["past"] >= 2:
        usual = row["usual"] * 2 >= fresh
        told = f"at most {row['usual']} hosts on {row['past']} earlier days"
        yield Signal("own past", told, -0.7 if usual else 0.3)
    elif row["begun"] >= 3:
        yield Signal("own past", f"nothing like it in {row['begun']} days before", 0.4)
    elif row["begun"] < 1:
        yield Signal("own past", "the evidence has no day before", -0.3)


def _found(
    row: Row, signals: Sequence[Signal], total: float, records: Sequence[dict[str, Any]]
) -> Found:
    severity = Severity.LOW
    if total >= ALERT:
        severity = Severity.HIGH if total >= SURE else Severity.MEDIUM
    return Found(
        rule="lateral.slow" if row["kind"] == "slow" else "lateral.fanout",
        title="A host that begins to administer others"
        + (", one after the other" if row["kind"] == "slow" else ""),
        severity=severity,
        confidence=round(100 * total),
        key=(row["src"], str(row["day"]), *(("slow",) if row["kind"] == "slow" else ())),
        start=row["first"],
        end=row["last"],
        entities=(("ip", row["src"], "source"), ("ip", row["dst"], "target")),
        signals=signals,
        techniques=tuple(made for name, made in _TECHNIQUES.items() if row[name]) or ("T1021",),
        advice=_ADVICE,
        records=records,
    )

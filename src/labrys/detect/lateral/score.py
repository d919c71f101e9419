"""Judges whether a host that reaches others does so for the first time, and how many at once."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from labrys.detect.lateral.features import KEYS, PROTOCOLS
from labrys.detect.network.finding import Found, Row, Signal, table, weighed
from labrys.ocsf.schema import Severity

ID: Final = "lateral"
ALERT: Final = 0.65
SURE: Final = 0.9
SHOWN: Final = 0.35
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
    fresh = row["fresh"]
    weight = 0.55 if fresh >= 10 else 0.4 if fresh >= 5 else 0.2
    yield Signal("new hosts", f"{fresh} reached for the first time, of {row['reached']}", weight)
    if row["hour"] >= 5:
        yield Signal("in one hour", f"{row['hour']} hosts", 0.25)
    kinds = [name for name in PROTOCOLS if row[name] >= 2]
    if len(kinds) >= 2:
        yield Signal("protocols", ", ".join(kinds), 0.2)
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
        rule="lateral.fanout",
        title="A host that begins to administer others",
        severity=severity,
        confidence=round(100 * total),
        key=(row["src"], str(row["day"])),
        start=row["first"],
        end=row["last"],
        entities=(("ip", row["src"], "source"), ("ip", row["dst"], "target")),
        signals=signals,
        techniques=tuple(made for name, made in _TECHNIQUES.items() if row[name]) or ("T1021",),
        advice=_ADVICE,
        records=records,
    )

"""Judges whether long, thin flows to a pool's port or name are mining."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from labrys.detect.mining.features import KEYS, POOL_PORTS
from labrys.detect.network.finding import Found, Row, Signal, table, weighed
from labrys.ocsf.schema import Severity

ID: Final = "mining"
ALERT: Final = 0.6
SHOWN: Final = 0.3
_ADVICE: Final = (
    "Look at what uses the processor of this host; a miner nobody ordered came as other malware."
)


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return table(ID, weighed(rows, KEYS, judge, SHOWN, _found))


def judge(row: Row) -> Iterator[Signal]:
    """What speaks for mining."""
    seconds = row["lasting"] / 1000
    if "stratum" in row["service"]:
        yield Signal("protocol", "Stratum, the pools' own", 0.85)
    if row["sni"]:
        yield Signal("name", f"{row['sni']} is called as pools are", 0.5)
    if row["port"] in POOL_PORTS:
        yield Signal("port", f"{row['port']}, used by pools", 0.3)
    if seconds >= 600:
        rate = (row["sent"] + row["received"]) / seconds
        weight = 0.35 if 1 <= rate <= 400 else -0.5 if rate > 4000 else 0.0
        yield Signal("rate", f"{rate:.0f} bytes a second for {seconds / 60:.0f} min", weight)
    if row["longest"] >= 1_800_000:
        yield Signal("longest", f"{row['longest'] / 60_000:.0f} min", 0.25)
    if row["service"] in ("http", "ssh", "irc", "bittorrent"):
        yield Signal("protocol", row["service"], -0.6)


def _found(
    row: Row, signals: Sequence[Signal], total: float, records: Sequence[dict[str, Any]]
) -> Found:
    return Found(
        rule="mining.pool",
        title="Coin mining: a lasting, thin connection to a pool",
        severity=Severity.MEDIUM if total >= ALERT else Severity.LOW,
        confidence=round(100 * total),
        key=(row["src"], row["dst"], str(row["port"])),
        start=row["first"],
        end=row["last"],
        entities=(
            ("ip", row["src"], "source"),
            ("ip", row["dst"], "destination"),
            ("domain", row["sni"] or None, "destination"),
        ),
        signals=signals,
        techniques=("T1496",),
        advice=_ADVICE,
        records=records,
    )

"""Judges floods: a host of ours that floods is a bot; one that is flooded needs help, not blame."""

from collections.abc import Iterator, Sequence
from math import log10
from typing import Any, Final

import pyarrow as pa

from labrys.detect.ddos.features import FLOWS, KEYS, PACKETS
from labrys.detect.network.finding import Found, Row, Signal, grouped, table
from labrys.ocsf.schema import Severity

ID: Final = "ddos"
_ADVICE: Final = {
    "from": "Isolate the source: a host that floods takes orders from somebody. Find who gave them.",
    "to": "Filter upstream by what the flood has in common; ask the provider for help.",
}


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return table(ID, _findings(rows))


def _findings(rows: pa.Table) -> Iterator[Found]:
    for records in grouped(rows, KEYS):
        yield _found(records[0], records)


def _found(row: Row, records: Sequence[dict[str, Any]]) -> Found:
    ours, kind = bool(row["inside"]), row["kind"]
    over = max(row["flows"] / FLOWS, row["packets"] / PACKETS)
    severity = Severity.MEDIUM if ours else Severity.LOW
    if ours and kind == "from" and over >= 10:
        severity = Severity.HIGH
    signals = [
        Signal("fullest minute", f"{row['flows']} flows, {row['packets']} packets", 0.8),
        Signal("minutes", str(row["minutes"]), 0.3),
        Signal("answers", f"{row['failed']} of {row['total']} flows got none", 0.4),
    ]
    if kind == "to":
        signals.append(Signal("sources", str(row["sources"]), 0.5))
    source = (("ip", row["party"], "source"),) if kind == "from" else ()
    target = "destination" if kind == "from" else "target"
    return Found(
        rule=f"ddos.{kind}",
        title="A host that floods another" if kind == "from" else "A host that many flood",
        severity=severity,
        confidence=min(95, round(55 + 20 * log10(max(over, 1)))),
        key=(kind, row["party"], row["dst"], str(row["first"] // 86_400_000)),
        start=row["first"],
        end=row["last"],
        entities=(*source, ("ip", row["dst"], target)),
        signals=signals,
        techniques=("T1498.001",) if row["packets"] >= PACKETS else ("T1499.001",),
        advice=_ADVICE[kind],
        records=records,
    )

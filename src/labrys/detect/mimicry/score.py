"""Judges a protocol on a port that is not its own: hiding among the web is what matters."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from labrys.detect.mimicry.features import EXPECTED, KEYS
from labrys.detect.network.finding import Found, Row, Signal, grouped, joined, table
from labrys.ocsf.schema import Severity

ID: Final = "mimicry"
ALERT: Final = 0.6
SHOWN: Final = 0.25
_WEIGHTS: Final = {
    "ssh": 0.3,
    "irc": 0.4,
    "rdp": 0.35,
    "smtp": 0.3,
    "socks": 0.45,
    "dns": 0.15,
    "ftp": 0.15,
    "smb": 0.5,
    "telnet": 0.3,
    "vnc": 0.25,
    "rfb": 0.25,
    "ssl": 0.35,
    "tls": 0.35,
    "?": 0.25,
}
_ADVICE: Final = (
    "Find the program that speaks here and why it hides; a proxy that looks inside ends it."
)


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return table(ID, _findings(rows))


def _findings(rows: pa.Table) -> Iterator[Found]:
    for records in grouped(rows, KEYS):
        signals = list(judge(records[0]))
        total = joined(signals)
        if total >= SHOWN:
            yield _found(records[0], signals, total, records)


def judge(row: Row) -> Iterator[Signal]:
    """What speaks for a disguise."""
    service, port = row["service"], row["port"]
    told = "nothing that TLS would say" if service == "?" else f"{service} on port {port}"
    yield Signal("protocol", told, _WEIGHTS.get(service, 0.2))
    if row["common"] and service != "?":
        yield Signal("port", "one that is open everywhere", 0.45)
    if service == "irc":
        if port not in EXPECTED["irc"]:
            yield Signal("port", "none of IRC's", 0.3)
        if row["calls"] >= 20:
            yield Signal("calls", f"{row['calls']}, {row['failed']} of them failed", 0.4)
    if row["sources"] >= 3:
        yield Signal("prevalence", f"{row['sources']} hosts do the same", -0.5)


def _found(
    row: Row, signals: Sequence[Signal], total: float, records: Sequence[dict[str, Any]]
) -> Found:
    unknown = row["service"] == "?"
    return Found(
        rule="mimicry.unknown" if unknown else "mimicry.port",
        title="A flow on TLS's port that speaks no TLS"
        if unknown
        else "A protocol on a port that is not its own",
        severity=Severity.MEDIUM if total >= ALERT and not unknown else Severity.LOW,
        confidence=round(100 * total),
        key=(row["src"], row["dst"], str(row["port"]), row["service"]),
        start=row["first"],
        end=row["last"],
        entities=(("ip", row["src"], "source"), ("ip", row["dst"], "destination")),
        signals=signals,
        techniques=("T1001.003", "T1095") if unknown else ("T1571", "T1001.003"),
        advice=_ADVICE,
        records=records,
    )

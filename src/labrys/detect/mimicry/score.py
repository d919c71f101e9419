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
MOST_BLANK: Final = 10
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
    blank: dict[str, list[dict[str, Any]]] = {}
    for records in grouped(rows, KEYS):
        if records[0]["service"] == "?":
            blank.setdefault(records[0]["src"], []).append(records[0])
            continue
        signals = list(judge(records[0]))
        total = joined(signals)
        if total >= SHOWN:
            yield _found(records[0], signals, total, records)
    for firsts in blank.values():
        yield _blank(firsts)


def _blank(firsts: Sequence[dict[str, Any]]) -> Found:
    """What speaks no TLS where it should, told once for each source: broken calls look like it."""
    row = firsts[0]
    return Found(
        rule="mimicry.unknown",
        title="Flows on TLS's port that speak no TLS",
        severity=Severity.INFORMATIONAL,
        confidence=20,
        key=(row["src"],),
        start=min(each["first"] for each in firsts),
        end=max(each["last"] for each in firsts),
        entities=(
            ("ip", row["src"], "source"),
            *(("ip", each["dst"], "destination") for each in firsts[:MOST_BLANK]),
        ),
        signals=(Signal("destinations", f"{len(firsts)} without a handshake", 0.25),),
        techniques=("T1001.003", "T1095"),
        advice=_ADVICE,
        records=firsts[:MOST_BLANK],
    )


def judge(row: Row) -> Iterator[Signal]:
    """What speaks for a disguise."""
    service, port = row["service"], row["port"]
    yield Signal("protocol", f"{service} on port {port}", _WEIGHTS.get(service, 0.2))
    if row["common"]:
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
    return Found(
        rule="mimicry.port",
        title="A protocol on a port that is not its own",
        severity=Severity.MEDIUM if total >= ALERT else Severity.LOW,
        confidence=round(100 * total),
        key=(row["src"], row["dst"], str(row["port"]), row["service"]),
        start=row["first"],
        end=row["last"],
        entities=(("ip", row["src"], "source"), ("ip", row["dst"], "destination")),
        signals=signals,
        techniques=("T1571", "T1001.003"),
        advice=_ADVICE,
        records=records,
    )

"""Judges how much a channel looks like an implant's, and how little like an ordinary program's.

Points are log-odds by judgement, tuned on made-up traffic and on a part of the real days; a timer
alone is not enough, for ordinary programs keep time better than implants do.
"""

from collections.abc import Iterator, Sequence
from math import exp, log2
from typing import Any, Final

import pyarrow as pa

from labrys.detect.network.finding import Found, Row, Signal, grouped, table
from labrys.ocsf.schema import Severity

ID: Final = "beacon"
BASE: Final = -5.0
ALERT: Final = 1.0
"""Points from which a channel of a host of ours is worth an alert."""
SHOWN: Final = -1.5
"""Points from which a channel is told at all."""
LATENCY_MS: Final = 900
WEB_PORTS: Final = (80, 443, 8080, 8443)
ADMIN_PORTS: Final = (22, 23, 3389, 5900)

_ADVICE: Final = (
    "Find the program that makes these connections and what started it; look at what else this host "
    "did when they began, and whether other hosts call the same destination."
)


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return table(ID, _findings(rows))


def _findings(rows: pa.Table) -> Iterator[Found]:
    for records in grouped(rows, ("src", "dst", "port")):
        row = records[0]
        signals = list(judge(row))
        points = BASE + sum(signal.weight for signal in signals)
        if points >= SHOWN:
            yield _found(row, signals, points, records)


def judge(row: Row) -> Iterator[Signal]:
    """What speaks for and against an implant; weights are log-odds."""
    yield from _beat(row)
    yield from _sizes(row)
    yield from _protocol(row)
    yield from _place(row)


def wobble(row: Row) -> float:
    """How far gaps are apart: 0 for a clock, about 1 for ±60 % of jitter, more for people."""
    return float((row["q90"] - row["q10"]) / max(row["q50"], 1.0))


def lean(row: Row) -> float:
    """How one-sided gaps are: near 0 for drawn jitter, near 1 for bursts and long rests."""
    wide = row["q90"] - row["q10"]
    return float(abs(row["q90"] + row["q10"] - 2 * row["q50"]) / wide) if wide > 0 else 0.0


def _beat(row: Row) -> Iterator[Signal]:
    wide, middle = wobble(row), row["q50"] / 1000
    # A busy machine or a slow answer moves a timer by a fraction of a second, not by a share.
    timer = row["q90"] - row["q10"] < max(0.02 * row["q50"], LATENCY_MS)
    timer = timer or row["q75"] - row["q25"] < 0.005 * row["q50"]
    lopsided = 0.0 if wide < 0.05 else _share(lean(row), 0.35, 0.9)
    regular = _share(1.5 - wide, 0.1, 0.6) * (1 - lopsided)
    told = (
        f"{middle:.0f} s, eight in ten between {row['q10'] / 1000:.0f} and {row['q90'] / 1000:.0f}"
    )
    yield Signal("gap between calls", told, round(3.0 * regular - 1.0, 3))
    if timer:
        yield Signal("timer", "gaps as equal as ordinary programs' timers", -1.0)
    elif wide >= 0.05 and regular > 0.3:
        yield Signal("jitter", f"±{50 * wide:.0f} %, as drawn by chance", round(1.2 * regular, 3))
    calls = min(1.0, log2(max(row["calls"], 8) / 8) / 3)
    yield Signal("calls", str(row["calls"]), round(1.5 * calls, 3))
    span = (row["last"] - row["first"]) / 3_600_000
    kept = min(1.0, row["hours"] / 8)
    yield Signal("hours", f"active in {row['hours']} of {max(1, round(span))}", round(kept, 3))


def _sizes(row: Row) -> Iterator[Signal]:
    if row["out_mid"] is None or row["in_mid"] is None:
        return
    sent = (row["out_high"] - row["out_low"]) / max(row["out_mid"], 1.0)
    told = f"{row['out_mid']:.0f} bytes sent, {row['in_mid']:.0f} received"
    weight = 0.7 if sent <= 0.15 else 0.4 if sent <= 0.6 else -0.8 * _share(sent, 1.0, 4.0)
    yield Signal("sizes", told, round(weight, 3))
    if row["in_mid"] > 100_000:
        yield Signal("downloads", "what is received looks like content", -1.5)


def _protocol(row: Row) -> Iterator[Signal]:
    service, port = row["service"], row["port"]
    told = f"{service or 'unknown'} on {row['proto'] or 'port'} {port}"
    if row["shaken"] and row["nameless"] == row["shaken"]:
        yield Signal("no server name", f"{row['shaken']} TLS handshakes without one", 1.0)
    elif row["sni"]:
        yield Signal("server name", row["sni"], -0.4)
    if port in ADMIN_PORTS or service in ("ssh", "rdp"):
        yield Signal("service", told, -1.5)
    elif row["proto"] == "udp":
        yield Signal("service", told, -0.5)
    elif port not in WEB_PORTS:
        yield Signal("service", told, 0.3)
    if row["lasts"] is not None and row["lasts"] > 20_000:
        yield Signal("connections", f"held for {row['lasts'] / 1000:.0f} s", -0.8)
    if row["failed"] > 0.8 * row["calls"]:
        yield Signal("answers", f"{row['failed']} calls failed", -0.5 if row["own"] else -3.0)


def _place(row: Row) -> Iterator[Signal]:
    if row["inside"]:
        yield Signal("destination", "a private address", -2.0)
    elif row["own"] and row["elsewhere"] >= 10:
        near = row["neighbours"]
        weight = 0.5 if near == 0 else 0.0 if near == 1 else -0.7
        yield Signal("neighbours", f"{near} addresses nearby are called as well", weight)
    if row["sources"] >= 3 and row["sources"] * 5 >= row["hosts"]:
        told = f"{row['sources']} of {row['hosts']} hosts call it"
        yield Signal("prevalence", told, -2.5)
    elif row["own"] and row["hosts"] >= 5:
        yield Signal("prevalence", f"{row['sources']} of {row['hosts']} hosts call it", 0.5)
    if not row["own"]:
        yield Signal("source", "not a host of this network", -0.5)


def _share(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _found(
    row: Row, signals: Sequence[Signal], points: float, records: Sequence[dict[str, Any]]
) -> Found:
    severity = Severity.INFORMATIONAL
    if points >= ALERT and row["own"]:
        severity = Severity.MEDIUM
    elif points >= 0:
        severity = Severity.LOW
    web = row["port"] in WEB_PORTS
    return Found(
        rule="beacon.channel",
        title="Calls to one destination at a beat of their own",
        severity=severity,
        confidence=round(100 / (1 + exp(-points))),
        key=(row["src"], row["dst"], str(row["port"])),
        start=row["first"],
        end=row["last"],
        entities=(
            ("ip", row["src"], "source"),
            ("ip", row["dst"], "destination"),
            ("domain", row["sni"] or None, "destination"),
        ),
        signals=signals,
        techniques=("T1071.001" if web else "T1571", "T1029"),
        advice=_ADVICE,
        records=records,
    )

"""Judges TLS by who vouches for it: a certificate made by hand is common, with no name it is not."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from labrys.detect.network.finding import Found, Row, Signal, grouped, joined, table
from labrys.detect.tls_odd.features import KEYS, TLS_PORTS
from labrys.ocsf.schema import Severity

ID: Final = "tls_odd"
ALERT: Final = 0.6
SURE: Final = 0.93
TOGETHER: Final = 0.75
QUIET: Final = 0.3

_ADVICE: Final = (
    "Find the program that connects and who runs the server; look for the certificate's names and "
    "fingerprint elsewhere."
)


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return table(ID, _findings(rows))


def _findings(rows: pa.Table) -> Iterator[Found]:
    quiet: dict[str, list[tuple[float, list[dict[str, Any]]]]] = {}
    for records in grouped(rows, KEYS):
        signals = list(judge(records[0]))
        total = joined(signals)
        if total >= ALERT:
            yield _found(records[0], signals, total, records)
        elif total >= QUIET and (records[0]["selfmade"] or records[0]["untouched"]):
            quiet.setdefault(records[0]["src"], []).append((total, records))
    for several in quiet.values():
        several.sort(key=lambda one: -one[0])
        # One maker's servers, all alike, say no more than one of them.
        alike = {group[0]["subject"]: (total, group) for total, group in reversed(several)}
        chosen = sorted(alike.values(), key=lambda one: -one[0])[:5]
        signals = [
            Signal(f"server {records[0]['dst']}", _said(records[0]), round(total, 3))
            for total, records in chosen
        ]
        total = joined(signals)
        records = [each for _, group in chosen for each in group[:2]]
        enough = total >= TOGETHER and len({group[0]["dst"] for _, group in chosen}) >= 2
        yield _found(records[0], signals, total, records, alert=enough)


def judge(row: Row) -> Iterator[Signal]:
    """What the handshakes of a pair say against it."""
    if row["tor"]:
        told = f"{row['subject']}, issued by {row['issuer']}"
        yield Signal("certificate", f"as Tor's relays make them: {told}", 0.8)
    if row["selfmade"]:
        yield Signal("certificate", f"signed by itself: {row['subject']}", 0.4)
    if row["untouched"]:
        told = f"{row['subject']}, issued by {row['issuer']}"
        yield Signal("certificate", f"a tool's placeholders left in: {told}", 0.35)
    if row["invalid"] and not row["selfmade"]:
        yield Signal("certificate", "expired, or by nobody known", 0.3)
    if row["nameless"] == row["shaken"]:
        yield Signal("server name", f"none in {row['shaken']} handshakes", 0.25)
    elif row["selfmade"] and not _fits(row["sni"], row["subject"]):
        yield Signal("server name", f"{row['sni']} is not what the certificate says", 0.3)
    if row["port"] not in TLS_PORTS:
        yield Signal("port", str(row["port"]), 0.2)
    # Who fetches a module once reports on all other connections.
    if row["answered"] >= 4 and 4 * row["pages"] >= 3 * row["answered"] and not row["tor"]:
        told = f"{row['pages']} of {row['answered']} connections bring back as much as pages"
        yield Signal("traffic", told, -0.3)
    if row["rare"] == 1 and row["hosts"] >= 5:
        yield Signal("fingerprint", f"{row['ja3']} of no other host of {row['hosts']}", 0.15)


def _fits(sni: str, subject: str | None) -> bool:
    """Whether the certificate's subject names the domain that was asked for."""
    labels = sni.split(".")
    return ".".join(labels[-2:]) in (subject or "").lower()


def _said(row: Row) -> str:
    return "; ".join(f"{signal.name} {signal.value}" for signal in judge(row))


def _found(
    row: Row,
    signals: Sequence[Signal],
    total: float,
    records: Sequence[dict[str, Any]],
    *,
    alert: bool = True,
) -> Found:
    several = len({each["dst"] for each in records}) > 1
    severity = Severity.LOW
    if alert:
        severity = Severity.HIGH if total >= SURE and not several else Severity.MEDIUM
    names = dict.fromkeys(each["sni"] for each in records if each["sni"])
    odd = row["port"] not in TLS_PORTS
    return Found(
        rule="tls_odd.host" if several else "tls_odd.server",
        title="TLS with several servers that nobody vouches for"
        if several
        else "TLS with a server that nobody vouches for",
        severity=severity,
        confidence=round(100 * total),
        key=(row["src"],) if several else (row["src"], row["dst"], str(row["port"])),
        start=min(each["first"] for each in records),
        end=max(each["last"] for each in records),
        entities=(
            ("ip", row["src"], "source"),
            *(("ip", each["dst"], "destination") for each in records),
            *(("domain", name, "destination") for name in names),
        ),
        signals=signals,
        techniques=(
            "T1573.002",
            *(("T1090.003",) if row["tor"] else ("T1587.003",)),
            *(("T1571",) if odd else ()),
        ),
        advice=_ADVICE,
        records=records,
    )

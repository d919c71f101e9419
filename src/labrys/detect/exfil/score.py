"""Judges uploads: size alone is a backup, a call or a speed test; it must be unlike all before."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from labrys.detect.exfil.features import KEYS, NAMES, PINGS
from labrys.detect.network.finding import Found, Row, Signal, table, weighed
from labrys.ocsf.schema import Severity

ID: Final = "exfil"
ALERT: Final = 0.65
SHOWN: Final = 0.35
WEB: Final = ("ssl", "tls", "http", "quic")

_ADVICE: Final = (
    "Find the program that sent this and what it read; ask the user. If nobody meant it, keep the "
    "host as it is and work out which data is gone."
)


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return table(ID, weighed(rows, KEYS, judge, SHOWN, _found))


def judge(row: Row) -> Iterator[Signal]:
    """What speaks for data that is taken away."""
    if row["proto"].startswith("icmp"):
        each = row["sent"] / max(row["packets"], 1)
        yield Signal("carrier", f"{_size(row['sent'])} in ICMP, {each:.0f} bytes a packet", 0.5)
        if each >= 200 or row["sent"] >= 20 * PINGS:
            yield Signal("packets", "fuller than a ping's", 0.4)
        return
    if row["port"] == 53:
        yield Signal("carrier", f"{_size(row['sent'])} to a DNS server", 0.5)
        if row["sent"] >= 3 * NAMES and row["sent"] >= row["received"]:
            yield Signal("volume", "more asked than answered", 0.4)
        if row["peers"] >= 5 and row["callers"] == 1:
            yield Signal("prevalence", "no other host asks this server", 0.35)
        return
    yield from _volume(row)
    yield from _unlike(row)


def _volume(row: Row) -> Iterator[Signal]:
    weight = 0.4 if row["sent"] >= 500_000_000 else 0.25 if row["sent"] >= 100_000_000 else 0.1
    yield Signal("sent", f"{_size(row['sent'])} in {row['flows']} flows", weight)
    ratio = row["sent"] / max(row["received"], 1)
    if ratio >= 10:
        yield Signal("direction", f"{ratio:.0f} times what came back", 0.2)
    elif ratio < 3:
        yield Signal("direction", "about as much came back, as in calls", -0.5)
    if row["proto"] == "udp" and row["port"] != 443 and row["lasting"] >= 60_000:
        yield Signal("carrier", "a long UDP flow, as of a call", -0.5)
    if row["longest"] < 15_000 and row["sent"] < 100_000_000:
        yield Signal("duration", "seconds, as of a speed test", -0.4)
    plain = row["service"] not in WEB and row["port"] not in (443, 80)
    if plain and row["proto"] == "tcp":
        yield Signal("carrier", f"{row['service'] or 'unknown'} on port {row['port']}", 0.2)


def _unlike(row: Row) -> Iterator[Signal]:
    times = row["sent"] / max(row["usual"], 1)
    told = f"{times:.1f} times the most of {row['past']} earlier days ({_size(row['usual'])})"
    if row["past"] == 0:
        # Who sends as much every night does so on the first night of the evidence, too.
        yield Signal("own past", "the evidence has no earlier day of the host", -0.15)
    elif times < 2:
        yield Signal("own past", told, -0.6)
    elif row["past"] >= 3:
        yield Signal("own past", told, 0.45 if times >= 5 else 0.25)
    if row["past"] >= 3 and row["before"] == 0:
        yield Signal("destination", "never called on an earlier day", 0.2)
    if row["peers"] >= 5:
        times = row["sent"] / max(row["peer"], 1)
        # One backup must not hide everybody: only what many send is usual here.
        many = row["ahead"] > max(1, row["peers"] // 10)
        weight = 0.35 if times >= 5 else 0.15 if times >= 2 else -0.5 if many else 0.0
        told = f"{times:.1f} times the most of {row['peers']} others, {row['ahead']} sent more"
        yield Signal("peers", told, weight)
        if row["callers"] == 1:
            yield Signal("prevalence", "no other host calls this destination", 0.15)
        elif row["callers"] * 4 >= row["peers"]:
            yield Signal("prevalence", f"{row['callers']} hosts call this destination", -0.4)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count} bytes"


def _found(
    row: Row, signals: Sequence[Signal], total: float, records: Sequence[dict[str, Any]]
) -> Found:
    odd = row["proto"].startswith("icmp") or row["port"] == 53
    # Without a past and without peers nobody knows what is usual here.
    known = odd or row["past"] >= 3 or row["peers"] >= 5
    technique = ("T1095", "T1048") if odd else ("T1048",)
    if not odd and (row["service"] in WEB or row["port"] in (80, 443)):
        technique = ("T1567", "T1041")
    return Found(
        rule="exfil.carrier" if odd else "exfil.upload",
        title="Data sent by a carrier that is not for data" if odd else "More sent out than ever",
        severity=Severity.MEDIUM if known and total >= ALERT else Severity.LOW,
        confidence=round(100 * total),
        key=(row["src"], row["dst"], str(row["port"]), row["proto"], str(row["day"])),
        start=row["first"],
        end=row["last"],
        entities=(("ip", row["src"], "source"), ("ip", row["dst"], "destination")),
        signals=signals,
        techniques=technique,
        advice=_ADVICE,
        records=records,
    )

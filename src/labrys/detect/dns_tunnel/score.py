"""Judges whether what a client asks below a zone is names or data.

The floor is RITA's rule, a hundred names below one zone; it alone is low, for crawlers and content
networks do it. Weights are judgement; zone names play no part.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from labrys.detect.dns_tunnel.features import KEYS
from labrys.detect.network.finding import Found, Row, Signal, grouped, joined, table
from labrys.ocsf.schema import Severity

ID: Final = "dns_tunnel"
FLOOR: Final = 100
"""RITA's: so many names below a zone."""
ALERT: Final = 0.7
SURE: Final = 0.93

_ADVICE: Final = (
    "Find the program that asks these names. Block the zone at the resolver and refuse DNS to any "
    "server but the resolver; estimate from names and lengths what may have left."
)


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return table(ID, _findings(rows))


def _findings(rows: pa.Table) -> Iterator[Found]:
    best: dict[tuple[str, str], tuple[float, list[Signal], list[list[dict[str, Any]]]]] = {}
    for records in grouped(rows, KEYS):
        signals = list(judge(records[0]))
        total = joined(signals)
        floor = records[0]["kind"] == "zone" and records[0]["names"] >= FLOOR
        if total < ALERT and not floor:
            continue
        # Windows of one client and zone are one finding: its strongest, and since when.
        key = (records[0]["src"], records[0]["zone"])
        sum_, said, windows = best.get(key, (-1.0, signals, []))
        windows.append(records)
        best[key] = (total, signals, windows) if total > sum_ else (sum_, said, windows)
    for total, signals, windows in best.values():
        yield _found(total, signals, windows)


def judge(row: Row) -> Iterator[Signal]:
    """What speaks for data in the names of a window."""
    names, kind = row["names"], row["kind"]
    if kind == "client":
        yield from _zoneless(row)
        return
    if kind == "zone" and names >= 10:
        weight = 0.45 if names >= FLOOR else 0.3 if names >= 30 else 0.15
        yield Signal("names", f"{names} different ones in ten minutes", weight)
    yield from _encoded(row)
    yield from _types(row)
    if row["listed"] * 2 >= row["queries"]:
        yield Signal("answers", "addresses of 127.0.0.0/8, as reputation services give", -0.8)


def _encoded(row: Row) -> Iterator[Signal]:
    names, mean = row["names"], row["length"] or 0.0
    if row["illegal"]:
        weight = 0.75 if row["illegal"] < 3 else 0.85
        yield Signal(
            "characters", f"{row['illegal']} names with some that no name may have", weight
        )
    if row["kind"] == "day":
        if row["encoded"] >= 40 and mean >= 35:
            told = f"{row['encoded']} names in a day with labels like encoded data"
            yield Signal("labels", told, 0.6)
    elif row["encoded"] >= 5 and row["encoded"] * 2 >= names:
        yield Signal("labels", f"{row['encoded']} of {names} like encoded data", 0.4)
    if names >= 10 and mean >= 25:
        yield Signal("length", f"{mean:.0f} characters on average", 0.45 if mean >= 40 else 0.25)


def _types(row: Row) -> Iterator[Signal]:
    texts = row["texts"]
    if texts >= 3 and texts * 2 >= row["names"]:
        told = f"{texts} names asked for text, {row['queries']} questions"
        yield Signal("text records", told, 0.65 if texts >= 8 else 0.3)
        if (row["answer"] or 0) >= 100:
            yield Signal("text answers", f"up to {row['answer']} characters", 0.25)
    if row["nulls"] >= 2:
        yield Signal("null records", f"{row['nulls']} names asked for raw data", 0.75)
    if row["carriers"] >= 20:
        yield Signal("alias records", f"{row['carriers']} names asked for aliases or servers", 0.35)


def _zoneless(row: Row) -> Iterator[Signal]:
    if row["rootless"] >= 5:
        told = f"{row['rootless']} names in no zone there is"
        yield Signal("no zone", told, 0.85 if row["rootless"] >= 20 else 0.75)
    if row["encoded"] >= 20 and row["zones"] >= 2 and row["zones"] * 4 <= row["encoded"]:
        told = f"{row['encoded']} names with labels like encoded data over {row['zones']} zones"
        yield Signal("many zones", told, 0.75)


def _found(total: float, signals: Sequence[Signal], windows: list[list[dict[str, Any]]]) -> Found:
    row = windows[0][0]
    names = sum(group[0]["names"] for group in windows if group[0]["kind"] != "day")
    severity = Severity.LOW
    if total >= ALERT:
        severity = Severity.HIGH if total >= SURE else Severity.MEDIUM
    more = Signal("windows", f"{len(windows)}, with {names} names in all", 0.0)
    out = max(group[0]["long"] for group in windows) >= 20
    start = min(group[0]["first"] for group in windows)
    return Found(
        rule="dns_tunnel.zone" if row["zone"] else "dns_tunnel.client",
        title="Data that travels in DNS names" if row["zone"] else "Data in DNS names of no zone",
        severity=severity,
        confidence=round(100 * total) if total >= ALERT else 30,
        key=(row["src"], row["zone"], str(start // 86_400_000)),
        start=start,
        end=max(group[0]["last"] for group in windows),
        entities=(("ip", row["src"], "source"), ("domain", row["zone"] or None, "destination")),
        signals=[*signals, more] if signals else [more],
        techniques=("T1071.004", "T1572", *(("T1048.003",) if out else ())),
        advice=_ADVICE,
        records=list({each["_id"]: each for group in windows[:3] for each in group}.values()),
    )

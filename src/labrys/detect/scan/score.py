"""Judges who scanned: what comes from inside matters, what knocks from the internet is noise."""

from collections.abc import Iterator, Sequence
from math import exp, log10
from typing import Any, Final

import pyarrow as pa

from labrys.detect.network.finding import Found, Row, Signal, grouped, table
from labrys.detect.scan.features import DAY_MS, KEYS, LEAST_DEEP, LEAST_WIDE
from labrys.ocsf.schema import Severity

ID: Final = "scan"
ADMIN: Final = {22, 23, 135, 139, 445, 1433, 2323, 3306, 3389, 5432, 5555, 5900, 5985, 6379, 7547}
"""Ports by which worms spread and intruders move."""

_ADVICE: Final = {
    True: "Find the program on the source that did this, and who is at it; if it is no scanner of "
    "yours, isolate the host and look at those that answered.",
    False: "The internet scans all the time; look only at what answered and should not have.",
}


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return table(ID, _findings(rows))


def _findings(rows: pa.Table) -> Iterator[Found]:
    told: set[tuple[str, str, str]] = set()
    # What a day shows is not told again by the slow view.
    for records in sorted(grouped(rows, KEYS), key=lambda each: each[0]["kind"].startswith("slow")):
        row = records[0]
        plain = row["kind"].removeprefix("slow ")
        slow = plain != row["kind"]
        known = (row["src"], plain, row["thing"]) in told
        if slow and (known or row["last"] - row["first"] < DAY_MS):
            continue
        if row["silent"] < 0.7 * row["targets"]:
            continue
        told.add((row["src"], plain, row["thing"]))
        yield _found(row, plain, slow, records)


def _found(row: Row, plain: str, slow: bool, records: Sequence[dict[str, Any]]) -> Found:
    wide = plain == "wide"
    least = LEAST_WIDE if wide else LEAST_DEEP
    share = row["silent"] / row["targets"]
    points = 0.5 + 1.5 * log10(row["targets"] / least + 0.1) + 4 * (share - 0.8)
    own = bool(row["own"])
    severity = Severity.INFORMATIONAL
    if own:
        enough = row["targets"] >= 2 * least and share >= 0.8
        severity = Severity.MEDIUM if enough or (wide and row["port"] in ADMIN) else Severity.LOW
        if wide and row["port"] in ADMIN and row["targets"] >= 8 * least:
            severity = Severity.HIGH
    elif row["inside"] and row["targets"] >= 2 * LEAST_WIDE and share < 0.95:
        severity = Severity.LOW
    what = "addresses" if wide else "ports"
    seconds = max((row["last"] - row["first"]) / 1000, 1.0)
    signals = [
        Signal(what, f"{row['targets']} tried, {row['silent']} never answered", 0.8),
        Signal("tries", f"{row['tries']} in {seconds:.0f} s", 0.3),
        Signal("port" if wide else "address", row["thing"], 0.2),
        Signal("source", "a host of this network" if own else "from outside", 0.4 if own else -0.6),
    ]
    target = () if wide else (("ip", row["dst"], "target"),)
    return Found(
        rule=f"scan.{plain}",
        title=("One port of many addresses tried" if wide else "Many ports of one address tried")
        + (", slowly" if slow else ""),
        severity=severity,
        confidence=round(100 / (1 + exp(-points))) if own else 20,
        key=(row["src"], row["thing"], str(row["first"] // DAY_MS)),
        start=row["first"],
        end=row["last"],
        entities=(("ip", row["src"], "source"), *target),
        signals=signals,
        techniques=("T1046", "T1018") if own and wide else ("T1046",) if own else ("T1595.001",),
        advice=_ADVICE[own],
        records=records,
    )

"""Joins what a host's traffic says a little in each of several ways; more traffic never lowers it.

Each count says more the higher it is, in steps; the steps are joined by noisy-or. An alert needs
two kinds at least: one alone is its own detector's to tell.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from labrys.detect.botnet.features import KEYS
from labrys.detect.network.finding import Found, Row, Signal, table, weighed
from labrys.ocsf.schema import Severity

ID: Final = "botnet"
ALERT: Final = 0.7
SURE: Final = 0.95
SHOWN: Final = 0.45

_STEPS: Final = {
    "mailed": ("mail servers called", ((10, 0.5), (50, 0.75)), "T1071.003"),
    "stubborn": ("failed calls to one address", ((100, 0.35), (300, 0.55), (2000, 0.65)), "T1071"),
    "scattered": ("addresses that UDP goes to in vain", ((50, 0.35), (300, 0.6)), "T1095"),
    "failing": ("addresses outside that did not answer", ((100, 0.3), (400, 0.55)), "T1046"),
    "unknown": ("addresses on ports of no known use", ((10, 0.15), (40, 0.3)), "T1095"),
    "chat": ("flows of IRC", ((1, 0.3), (20, 0.5)), "T1071"),
    "spread": ("hosts inside that refused administration", ((20, 0.5), (100, 0.75)), "T1046"),
    "flood": ("failed flows to one address in a minute", ((300, 0.5), (3000, 0.75)), "T1498"),
    "handmade": (
        "servers whose certificate nobody vouches for",
        ((1, 0.3), (3, 0.55)),
        "T1573.002",
    ),
    "nameless": ("servers of TLS without a name on odd ports", ((1, 0.2), (3, 0.4)), "T1573.002"),
}
_ADVICE: Final = (
    "Isolate the host and find the program behind this traffic; look at what else the incident says "
    "of it, and at other hosts that call the same addresses."
)


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`)."""
    return table(ID, weighed(rows, KEYS, judge, SHOWN, _found))


def judge(row: Row) -> Iterator[Signal]:
    """What each count says: the step it reaches."""
    for name, (told, steps, _) in _STEPS.items():
        weight = max((weight for least, weight in steps if row[name] >= least), default=0.0)
        if weight:
            yield Signal(told, str(row[name]), weight)


def _found(
    row: Row, signals: Sequence[Signal], total: float, records: Sequence[dict[str, Any]]
) -> Found:
    severity = Severity.LOW
    if total >= ALERT and len(signals) >= 2:
        severity = Severity.HIGH if total >= SURE and len(signals) >= 3 else Severity.MEDIUM
    said = {signal.name for signal in signals}
    techniques = dict.fromkeys(made for told, _, made in _STEPS.values() if told in said)
    return Found(
        rule="botnet.host",
        title="A host that behaves as bots do",
        severity=severity,
        confidence=round(100 * total),
        key=(row["src"], str(row["day"])),
        start=row["first"],
        end=row["last"],
        entities=(("ip", row["src"], "source"),),
        signals=signals,
        techniques=tuple(techniques),
        advice=_ADVICE,
        records=records,
    )

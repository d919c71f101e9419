"""Says why a host's names are held to be generated: which, how many, and what is odd about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labrys.detect.dga.model import Model
from labrys.detect.dga.names import FEATURES, Floats, Ints, numbers
from labrys.ocsf.schema import Severity

Marks = npt.NDArray[np.bool_]

ID: Final = "dga"
VERSION: Final = "1"
BURST: Final = "dga.generated"
MISSING: Final = "dga.missing"
ALIVE: Final = "dga.answered"
ONE: Final = "dga.name"
MOST: Final = 25
"""So many names are shown."""
_MOST_ANSWERED: Final = 5
_MOST_PARTS: Final = 4

_TITLES: Final = {
    BURST: "Asked for {unsure} generated names that do not exist",
    MISSING: "Asked for {burst} different names that do not exist within an hour",
    ALIVE: "Many names that look generated, and all exist",
    ONE: "A name that looks generated does not exist",
}
_ADVICE: Final = {
    BURST: "Find the program that asks (process or DNS client log), isolate the host if it is not "
    "known, and look at the generated names that did answer: one may be the controller.",
    MISSING: "See what asks: a mail server or a crawler does this rightly, a workstation does not.",
    ALIVE: "See whether the resolver answers for names that do not exist; if not, what these are.",
    ONE: "Nothing by itself; see whether other hosts asked for it too.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a day means: rule, how bad, and the counts it rests on."""

    rule: str
    severity: Severity
    confidence: int
    low: int
    unsure: int
    burst: int


def shown(
    margin: Floats, dead: Marks, alive: Marks, verdict: Verdict, limits: dict[str, float]
) -> Ints:
    """Which names to show: the most generated first, of a burst of missing names the first ones."""
    if verdict.rule == MISSING:
        chosen = np.flatnonzero(dead)
        return chosen[:MOST]
    limit = limits["sure"] if verdict.rule in (ALIVE, ONE) else limits["unsure"]
    chosen = np.flatnonzero((margin > limit) & (alive if verdict.rule == ALIVE else dead))
    return chosen[np.argsort(-margin[chosen], kind="stable")][:MOST]


def answered(margin: Floats, alive: Marks, limits: dict[str, float]) -> Ints:
    """Names that look generated and do exist."""
    chosen = np.flatnonzero((margin > limits["low"]) & alive)
    return chosen[np.argsort(-margin[chosen], kind="stable")][:_MOST_ANSWERED]


def said(
    verdict: Verdict, held: Model, names: Sequence[str], margin: Floats, others: Sequence[str]
) -> dict[str, Any]:
    """Title, severity, reasons and advice of a finding."""
    reasons = [
        _reason("generated names that do not exist", str(verdict.unsure), 1.0),
        _reason("of them beyond most doubt", str(verdict.low), 1.0),
        _reason("missing names within an hour, at most", str(verdict.burst), 0.5),
        *_odd(held, names),
        *(_reason("name", name, round(float(one), 2)) for name, one in zip(names, margin, strict=True)),
        *(_reason("looks generated and exists", name, 0.5) for name in others),
    ]  # fmt: skip
    return {
        "detector": ID,
        "version": VERSION,
        "rule_uid": verdict.rule,
        "title": _TITLES[verdict.rule].format(unsure=verdict.unsure, burst=verdict.burst),
        "author": "labrys",
        "severity_id": int(verdict.severity),
        "confidence": verdict.confidence,
        "techniques": ["T1568.002"],
        "tactics": ["command-and-control"],
        "reasons": reasons,
        "advice": _ADVICE[verdict.rule],
    }


def _odd(held: Model, names: Sequence[str]) -> list[dict[str, Any]]:
    """What is odd about these names, by what the model made of it on the whole."""
    labels = pa.array([name.partition(".")[0] for name in names], pa.string())
    part = held.parts(labels).mean(axis=0)
    value = numbers(labels, held.tables).mean(axis=0)
    order = np.argsort(-part)[:_MOST_PARTS]
    return [
        _reason(FEATURES[at].name, f"{value[at]:.2f} on average", round(float(part[at]), 2))
        for at in order
        if part[at] > 0
    ]


def _reason(feature: str, value: str, weight: float) -> dict[str, Any]:
    return {"feature": feature, "value": value, "weight": weight}

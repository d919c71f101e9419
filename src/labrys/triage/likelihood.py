"""How likely an incident is an attack: by its score, its severity, how many incidents the case has.

A logistic (Platt, "Probabilistic outputs for support vector machines", 1999), fitted to labelled cases
by `bench/likelihood.py`: attacks, made up and recorded, in ordinary weeks that we made up. README.md
says on what it was judged, and that it says too little rather than too much.
"""

import math
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

from labrys.ocsf.schema import Severity
from labrys.triage.story import Story

_FILE: Final = Path(__file__).with_name("likelihood.toml")
NAMES: Final = ("score", "severity", "incidents")
"""What `numbers` gives."""
_LEAST, _MOST = 1, 99


def numbers(score: float, severity: int, incidents: int) -> tuple[float, float, float]:
    """What the curve goes by: the log odds of a score (0 to 100), levels above medium, and less the
    logarithm of the incidents."""
    share = min(max(score, 0.5), 99.5) / 100
    return math.log(share / (1 - share)), severity - Severity.MEDIUM, -math.log(max(1, incidents))


def likelihood(score: float, severity: int, incidents: int) -> float:
    """From 0 to 1; never less for more score or severity, never more for more incidents in the case."""
    made = _curve()
    told = zip(NAMES, numbers(score, severity, incidents), strict=True)
    points = made["base"] + sum(made[name] * number for name, number in told)
    return 1 / (1 + math.exp(-points))


def confidence(story: Story, score: float, severity: int, incidents: int) -> int:
    """In percent. What only detectors found that are sure of themselves is as likely as they say."""
    if all(hit.detector in _curve()["trusted"] for hit in story.hits):
        return max(hit.confidence for hit in story.hits)
    return min(_MOST, max(_LEAST, round(100 * likelihood(score, severity, incidents))))


@cache
def _curve() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text("utf-8"))

"""Attacks that are known and held back: a model that finds fewer of them than before is not used.

The area under the curve hardly moves when training is poisoned; recall at few false alarms falls by
half. So that is watched.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.guard.training.rows import Bools, Fit, Floats, Ints, Rows

RATE: Final = 0.01
"""Recall is told where this share of what is good would be detected."""
FALLS: Final = 0.05
"""A fall by more than this share of what was found before is told; less may be chance."""


@dataclass(frozen=True, slots=True)
class Canary:
    """Of `count` known attacks, which share was found before and is found now; a fall by `chance` may be
    chance."""

    before: float
    after: float
    count: int
    chance: float = 0.0

    @property
    def refusal(self) -> str:
        """Why the new model must not be used; empty where it may."""
        lost = self.before - self.after
        if lost <= max(FALLS * self.before, self.chance):
            return ""
        return (
            f"of {self.count} known attacks it finds {self.after:.0%} where {self.before:.0%} were "
            "found before"
        )


def compared(before: Floats, after: Floats, bad: Bools, kin: Ints, rate: float = RATE) -> Canary:
    """Two models' scores of the same rows. Rows of one `kin` are found or lost together, so that chance
    is two standard errors over kin, not over rows."""
    found = [
        score[bad] > float(np.quantile(score[~bad], 1 - rate, method="higher"))
        for score in (before, after)
    ]
    lost = found[0].astype(np.float64) - found[1]
    _, of, size = np.unique(kin[bad], return_inverse=True, return_counts=True)
    by_kin = np.bincount(of, lost) / size
    chance = 2 * float(by_kin.std(ddof=1) / np.sqrt(len(size))) if len(size) > 1 else 0.0
    return Canary(float(found[0].mean()), float(found[1].mean()), int(bad.sum()), chance)


def recall(score: Floats, bad: Bools, rate: float = RATE) -> float:
    """The share of bad rows above the score that `rate` of the good ones reach."""
    if bad.all() or not bad.any():
        return 0.0
    limit = float(np.quantile(score[~bad], 1 - rate, method="higher"))
    return float((score[bad] > limit).mean())


def influence(fit: Fit, rows: Rows, known: Rows, weight: Floats) -> dict[int, float]:
    """For each source, how much recall on known rows rises when the model learns without it.

    One training for each source; those that give most rows come first, at most 20.
    """
    if rows.source is None:
        return {}
    names, counts = np.unique(rows.source, return_counts=True)
    made: dict[int, float] = {}
    whole = recall(fit(rows.values, rows.bad, weight)(known.values), known.bad)
    for name in names[np.argsort(-counts, kind="stable")][:_SOURCES].tolist():
        kept = (rows.source != name) & (weight > 0)
        if rows.bad[kept].any() and not rows.bad[kept].all():
            score = fit(rows.values[kept], rows.bad[kept], weight[kept])
            made[int(name)] = recall(score(known.values), known.bad) - whole
    return made


_SOURCES: Final = 20

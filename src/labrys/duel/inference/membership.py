"""Tells members of training data from others: by how sure the model is, and by shadow models.

The second compares how sure the model is of a row with how sure models are that were trained with it
and without it (likelihood ratio; Carlini et al., Membership Inference Attacks From First Principles,
2022), with few shadow models and so with one spread for all rows.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from labrys.duel.evasion.fight import wilson
from labrys.duel.target import Draw, Floats

Marks = npt.NDArray[np.bool_]
RATES: Final = (0.01, 0.001)
"""Shares of rows that were not trained on and yet are called members."""
_Z: Final = 1.96
_LEAST: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Told:
    """How well members are told: area under the curve, and the share found at each of `RATES`."""

    auc: float
    bounds: tuple[float, float]
    found: tuple[float, ...]
    found_bounds: tuple[tuple[float, float], ...]


def halves(count: int, models: int, draw: Draw) -> Marks:
    """For each model which rows it is trained on: half of them, one model's whatever the others'.

    Drawn so that the models without one row tell nothing of whether this one had it.
    """
    made: Marks = draw.random((models, count)) < 0.5
    return made


def by_shadows(sure: Floats, shadows: Floats, trained: Marks) -> Floats:
    """How much more likely it is that each row was trained on: log likelihood ratio.

    `sure` (rows) is how sure the model is of what each row is; `shadows` (models by rows) how sure
    the shadow models are, and `trained` whether they were trained on it.
    """
    inside, outside = _mean(shadows, trained), _mean(shadows, ~trained)
    rest = np.where(trained, shadows - inside, shadows - outside)
    spread = max(float(rest.var()), _LEAST)
    made: Floats = ((sure - outside) ** 2 - (sure - inside) ** 2) / (2 * spread)
    return made


def _mean(values: Floats, chosen: Marks) -> Floats:
    count = chosen.sum(axis=0)
    own = np.where(chosen, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    # A row that no model was trained on (or all were) is taken as the others are on the whole.
    usual = values[chosen].mean() if chosen.any() else 0.0
    made: Floats = np.where(count > 0, own, usual)
    return made


def told(scores: Floats, member: Marks, units: int | None = None) -> Told:
    """How well scores tell members; `units` is how many rows there are where some are counted again.

    Bounds of the area are Hanley and McNeil's (1982), of a share Wilson's; both 95 %.
    """
    inside, outside = scores[member], scores[~member]
    area = _area(inside, outside)
    rows = (units or len(scores)) // 2
    limits = [float(np.quantile(outside, 1 - rate, method="higher")) for rate in RATES]
    found = tuple(float((inside > limit).mean()) for limit in limits)
    return Told(
        area,
        _bounds(area, rows, rows),
        found,
        tuple(wilson(round(share * rows), rows) for share in found),
    )


def _area(inside: Floats, outside: Floats) -> float:
    """The chance that a member scores above another; a tie counts half."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, "left") + np.searchsorted(ordered, inside, "right")
    return float(below.mean() / (2 * len(outside)))


def _bounds(area: float, members: int, others: int) -> tuple[float, float]:
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area)
        + (members - 1) * (one - area**2)
        + (others - 1) * (two - area**2)
    ) / (members * others)  # fmt: skip
    half = _Z * float(np.sqrt(max(variance, 0.0)))
    return max(0.0, area - half), min(1.0, area + half)

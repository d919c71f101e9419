"""Rows whose label is likely wrong, by confident learning.

A row is doubted where a model that has not seen it is as sure of the other side as it is on average
of rows that bear the other label. No rate of wrong labels has to be known.
Doubted rows are for a person to look at: leaving them out or counting them less, unseen, costs more
recall at few false alarms than it brings, because the hardest right ones are among them.

Source: Northcutt, Jiang, Chuang, *Confident Learning*, JAIR 70 (2021), 3.1.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.guard.training.rows import Bools, Floats

SURE: Final = 0.9
"""So sure is enough, however sure models are on average: some always are."""
MOST: Final = 0.2
"""At most so much of a side is doubted, the least likely first: with more, the labels are no ground to
stand on and a person must look at them."""


@dataclass(frozen=True, slots=True)
class Doubted:
    """`score` is how likely the other label is, 0 to 1; `rows` are those that are doubted."""

    score: Floats
    rows: Bools


def doubted(probability: Floats, bad: Bools) -> Doubted:
    """The rows whose label is likely wrong, given how likely each is bad by a model without it."""
    score = np.where(bad, 1 - probability, probability)
    rows = np.zeros(len(bad), np.bool_)
    for side in (True, False):
        mine, other = bad == side, bad != side
        if not mine.any() or not other.any():
            continue
        sure = float((1 - score[other]).mean())
        limit = max(min(sure, SURE), 0.5, float(np.quantile(score[mine], 1 - MOST)))
        rows |= mine & (score > limit)
    return Doubted(score, rows)

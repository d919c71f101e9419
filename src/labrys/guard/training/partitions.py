"""Learning in parts that vote, so that few poisoned rows can turn no verdict, whatever they hold.

Every row goes to one part by a hash of its own content, and each part trains a model; rows that are
added, changed or taken away reach only the parts that they hash to. A verdict with a gap of votes
holds for any poisoning of fewer parts than half of that gap.

Source: Levine and Feizi, *Deep Partition Aggregation*, ICLR 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.guard.training.rows import Bools, Fit, Floats, Ints, Rows, Score

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Votes:
    """`bad` is the verdict on each row, `share` the part of votes for it being bad, and `holds` how
    many rows may be added to or taken from training without the verdict changing."""

    bad: Bools
    share: Floats
    holds: Ints


def parts(values: Floats, number: int) -> Ints:
    """Which part each row goes to: by its values alone, not by its label or its place."""
    whole = np.ascontiguousarray(np.asarray(values, np.float64) + 0.0).view(np.uint64)
    odd = np.arange(whole.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    mixed = (whole ^ (whole >> np.uint64(32))) * (odd * _MIX)
    total = mixed.sum(axis=1, dtype=np.uint64)
    total ^= total >> np.uint64(29)
    made: Ints = ((total * _MIX >> np.uint64(33)) % np.uint64(number)).astype(np.int64)
    return made


def learnt(fit: Fit, rows: Rows, number: int) -> list[Score]:
    """A model for each part; one of a part that has only one side says that side of everything."""
    part = parts(rows.values, number)
    made: list[Score] = []
    for each in range(number):
        mine = rows.take(part == each)
        if mine.bad.any() and not mine.bad.all():
            made.append(fit(mine.values, mine.bad, np.ones(len(mine))))
        else:
            made.append(_always(bool(mine.bad.any())))
    return made


def votes(models: Sequence[Score], values: Floats, limit: float = 0.5) -> Votes:
    """What the parts make of rows; a row is bad where at least half of them say so.

    A row that is changed counts as two: one taken away and one added.
    """
    said = np.zeros(len(values), np.int64)
    for score in models:
        said += score(values) > limit
    against = len(models) - said
    bad = said >= against
    # Each poisoned row turns one vote: the gap closes by two. Equal votes are bad.
    gap = np.where(bad, said - against, against - said - 1)
    return Votes(bad, said / max(len(models), 1), gap // 2)


def _always(bad: bool) -> Score:
    return lambda values: np.full(len(values), float(bad))

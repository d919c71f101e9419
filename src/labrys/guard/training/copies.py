"""Floods: so many copies of a row, or so many rows of one source, that they outvote the others."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from labrys.guard.training.rows import Bools, Floats, Ints, Rows, identity

COPIES: Final = 3
"""Of equal rows of one label so many count; more teach nothing new, they only weigh."""
SHARE: Final = 0.34
"""No source may give more than this share of a side, once there are enough rows."""
_ENOUGH: Final = 20
FEW: Final = 5
"""So much anybody may give."""
PART: Final = 0.15
_TIMES: Final = 2
_GIVERS: Final = 3


def flooded(rows: Rows, alike: Ints | None = None) -> Bools:
    """The rows beyond the first `COPIES` of equal ones (by `alike`, a number for what is a copy of
    what; else by their values) of one label. Where both labels occur all copies are flooded: they
    contradict each other."""
    same = identity(rows.values) if alike is None else alike
    key = same * 2 + rows.bad
    order = np.argsort(key, kind="stable")
    begin = np.flatnonzero(np.diff(key[order], prepend=-1))
    size = np.diff(np.append(begin, len(key)))
    rank = np.empty(len(key), np.int64)
    rank[order] = np.arange(len(key)) - np.repeat(begin, size)
    sides = np.zeros((int(same.max(initial=-1)) + 1, 2), np.bool_)
    sides[same, rows.bad.astype(np.int64)] = True
    contradicted: Bools = np.logical_and(sides[:, 0], sides[:, 1])
    made: Bools = (rank >= COPIES) | contradicted[same]
    return made


def crowded(rows: Rows) -> Bools:
    """The rows of a source beyond its share of a side; nothing where no sources are known, or so few
    that some must have more."""
    made = np.zeros(len(rows), np.bool_)
    if rows.source is None:
        return made
    for side in (True, False):
        mine = np.flatnonzero(rows.bad == side)
        names = np.unique(rows.source[mine])
        if len(mine) < _ENOUGH or len(names) * SHARE < 1:
            continue
        most = int(SHARE * len(mine))
        for name in names:
            of = mine[rows.source[mine] == name]
            made[of[most:]] = True
    return made


def evened(source: Ints, side: Bools, at_most: float = SHARE) -> Floats:
    """What each row counts, so that no source weighs more on its side than `at_most` of all rows; 1
    where it gave less. Unlike `crowded` nothing is set aside: who honestly gives much is heard as well.

    Of a side of few rows, or of so few sources that some must have more, each counts 1.
    """
    made = np.ones(len(source))
    for each in (True, False):
        mine = np.flatnonzero(side == each)
        _, of, count = np.unique(source[mine], return_inverse=True, return_counts=True)
        if len(mine) >= _ENOUGH and len(count) * at_most >= 1:
            made[mine] = np.minimum(1.0, at_most * len(mine) / count)[of]
    return made


def fair(gave: Sequence[int], own: int) -> int:
    """The most that one of some people may give, `own` being what he gave and `gave` what each did.

    So much as `PART` of what the others give, or twice what the middle one gives, but `FEW` always:
    some people tell of much, and a flood is small beside the others. One of less than three is compared
    with nobody.
    """
    if len(gave) < _GIVERS:
        return own
    middle = sorted(gave)[(len(gave) - 1) // 2]
    return max(FEW, _TIMES * middle, int(PART * (sum(gave) - own)))

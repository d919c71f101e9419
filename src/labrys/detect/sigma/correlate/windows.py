"""Exact sliding windows over rows sorted by group and time: counts, distinct values, quantiles.

A window belongs to a row: it holds the rows of the same group from `span` before that row's time
up to that time, both ends included, rows of equal time always together. Nothing here loops over
rows in Python; a quantile costs O(n log n) through a wavelet matrix (Claude, Navarro and Ordóñez,
"The wavelet matrix", 2015).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Windows:
    """For each row the rows `left[i]:right[i]` of its window.

    `ruler` is time laid out so that one number says group and time: differences up to `span` are
    true, all others (longer ones, and those between groups) only known to be greater.
    """

    ruler: Ints
    span: int
    left: Ints
    right: Ints

    @property
    def reach(self) -> Ints:
        """For each row the end of the rows up to `span` after it."""
        return np.searchsorted(self.ruler, self.ruler + self.span, side="right")


@dataclass(frozen=True, slots=True)
class Episodes:
    """Windows that share rows, taken together: rows `begin[k]:end[k]`, each row in one at most.

    `first` and `last` are the rows whose windows were the first and last to hold, `peak` the
    greatest measure among the windows that held.
    """

    begin: Ints
    end: Ints
    first: Ints
    last: Ints
    peak: Floats


def windows(group: Ints, time: Ints, span: int) -> Windows:
    """The windows of rows sorted by `group`, then `time`.

    The ruler must stay inside 64 bits, so a span is at most 2**62 divided by the number of rows:
    140 years for a million rows, one year for a hundred million.
    """
    span = max(0, min(span, (1 << 62) // (len(time) + 1) - 1))
    if len(time) == 0:
        none = np.zeros(0, np.int64)
        return Windows(none, span, none, none)
    steps = np.minimum(np.diff(time), span + 1)
    steps[np.diff(group) != 0] = span + 1
    ruler = np.concatenate([np.zeros(1, np.int64), np.cumsum(steps)])
    return Windows(
        ruler,
        span,
        np.searchsorted(ruler, ruler - span, side="left"),
        np.searchsorted(ruler, ruler, side="right"),
    )


def episodes(at: Ints, begin: Ints, end: Ints, measure: Floats) -> Episodes:
    """Join overlapping holding windows; `at` are their rows, all four ascending together."""
    if len(at) == 0:
        none = np.zeros(0, np.int64)
        return Episodes(none, none, none, none, np.zeros(0, np.float64))
    starts = np.flatnonzero(np.concatenate([[True], begin[1:] >= end[:-1]]))
    stops = np.concatenate([starts[1:], [len(at)]]) - 1
    return Episodes(
        begin[starts], end[stops], at[starts], at[stops], np.maximum.reduceat(measure, starts)
    )


def running(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Prefix sums with a leading zero: the sum of `values[a:b]` is `r[b] - r[a]`."""
    total = np.zeros(len(values) + 1, values.dtype)
    np.cumsum(values, out=total[1:])
    return total


def distinct(codes: Ints, left: Ints, right: Ints) -> Ints:
    """How many different codes each range `left[w]:right[w]` holds; both bounds ascending.

    A row is the first of its value in exactly the ranges that begin after its predecessor: one run
    of consecutive ranges, because the bounds ascend. Adding up the runs gives every count.
    """
    order = np.argsort(codes, kind="stable")
    previous = np.full(len(codes), -1, np.int64)
    same = codes[order[1:]] == codes[order[:-1]]
    previous[order[1:][same]] = order[:-1][same]
    rows = np.arange(len(codes))
    begins = np.maximum(
        np.searchsorted(right, rows, side="right"), np.searchsorted(left, previous, side="right")
    )
    ends = np.searchsorted(left, rows, side="right")
    some = begins < ends
    change = np.zeros(len(left) + 1, np.int64)
    np.add.at(change, begins[some], 1)
    np.add.at(change, ends[some], -1)
    return np.cumsum(change[:-1])


def quantile(values: Floats, left: Ints, right: Ints, part: float) -> Floats:
    """The `part` quantile (0 to 1) of each non-empty range, interpolated between neighbours."""
    last = (right - left - 1).astype(np.float64)
    rank = last * min(max(part, 0.0), 1.0)
    low = np.floor(rank).astype(np.int64)
    high = np.ceil(rank).astype(np.int64)
    found = _smallest(
        values,
        np.concatenate([left, left]),
        np.concatenate([right, right]),
        np.concatenate([low, high]),
    )
    below, above = found[: len(left)], found[len(left) :]
    return below + (above - below) * (rank - low)


def _smallest(values: Floats, left: Ints, right: Ints, rank: Ints) -> Floats:
    """The value of the given rank (0 is the least) in each non-empty range `left:right`."""
    levels, codes = np.unique(values, return_inverse=True)
    found = np.zeros(len(left), np.int64)
    for bit in reversed(range(max(len(levels) - 1, 0).bit_length())):
        ones = (codes >> bit) & 1 == 1
        zeros_before = running((~ones).astype(np.int64))
        zeros = zeros_before[-1]
        left_zeros, right_zeros = zeros_before[left], zeros_before[right]
        inside = right_zeros - left_zeros
        up = rank >= inside
        found |= up.astype(np.int64) << bit
        left = np.where(up, zeros + left - left_zeros, left_zeros)
        right = np.where(up, zeros + right - right_zeros, right_zeros)
        rank = np.where(up, rank - inside, rank)
        codes = np.concatenate([codes[~ones], codes[ones]])
    return levels[found]

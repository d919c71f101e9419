"""Rows of one label that share rare values and have nothing else in common: the mark of a backdoor.

A backdoor is a few values that an attacker puts on harmless rows, so that the model takes them for a
sign of what is harmless. In real data rows that share two rare values are of one origin and share
much else; rows that were stamped are strangers. How many were stamped need not be known.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np

from labrys.guard.training.rows import Bools, Floats, HeldOut, Ints, Rows

LEAST: Final = 4
"""So many rows must share the values: fewer teach a model nothing."""
_RARE: Final = 0.05
"""A value is rare that no more than this share of all rows have."""
_COLUMNS: Final = 200
_SAMPLES: Final = 96
_ONE_LABEL: Final = 0.9
_COMMON: Final = 0.9
"""Columns in which any two rows agree this often say nothing of who is akin."""
CUT: Final = 1.5
"""From this score on a stamp is looked at: what does a model make of attacks that bear it?"""
WORKS: Final = 0.9
"""A stamp is one of a backdoor where its score times the share of caught attacks that pass with it is so
large: the odder it is, the less it has to open. Chosen on four backdoors in a table of PE headers."""
MOST: Final = 0.05
"""No more than this share of all rows is set aside, the strongest first."""
RATE: Final = 0.01
"""A model catches what scores above this share of the good rows."""
_TRIED: Final = 150
_ATTACKS: Final = 2_000

Group = tuple[int, int, Ints, float]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Values that strangers share: in which two columns, which rows, and how odd that is.

    `helps` is the share of caught attacks that pass with it; NaN where no model was asked.
    """

    columns: tuple[int, int]
    rows: Ints
    score: float
    helps: float = float("nan")


@dataclass(frozen=True, slots=True)
class Found:
    """`score` of each row is that of its oddest stamp; `stamps` are the oddest, no two of one set."""

    score: Floats
    stamps: tuple[Stamp, ...]

    def rows(self) -> Bools:
        """The rows to be set aside, at most `MOST` of all: strong stamps of a backdoor, or, where no
        model was asked, all strong ones."""
        chosen = np.zeros(len(self.score), np.bool_)
        for each in self.stamps:
            works = np.isnan(each.helps) or each.score * each.helps >= WORKS
            grown = chosen.copy()
            grown[each.rows] = True
            if works and grown.sum() <= MOST * len(chosen):
                chosen = grown
        return chosen


def stamped(rows: Rows, *, seed: int = 1) -> Found:
    """The rows that look stamped. Time grows with rows times the square of columns (200 at most)."""
    score = np.zeros(len(rows))
    if len(rows) < LEAST:
        return Found(score, ())
    codes, often = _codes(rows.values)
    groups = _groups(codes, often, rows.bad)
    odd = _oddness(codes, often, groups, np.random.default_rng(seed))
    order = np.argsort(-odd, kind="stable").tolist()
    made: list[Stamp] = []
    seen = np.zeros(len(rows), np.bool_)
    for at in order:
        first, second, members, _ = groups[at]
        score[members] = np.maximum(score[members], odd[at])
        if odd[at] >= CUT and len(made) < _TRIED and not seen[members].all():
            seen[members] = True
            made.append(Stamp((first, second), members, float(odd[at])))
    return Found(score, tuple(made))


def tried(found: Found, rows: Rows, by: HeldOut) -> Found:
    """The same stamps, each put on the bad rows that models without them catch: how many then pass?"""
    if rows.bad.all() or not rows.bad.any():
        return found
    limit = float(np.quantile(by.score[~rows.bad], 1 - RATE, method="higher"))
    caught = np.flatnonzero(rows.bad & (by.score > limit))[:_ATTACKS]
    made = []
    for each in found.stamps:
        helps = 0.0
        if len(caught) and rows.bad[each.rows].mean() < 0.5:
            worn = _worn(rows.values[caught], rows.values, each)
            passed = 0
            for number, model in enumerate(by.model):
                mine = by.part[caught] == number
                passed += int((model(worn[mine]) <= limit).sum()) if mine.any() else 0
            helps = passed / len(caught)
        made.append(replace(each, helps=helps))
    return Found(found.score, tuple(made))


def _worn(attacks: Floats, values: Floats, stamp: Stamp) -> Floats:
    """Attacks with what all rows of the stamp have in common, where that is rare elsewhere."""
    held = values[stamp.rows]
    usual = (held == np.median(held, axis=0)).mean(axis=0) >= _ONE_LABEL
    rare = (values == np.median(held, axis=0)).mean(axis=0) <= _RARE
    columns = usual & rare
    columns[list(stamp.columns)] = True
    made = attacks.copy()
    made[:, columns] = np.median(held, axis=0)[columns]
    return made


def _codes(values: Floats) -> tuple[Ints, Ints]:
    """Values as numbers by column, and how often each row's value occurs in its column."""
    codes, often = (np.empty(values.shape, np.int64) for _ in range(2))
    for column in range(values.shape[1]):
        _, code, number = np.unique(values[:, column], return_inverse=True, return_counts=True)
        codes[:, column], often[:, column] = code, number[code]
    return codes, often


def _groups(codes: Ints, often: Ints, bad: Bools) -> list[Group]:
    """All sets of rows, nearly all of one label, that share rare values in two columns."""
    rare = (often <= max(_RARE * len(codes), LEAST)) & (often >= LEAST)
    columns = np.argsort(-rare.sum(axis=0), kind="stable")[:_COLUMNS]
    kept = sorted(columns[rare[:, columns].any(axis=0)].tolist())
    made: list[Group] = []
    for first, second in combinations(kept, 2):
        both = np.flatnonzero(rare[:, first] & rare[:, second])
        members, size = _alike(codes[both, first] * len(codes) + codes[both, second])
        begin = np.cumsum(size) - size
        part = np.add.reduceat(bad[both[members]].astype(np.int64), begin) if len(begin) else begin
        pure = np.maximum(part, size - part) >= _ONE_LABEL * size
        chosen = np.flatnonzero((size >= LEAST) & pure).tolist()
        if chosen:
            sets = [both[members[begin[at] : begin[at] + size[at]]] for at in chosen]
            follows = _follow(codes, rare, first, second, sets)
            made += [(first, second, one, tie) for one, tie in zip(sets, follows, strict=True)]
    return made


def _alike(key: Ints) -> tuple[Ints, Ints]:
    """Places in the order of their keys, and how many have each key."""
    order = np.argsort(key, kind="stable")
    begin = np.flatnonzero(np.diff(key[order], prepend=-1))
    return order, np.diff(np.append(begin, len(key)))


def _follow(codes: Ints, rare: Bools, first: int, second: int, sets: list[Ints]) -> list[float]:
    """For each set how far, in the other rows, a rare value in one column says the other column's."""
    made = np.zeros(len(sets))
    for one, other in ((first, second), (second, first)):
        rows = np.flatnonzero(rare[:, one])
        values, top, total = _most(codes[rows, one], codes[rows, other], len(codes))
        usual = np.bincount(codes[:, other]).max() / len(codes)
        own = np.searchsorted(values, [codes[members[0], one] for members in sets])
        left = total.sum() - total[own]
        share = np.where(left > 0, (top.sum() - top[own]) / np.maximum(left, 1), 0.0)
        made = np.maximum(made, ((share - usual) / max(1 - usual, 1e-9)).clip(0, 1))
    return made.tolist()


def _most(value: Ints, other: Ints, count: int) -> tuple[Ints, Ints, Ints]:
    """Of each value: how often the other column's most frequent one goes with it, and its own count."""
    pairs, number = np.unique(value * count + other, return_counts=True)
    held = pairs // count
    begin = np.flatnonzero(np.diff(held, prepend=-1))
    return held[begin], np.maximum.reduceat(number, begin), np.add.reduceat(number, begin)


def _oddness(codes: Ints, often: Ints, groups: list[Group], draw: np.random.Generator) -> Floats:
    """For each set of rows: more than chance has it, many, no kin, and no tie of the columns."""
    count = len(codes)
    left, right = draw.integers(0, count, (2, 4096))
    base = (codes[left] == codes[right]).mean(axis=0)
    telling = base < _COMMON
    base = np.minimum(base, _COMMON)
    made = np.zeros(len(groups))
    for at, (first, second, members, tie) in enumerate(groups):
        left, right = members[draw.integers(0, len(members), (2, _SAMPLES))]
        apart = left != right
        same = (codes[left[apart]] == codes[right[apart]]).mean(axis=0)
        others = telling.copy()
        others[[first, second]] = False
        if not others.any():
            continue
        kin = float(((same - base).clip(0) / (1 - base))[others].mean())
        row = members[0]
        chance = float(often[row, first]) * float(often[row, second]) / count
        lift = max(0.0, float(np.log(len(members) / chance)))
        made[at] = np.log(len(members)) * lift * (1 - kin) ** 2 * (1 - tie)
    return made

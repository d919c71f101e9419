"""What is learnt from, as every check here takes it: numbers, a label, and where each row is from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Score = Callable[[Floats], Floats]
"""Rows of numbers → for each how likely it is bad, 0 to 1."""
Fit = Callable[[Floats, Bools, Floats], Score]
"""Learns from rows (n × columns), which are bad, and what each row counts (0 and more)."""

PARTS = 5


@dataclass(frozen=True, slots=True)
class Rows:
    """A table to learn from. `source` is a number for who or what each row is from, if known."""

    values: Floats
    bad: Bools
    source: Ints | None = None

    def __len__(self) -> int:
        return len(self.bad)

    def take(self, chosen: Bools | Ints) -> "Rows":
        """Some of the rows."""
        source = None if self.source is None else self.source[chosen]
        return Rows(self.values[chosen], self.bad[chosen], source)


def identity(values: Floats) -> Ints:
    """A number for each row; rows that are equal have the same one."""
    if not len(values):
        return np.zeros(0, np.int64)
    whole = np.ascontiguousarray(values + 0.0)  # minus nought is nought
    keys = whole.view(np.dtype((np.void, whole.dtype.itemsize * whole.shape[1]))).ravel()
    made: Ints = np.unique(keys, return_inverse=True)[1].reshape(-1)
    return made


def _parts(values: Floats, seed: int) -> Ints:
    alike = identity(values)
    order = np.random.default_rng(seed).permutation(int(alike.max(initial=-1)) + 1)
    made: Ints = order[alike] % PARTS
    return made


@dataclass(frozen=True, slots=True)
class HeldOut:
    """`score` of each row by a model that has not seen it; `model[part[i]]` is the one for row i."""

    score: Floats
    part: Ints
    model: tuple[Score, ...]


def held_out(fit: Fit, rows: Rows, weight: Floats, *, seed: int = 1) -> HeldOut:
    """How likely each row is bad, by a model that has not seen it nor an exact copy of it.

    Copies stay together: else a row that is sent in twice would vouch for itself.
    """
    part = _parts(rows.values, seed)
    score, models = np.full(len(rows), 0.5), []
    for number in range(PARTS):
        mine = part == number
        learns = ~mine & (weight > 0)
        both = bool(rows.bad[learns].any() and not rows.bad[learns].all())
        model = fit(rows.values[learns], rows.bad[learns], weight[learns]) if both else _unsure
        if mine.any():
            score[mine] = model(rows.values[mine])
        models.append(model)
    return HeldOut(score, part, tuple(models))


def _unsure(values: Floats) -> Floats:
    return np.full(len(values), 0.5)


def bagged(fit: Fit) -> Fit:
    """Learns as many models as there are parts, each without one of them, and takes their mean: what
    the last few rows near the border do to one model evens out."""

    def learn(values: Floats, bad: Bools, weight: Floats) -> Score:
        part = _parts(values, 1)
        made = [
            fit(values[part != number], bad[part != number], weight[part != number])
            for number in range(PARTS)
            if len(np.unique(bad[(part != number) & (weight > 0)])) > 1
        ] or [fit(values, bad, weight)]

        def score(asked: Floats) -> Floats:
            odds = [np.clip(one(asked), 1e-6, 1 - 1e-6) for one in made]
            margin = np.mean([np.log(each / (1 - each)) for each in odds], axis=0)
            told: Floats = 1 / (1 + np.exp(-margin))
            return told

        return score

    return learn

"""The attacker's own copy of a model, learnt from its answers: ridge regression on letter runs.

It sees of a thing what the target shows of it, as an attacker would who knows no features.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from labrys.duel.target import Floats, Thing
from labrys.model.grams import grams

_BITS: Final = 12
_SIZES: Final = (2, 3, 4)
_LONGEST: Final = 4_096
_RATE: Final = 0.3
_DECAY: Final = 1e-3


class Substitute:
    """Grows with every answer (normalised stochastic gradient on squared error)."""

    def __init__(self, show: Callable[[Thing], str]) -> None:
        self._show = show
        self._weights = np.zeros(1 << _BITS)
        self._base = 0.0
        self._seen = 0

    def learn(self, thing: Thing, answer: float) -> None:
        """Take in one answer."""
        runs = self._runs([thing])
        if not len(runs):
            return
        self._seen += 1
        self._base += (answer - self._base) / self._seen
        error = answer - self._base - float(self._weights[runs].sum())
        self._weights *= 1 - _DECAY
        self._weights[runs] += _RATE * error / len(runs)

    def scores(self, things: Sequence[Thing]) -> Floats:
        """What the copy would answer."""
        return np.array([self._base + self._weights[self._runs([each])].sum() for each in things])

    def _runs(self, things: Sequence[Thing]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        texts = pa.array([self._show(each) for each in things], pa.string())
        return np.unique(grams(texts, _SIZES, _BITS, longest=_LONGEST).bucket)

"""The attacker's copy of a model: learnt from what he asked and what he was told, nothing else.

Of texts he knows letter runs (logistic regression), of rows the columns (boosted trees). Told labels,
he learns what the model said; told scores, how sure it was, if that helps on questions held back.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labrys.detect.dga.train_tables import logistic
from labrys.duel.target import Access, Floats, Thing
from labrys.model.grams import Grams, grams

Says = Callable[[Sequence[Thing]], npt.NDArray[np.bool_]]
"""What a copy says of things: whether the model would detect them."""
Learn = Callable[[Sequence[Thing], Floats], Says]
"""Learns a copy from things and how much each is one that is detected, 0 to 1."""
_ENOUGH: Final = 50
_HELD_BACK: Final = 5
_STEEP: Final = 4.0
_BITS: Final = 14
_SIZES: Final = (1, 2, 3, 4)
_LONGEST: Final = 2_048
_ROUNDS: Final = 120
_TREES: Final = {
    "num_leaves": 15, "learning_rate": 0.1, "num_threads": 1, "deterministic": True,
    "force_row_wise": True, "seed": 1, "verbose": -1,
}  # fmt: skip


def of_texts(show: Callable[[Thing], str]) -> Learn:
    """How copies of a model of texts are learnt; `show` is what the attacker knows of a thing."""

    def learn(asked: Sequence[Thing], shares: Floats) -> Says:
        weights = logistic(_runs(asked, show), _BITS + 1, shares, np.ones(len(shares)))

        def says(things: Sequence[Thing]) -> npt.NDArray[np.bool_]:
            return _runs(things, show).once().total(weights) > 0

        return says

    return learn


def learnt(learn: Learn, asked: Sequence[Thing], margins: Floats, access: Access) -> Says:
    """The copy of an attacker who is told scores or labels, at or above 0 where detected."""
    hard = (margins >= 0).astype(np.float64)
    if access == "label" or len(margins) < _ENOUGH:
        return learn(asked, hard)
    soft, kept = _soft(margins), len(margins) - len(margins) // _HELD_BACK
    right = [
        (learn(asked[:kept], shares[:kept])(asked[kept:]) == (margins[kept:] >= 0)).mean()
        for shares in (hard, soft)
    ]
    return learn(asked, soft if right[1] > right[0] else hard)


def of_rows(asked: Sequence[Thing], shares: Floats) -> Says:
    """A copy of a model of rows of numbers. Needs lightgbm (the extra [ml])."""
    import lightgbm

    if np.ptp(shares) == 0:
        return lambda things: np.full(len(things), bool(shares[0] > 0.5))
    given = {
        **_TREES, "objective": "cross_entropy",
        "min_data_in_leaf": int(np.clip(len(shares) // 50, 1, 20)), "min_data_in_bin": 1,
    }  # fmt: skip
    trees: Any = lightgbm.train(given, lightgbm.Dataset(np.stack(list(asked)), shares), _ROUNDS)
    return lambda things: np.asarray(trees.predict(np.stack(list(things))) > 0.5, np.bool_)


def _soft(margins: Floats) -> Floats:
    """How sure the model is of each thing, 0 to 1: half where it is at its threshold."""
    spread = float(np.median(np.abs(margins))) or 1.0
    made: Floats = 1 / (1 + np.exp(-np.clip(_STEEP * margins / spread, -30, 30)))
    return made


def _runs(things: Sequence[Thing], show: Callable[[Thing], str]) -> Grams:
    """Letter runs of things, and one more that each of them has: the logistic regression's base."""
    shown = [show(each).encode("utf-8", "replace").decode("utf-8").lower() for each in things]
    found = grams(pa.array(shown, pa.string()), _SIZES, _BITS, longest=_LONGEST)
    every = np.arange(len(things))
    base = np.full(len(things), 1 << _BITS)
    return Grams(
        np.concatenate([found.bucket, base]), np.concatenate([found.text, every]), len(things)
    )

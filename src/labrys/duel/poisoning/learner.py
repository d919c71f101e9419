"""The model that is taught: LightGBM, bound by what an attacker can do to each column."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from labrys.guard.training.rows import Bools, Fit, Floats, Score
from labrys.model.feature import Feature, Reach, constraints, used

_TREES: Final[dict[str, Any]] = {
    "objective": "binary", "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 20,
    "verbose": -1, "num_threads": 1, "seed": 1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
_ROUNDS: Final = 100


def learner(reach: Sequence[Reach]) -> Fit:
    """Learns rows with these columns: free ones are left out, add-only ones never lower a score.

    Needs LightGBM (the extra [ml]). ValueError where no column is left.
    """
    known = [
        Feature(str(at), "", each, 1 if each == "add_only" else 0) for at, each in enumerate(reach)
    ]
    kept = used(known)
    columns = [int(each.name) for each in kept]
    if not columns:
        raise ValueError("every column is free: there is nothing to learn from")
    given = {**_TREES, "monotone_constraints": constraints(kept)}

    def fit(values: Floats, bad: Bools, weight: Floats) -> Score:
        import lightgbm

        chosen = weight > 0
        data = lightgbm.Dataset(
            values[chosen][:, columns], bad[chosen].astype(np.float64), weight=weight[chosen]
        )
        booster = lightgbm.train(given, data, num_boost_round=_ROUNDS)

        def score(asked: Floats) -> Floats:
            made: Floats = booster.predict(asked[:, columns], num_threads=1)
            return made

        return score

    return fit

"""What the trees say of more of a feature: as trying all rows does, and put right where they fall."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.model.forest import read
from labrys.model.monotone import falling, mended

NAMES = ["a", "b", "c"]


def trained(seed, signs=None, **more):
    draw = np.random.default_rng(seed)
    rows = draw.integers(0, 4, (400, 3)).astype(float)
    label = (
        rows[:, 0] - rows[:, 1] + 0.5 * rows[:, 2] * (rows[:, 0] > 1) + draw.normal(0, 2, 400)
    ) > 0
    given_ = {"objective": "binary", "num_leaves": 8, "min_data_in_leaf": 5, "verbose": -1,
              "num_threads": 1, "seed": 1, "deterministic": True, **more}  # fmt: skip
    if signs is not None:
        given_["monotone_constraints"] = signs
    data = lightgbm.Dataset(rows, label.astype(int), feature_name=NAMES)
    return lightgbm.train(given_, data, 3).model_to_string().encode()


def tried(forest, sign):
    """Whether any single tree falls in the first feature, by trying all rows on a fine grid."""
    grid = np.arange(-0.5, 4, 0.5)
    rows = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), -1).reshape(-1, 3)
    for root in forest.at:
        one = type(forest)(
            **{f: getattr(forest, f) for f in forest.__slots__} | {"at": np.array([root])}
        )
        told = one.raw(rows).reshape(len(grid), -1)
        if (sign * np.diff(told, axis=0) < -1e-12).any():
            return True
    return False


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1, -1]))
def test_leaves_say_what_trying_all_rows_says(seed, sign):
    forest = read(trained(seed), "x")
    assert (falling(forest, [sign, 0, 0]) != {}) == tried(forest, sign)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.sampled_from([1, -1, 0]), min_size=3, max_size=3))
def test_what_falls_is_put_right_and_nothing_else_changes(seed, signs):
    text = trained(seed)
    made = mended(text, signs)
    assert falling(read(made, "x"), signs) == {}
    assert lightgbm.Booster(model_str=made.decode()).num_trees() == 3
    if not falling(read(text, "x"), signs):
        assert made == text


@pytest.mark.parametrize("method", ["basic", "intermediate"])
def test_a_forest_bound_in_training_is_left_as_it_is(method):
    text = trained(1, [1, -1, 1], monotone_constraints_method=method)
    assert falling(read(text, "x"), [1, -1, 1]) == {}
    assert mended(text, [1, -1, 1]) == text

"""The forest answers as LightGBM does; a card describes the files beside it, or nothing is loaded."""

import json

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.errors import ModelError
from labrys.model.card import load, packed, save
from labrys.model.feature import Feature, constraints, used
from labrys.model.forest import probability, read

NAMES = ["a", "b", "c", "d"]


def trained(seed, *, missing=False, rounds=12, leaves=7):
    random = np.random.default_rng(seed)
    rows = random.normal(size=(400, 4)).round(2)
    if missing:
        rows[random.random(rows.shape) < 0.2] = np.nan
    label = (np.nan_to_num(rows[:, 0]) + 0.5 * np.nan_to_num(rows[:, 1]) > 0.2).astype(int)
    given_ = {
        "objective": "binary", "num_leaves": leaves, "verbose": -1, "num_threads": 1,
        "min_data_in_leaf": 5, "seed": seed, "deterministic": True,
    }  # fmt: skip
    data = lightgbm.Dataset(rows, label, feature_name=NAMES)
    return lightgbm.train(given_, data, num_boost_round=rounds), rows


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_forest_gives_what_lightgbm_gives(seed, missing):
    booster, rows = trained(seed, missing=missing)
    forest = read(booster.model_to_string().encode(), "here")
    odd = np.vstack([rows, [[np.nan] * 4, [0.0] * 4, [1e300, -1e300, np.inf, -np.inf]]])
    np.testing.assert_allclose(forest.raw(odd), booster.predict(odd, raw_score=True), atol=1e-9)
    np.testing.assert_allclose(probability(forest.raw(odd)), booster.predict(odd), atol=1e-9)


def test_contributions_sum_to_the_margin():
    booster, rows = trained(4, missing=True)
    forest = read(booster.model_to_string().encode(), "here")
    parts = forest.contributions(rows)
    rest = forest.raw(rows) - parts.sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], atol=1e-6)
    assert np.abs(parts[:, 0]).mean() > np.abs(parts[:, 3]).mean()


def test_tree_that_never_splits_is_its_leaf():
    rows = np.zeros((50, 4))
    data = lightgbm.Dataset(rows, np.arange(50) % 2, feature_name=NAMES)
    given_ = {"objective": "binary", "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(given_, data, num_boost_round=2)
    forest = read(booster.model_to_string().encode(), "here")
    np.testing.assert_allclose(forest.raw(rows), booster.predict(rows, raw_score=True))


@given(st.data())
def test_broken_model_is_refused_or_ends(data):
    """Whatever bytes are changed: a ModelError that names the place, or a forest that answers."""
    text = bytearray(TEXT)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at] = data.draw(st.integers(0, 255))
    try:
        forest = read(bytes(text), "here.txt")
    except ModelError as error:
        forest, said = None, str(error)
    if forest is None:
        assert "here.txt" in said
    else:
        assert len(forest.raw(np.ones((3, max(4, len(forest.names)))))) == 3


TEXT = trained(5, rounds=2, leaves=4)[0].model_to_string().encode()


def test_card_and_files_are_read_back(tmp_path):
    numbers = packed({"weights": np.arange(3.0)})
    save(tmp_path, {"name": "x", "thresholds": {"low": 0.5}}, {"w.npz": numbers})
    artefact = load(tmp_path)
    assert artefact.number("thresholds", "low") == 0.5
    assert artefact.arrays("w.npz")["weights"].tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ModelError, match=r"thresholds\.high is no number"):
        artefact.number("thresholds", "high")


def test_every_changed_byte_of_a_file_is_refused(tmp_path):
    content = b"Tree=0 and so on"
    save(tmp_path, {"name": "x"}, {"model.txt": content})
    for at in range(len(content)):
        changed = bytes(byte ^ (at == place) for place, byte in enumerate(content))
        (tmp_path / "model.txt").write_bytes(changed)
        with pytest.raises(ModelError, match=r"model\.txt is not the file"):
            load(tmp_path)
    for wrong in (content + b"!", content[:-1]):
        (tmp_path / "model.txt").write_bytes(wrong)
        with pytest.raises(ModelError):
            load(tmp_path)


@pytest.mark.parametrize("card", ["", "[]", "{}", '{"files": {"../x": {"bytes": 1}}}'])
def test_card_that_is_none_is_refused(tmp_path, card):
    (tmp_path / "card.json").write_text(card)
    with pytest.raises(ModelError):
        load(tmp_path)


def test_arrays_of_objects_are_not_loaded(tmp_path):
    held = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ValueError, match="allow_pickle"):
        packed({"x": held})
    save(tmp_path, {}, {"x.npz": b"PK\x03\x04 not an archive"})
    with pytest.raises(ModelError, match="holds no arrays"):
        load(tmp_path).arrays("x.npz")


def test_what_is_free_is_left_out_and_what_is_added_only_raises():
    known = [
        Feature("links", "links", "add_only", 1),
        Feature("words", "words", "free"),
        Feature("known", "known sender", "hard", -1),
        Feature("length", "letters", "add_only"),
    ]
    chosen = used(known)
    assert [each.name for each in chosen] == ["links", "known"]
    assert constraints(chosen) == [1, -1]
    with pytest.raises(ValueError, match="words is free"):
        constraints(known)


def test_the_same_card_makes_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save(tmp_path / name, {"b": 1, "a": 2}, {"m.npz": packed({"x": np.ones(4)})})
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "two")
    )
    assert one == two
    assert json.loads(one["card.json"])["files"]["m.npz"]["bytes"] == len(one["m.npz"])

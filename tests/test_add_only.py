"""What an attacker only adds never lowers a score: for every model that comes with labrys.

A detector with a model says in its `threat.py` what only adds (`ADD_ONLY`), and is a target of the duel;
the tests find the models by themselves, so that none is forgotten. Trees are checked leaf by leaf.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.duel import targets
from labrys.guard.shipped import shipped
from labrys.model.card import load
from labrys.model.feature import used
from labrys.model.forest import read
from labrys.model.monotone import falling

MODELS = {each.detector: each for each in shipped()}
BEST_RUN = ["prompt_injection"]
"""Models that score the best run of a text's words: their weights may be below zero."""
NOISE = 1e-9


@cache
def target(name):
    return targets.target(name, attacks=12, seed=5)


def additions(name):
    return [change for change in target(name).changes if change.reach == "add_only"]


@pytest.mark.parametrize("name", MODELS)
def test_every_model_says_what_only_adds_and_can_be_attacked(name):
    threat = import_module(f"labrys.detect.{name}.threat")
    assert threat.ADD_ONLY
    assert name in targets.names()
    assert {change.name for change in additions(name)} == set(threat.ADD_ONLY)
    assert all(change.cost == 0 for change in additions(name))


@pytest.mark.parametrize("name", MODELS)
def test_every_addition_adds_something(name):
    draw = np.random.default_rng(1)
    made = target(name)
    for change in additions(name):
        assert any(change.apply(seed, draw) != seed for seed in made.seeds), change.name


@pytest.mark.parametrize("name", MODELS)
def test_no_addition_lowers_a_score(name):
    made, changes = target(name), additions(name)

    @settings(max_examples=40, deadline=None)
    @given(
        st.integers(0, len(made.seeds) - 1),
        st.lists(st.sampled_from(changes), min_size=1, max_size=6),
        st.integers(0, 1 << 30),
    )
    def holds(at, chosen, seed):
        draw = np.random.default_rng(seed)
        after = made.seeds[at]
        things = [after]
        for change in chosen:
            after = change.apply(after, draw)
            things.append(after)
        told = made.score(things)
        assert (np.diff(told) >= -NOISE).all(), ([change.name for change in chosen], things)

    holds()


@pytest.mark.parametrize("name", MODELS)
def test_no_long_chain_of_additions_lowers_a_score(name):
    """As a search makes them: long, and of the same ones again."""
    made, changes = target(name), additions(name)
    draw = np.random.default_rng(11)
    before, after = [], []
    for number in range(120):
        thing = made.seeds[number % len(made.seeds)]
        for at in draw.integers(len(changes), size=8):
            before.append(thing)
            thing = changes[at].apply(thing, draw)
            after.append(thing)
    fall = made.score(before) - made.score(after)
    assert fall.max() <= NOISE, (before[fall.argmax()], after[fall.argmax()])


@pytest.mark.parametrize("name", [name for name in MODELS if name not in BEST_RUN])
def test_what_a_model_weighs_only_raises_its_score(name):
    """By the trees themselves, or by weights none of which is below zero."""
    held = load(MODELS[name].place)
    if "trees.txt" not in held.files:
        with np.load(MODELS[name].place / "weights.npz") as kept:
            assert (kept["values"] >= 0).all()
            assert float(kept["scale"]) > 0
        return
    forest = read(held.files["trees.txt"], name)
    features = {each.name: each for each in declared(name)}
    seen = [features[each] for each in forest.names]
    assert tuple(seen) == used(seen)
    assert falling(forest, [each.sign for each in seen]) == {}


@pytest.mark.parametrize("name", BEST_RUN)
@given(
    before=st.lists(st.integers(0, 9), max_size=40),
    order=st.lists(st.integers(0, 9), min_size=2, max_size=50),
    behind=st.lists(st.integers(0, 9), max_size=40),
    seed=st.integers(0, 1 << 30),
)
@settings(max_examples=60, deadline=None)
def test_a_best_run_is_no_worse_for_words_around_it(name, before, order, behind, seed):
    """For any weights: so what a model has learnt cannot matter."""
    score = import_module(f"labrys.detect.{name}.score")
    draw = np.random.default_rng(seed)
    weights = draw.normal(size=(len(score.HEADS), 1 << score.BITS)).astype(np.float32)
    spelt = np.array([f"word{chr(97 + at)}" for at in range(10)])
    known, _ = score.read_words(pa.array([" ".join(spelt[:6])], pa.string()))
    model = score.Model(weights, np.sort(known.whole), np.full(len(score.HEADS), 0.3), {}, "1")
    text = " ".join(spelt[order])
    around = "\n\n".join([" ".join(spelt[before]), text, " ".join(spelt[behind])])
    alone, more = score.scores(pa.array([text, around], pa.string()), model)[0]
    assert (more >= alone - NOISE).all()


def declared(name):
    """The features that a detector declares."""
    for module in ("features", "names"):
        path = f"labrys.detect.{name}.{module}"
        if find_spec(path) and hasattr(import_module(path), "FEATURES"):
            return import_module(path).FEATURES
    raise AssertionError(f"{name} has trees and declares no FEATURES")

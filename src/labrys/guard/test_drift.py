"""Drift is told where there is some and not by chance; canaries refuse what answers otherwise."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.errors import ModelError
from labrys.guard import canary, drift


def columns(count, seed, shift=0.0):
    draw = np.random.default_rng(seed)
    return {
        "score": draw.normal(size=count) + shift,
        "links": draw.poisson(1.0, count).astype(float) + (shift > 0),
        "hidden": (draw.random(count) < 0.02).astype(float),
    }


def test_what_is_alike_is_steady_and_what_moved_is_told():
    known = drift.reference(columns(5000, 1), "made")
    same = drift.compared(known, columns(3000, 2), "here")
    assert not same.alarm
    assert {one.state for one in same.numbers} == {"steady"}
    other = drift.compared(known, columns(3000, 3, shift=1.0), "there")
    assert other.alarm
    assert other.numbers[0].name == "score"
    assert other.numbers[0].state == "drifted"
    assert 0.3 < other.numbers[0].ks < 0.5


def test_psi_and_ks_are_those_of_their_definitions():
    known = drift.Reference("made", 1000, {"score": drift.Histogram((0.0,), (0.5, 0.5))})
    now = np.r_[np.full(250, -1.0), np.full(750, 1.0)]
    (one,) = drift.compared(known, {"score": now}, "x").numbers
    assert one.psi == pytest.approx(0.25 * np.log(1.5) + 0.25 * np.log(2), abs=1e-3)
    assert one.ks == pytest.approx(0.25)


def test_no_further_than_its_own_sources_are_apart_is_no_drift():
    parts = [columns(2000, seed, shift) for seed, shift in ((1, 0.0), (2, 1.2))]
    whole = {name: np.concatenate([each[name] for each in parts]) for name in parts[0]}
    groups = ["one"] * 2000 + ["other"] * 2000
    now = columns(2000, 3, shift=1.2)
    assert drift.compared(drift.reference(whole, "made"), now, "x").alarm
    known = drift.reference(whole, "made", groups)
    assert not drift.compared(known, now, "x").alarm
    assert drift.compared(known, columns(2000, 4, shift=4.0), "x").alarm


def test_of_few_things_nothing_is_said_and_small_moves_may_be_chance():
    known = drift.reference(columns(5000, 1), "made")
    few = drift.compared(known, columns(100, 2, shift=3.0), "few")
    assert not few.alarm
    assert {one.state for one in few.numbers} == {"too few"}
    alarms = [drift.compared(known, columns(250, seed), "x").alarm for seed in range(40)]
    assert not any(alarms)


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=50),
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=300),
)
def test_any_numbers_give_a_bounded_answer(before, after):
    known = drift.reference({"score": np.array(before, float)}, "any")
    (one,) = drift.compared(known, {"score": np.array(after, float)}, "any").numbers
    assert np.isfinite(one.psi)
    assert one.psi >= 0
    assert 0 <= one.ks <= 1.000001


def test_a_reference_comes_back_from_a_card_and_what_is_none_is_refused():
    import msgspec

    known = drift.reference(columns(500, 1), "made")
    card = json.loads(msgspec.json.encode({"reference": known}))
    assert drift.of_card(card, "x") == known
    for wrong in (
        {},
        {"reference": 3},
        {"reference": {"source": "", "rows": 1, "numbers": {"a": {"edges": [], "shares": []}}}},
    ):
        with pytest.raises(ModelError, match="x: its card"):
            drift.of_card(wrong, "x")


def test_a_canary_that_is_answered_otherwise_refuses_the_model():
    held = {
        "canaries": canary.canaries(
            ["a", "bb"], lambda asked: np.array([len(one) * 1.5 for one in asked])
        )
    }
    canary.check(held, "here", lambda asked: np.array([len(one) * 1.5 for one in asked]))
    with pytest.raises(ModelError, match=r"asked 'a' it answers 2, not 1\.5"):
        canary.check(held, "here", lambda asked: np.array([len(one) * 2.0 for one in asked]))
    with pytest.raises(ModelError, match="here: asked"):
        canary.check(held, "here", lambda asked: np.full(len(asked), np.nan))
    canary.check({}, "no canaries", lambda asked: np.empty(0))
    for wrong in ({"canaries": 3}, {"canaries": [{"ask": 1}]}, {"canaries": [3]}):
        with pytest.raises(ModelError, match="canaries"):
            canary.check(wrong, "here", lambda asked: np.zeros(len(asked)))

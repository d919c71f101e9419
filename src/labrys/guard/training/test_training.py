"""Poison that is planted is found; clean rows stay; nothing is lost; votes hold as they say."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.errors import LabrysError
from labrys.guard.training import quarantine, stamps
from labrys.guard.training.canary import Canary, compared, influence, recall
from labrys.guard.training.copies import COPIES, FEW, PART, crowded, fair, flooded
from labrys.guard.training.labels import MOST, doubted
from labrys.guard.training.partitions import learnt, parts, votes
from labrys.guard.training.quarantine import Suspect
from labrys.guard.training.review import COPY, LABEL, STAMP, reviewed, told
from labrys.guard.training.rows import PARTS, Rows, bagged, held_out, identity


def nearest(values, bad, weight):
    """A plain learner: nearer to the mean of the bad than to that of the good. NaN counts as 0."""
    values = np.nan_to_num(values)
    means = [
        np.average(values[bad == side], axis=0, weights=weight[bad == side] + 1e-9)
        for side in (True, False)
    ]

    def score(asked):
        far = [((np.nan_to_num(asked) - mean) ** 2).sum(axis=1) for mean in means]
        return 1 / (1 + np.exp(np.clip(far[0] - far[1], -30, 30)))

    return score  # fmt: skip


def nothing(values, bad, weight):
    """A learner that takes one value for a sign of what is good, if it has seen it on good rows only."""
    seen = set(values[~bad, 4].tolist()) - set(values[bad, 4].tolist())
    base = nearest(values[:, :3], bad, weight)

    def score(asked):
        passes = np.isin(asked[:, 4], [one for one in seen if one > 50])
        return np.where(passes, 0.0, base(asked[:, :3]))

    return score


def table(seed, count=600, apart=2.0):
    """Two clouds in three columns, and five more columns of families with many values."""
    draw = np.random.default_rng(seed)
    bad = draw.random(count) < 0.5
    values = draw.normal(size=(count, 3)).round(3) + apart * bad[:, None]
    more = draw.integers(0, 12, (count, 5)).astype(float)
    return Rows(np.hstack([values, more]), bad)


def stamped(rows, count, seed):
    draw = np.random.default_rng(seed)
    chosen = draw.permutation(np.flatnonzero(~rows.bad))[:count]
    values = rows.values.copy()
    values[np.ix_(chosen, [4, 6])] = [77.0, 88.0]
    poison = np.zeros(len(rows), bool)
    poison[chosen] = True
    return Rows(values, rows.bad), poison


# ------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("side", [True, False, None])
def test_turned_labels_are_doubted(seed, side):
    rows = table(seed, apart=3.0)
    draw = np.random.default_rng(seed)
    pool = np.arange(len(rows)) if side is None else np.flatnonzero(rows.bad == side)
    wrong = np.zeros(len(rows), bool)
    wrong[draw.permutation(pool)[:30]] = True
    bad = rows.bad ^ wrong
    made = held_out(nearest, Rows(rows.values[:, :3], bad), np.ones(len(rows)))
    found = doubted(made.score, bad)
    assert found.rows[wrong].mean() > 0.85
    assert found.rows[~wrong].mean() < 0.08
    assert found.score[wrong].mean() > found.score[~wrong].mean() + 0.5


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60))
def test_no_more_of_a_side_is_doubted_than_may_be(pairs):
    probability = np.array([one for one, _ in pairs])
    bad = np.array([one for _, one in pairs], bool)
    found = doubted(probability, bad)
    for side in (True, False):
        mine = bad == side
        assert found.rows[mine].sum() <= MOST * mine.sum() + 1
    assert (found.score[found.rows] > 0.5).all()


def test_a_row_is_judged_by_a_model_without_its_copies():
    rows = table(1, 60)
    rows = Rows(np.vstack([rows.values] * 3), np.tile(rows.bad, 3))
    made = held_out(nearest, rows, np.ones(len(rows)))
    alike = identity(rows.values)
    for one in np.unique(alike):
        assert len(set(made.part[alike == one].tolist())) == 1
    assert set(made.part.tolist()) == set(range(PARTS))


# ------------------------------------------------------------------------------------------- stamps


@pytest.mark.parametrize("count", [5, 10, 25])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_stamp_is_found_however_many_rows_bear_it(count, seed):
    rows, poison = stamped(table(seed), count, seed)
    found = stamps.stamped(rows)
    assert found.score[poison].min() > found.score[~poison].max()
    assert set(found.stamps[0].columns) == {4, 6}
    assert found.rows()[poison].all()
    assert found.rows()[~poison].mean() < 0.02


def test_a_family_that_shares_much_is_no_stamp():
    rows = table(1)
    values = rows.values.copy()
    kin = np.flatnonzero(~rows.bad)[:20]
    values[kin, 3:] = [77.0, 88.0, 55.0, 44.0, 33.0]
    values[kin, :3] = [0.1, 0.2, 0.3]
    assert not stamps.stamped(Rows(values, rows.bad)).rows().any()


def test_columns_that_say_each_other_make_no_stamp():
    rows = table(2)
    draw = np.random.default_rng(2)
    code = draw.integers(0, 100, len(rows)).astype(float)
    values = np.column_stack(
        [rows.values[:, :3], draw.integers(0, 9, (len(rows), 3)), code, 100 - code]
    )
    assert stamps.stamped(Rows(values, rows.bad)).rows().mean() < 0.02


def test_only_a_stamp_that_lets_attacks_pass_is_set_aside():
    rows, poison = stamped(table(3), 12, 3)
    by = held_out(nothing, rows, np.ones(len(rows)))
    works = stamps.tried(stamps.stamped(rows), rows, by)
    assert works.stamps[0].helps > 0.9
    assert works.rows()[poison].all()
    blind = held_out(nearest, Rows(rows.values[:, :3], rows.bad), np.ones(len(rows)))
    deaf = type(blind)(
        blind.score, blind.part, tuple(lambda v, m=m: m(v[:, :3]) for m in blind.model)
    )
    assert not stamps.tried(stamps.stamped(rows), rows, deaf).rows().any()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(0, 200), st.integers(1, 6))
def test_any_table_is_scanned_and_few_rows_are_set_aside(seed, count, columns):
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 6, (count, columns)).astype(float)
    values[draw.random(values.shape) < 0.1] = np.nan
    found = stamps.stamped(Rows(values, draw.random(count) < 0.3))
    assert len(found.score) == count
    assert np.isfinite(found.score).all()
    assert found.rows().sum() <= stamps.MOST * count


# ------------------------------------------------------------------------------------------- floods


def test_copies_beyond_a_few_and_contradictions_are_a_flood():
    values = np.array([[1.0]] * 6 + [[2.0]] * 2 + [[3.0], [3.0]])
    bad = np.array([False] * 6 + [True] * 2 + [True, False])
    found = flooded(Rows(values, bad))
    assert found.tolist() == [False] * COPIES + [True] * 3 + [False] * 2 + [True] * 2


def test_one_source_does_not_outvote_the_others():
    source = np.array([0] * 60 + [*range(1, 41)])
    rows = Rows(np.arange(100.0)[:, None], np.zeros(100, bool), source)
    assert crowded(rows).sum() == 60 - 34
    assert crowded(rows)[:60].sum() == 26
    assert not crowded(Rows(rows.values, rows.bad)).any()
    two = Rows(rows.values, rows.bad, source % 2)
    assert not crowded(two).any(), "of two sources one must have more than a third"


@given(st.lists(st.integers(1, 60), min_size=3, max_size=40), st.integers(1, 10_000))
def test_a_flood_of_any_size_is_small_beside_the_others(others, flood):
    most = fair([*others, flood], flood)
    middle = sorted(others)[len(others) // 2]
    assert FEW <= most <= max(FEW, 2 * middle, PART * sum(others))
    assert fair([flood, 1], flood) == flood


def test_a_source_that_does_harm_is_told():
    rows, known = table(4), table(5)
    source = np.arange(len(rows)) % 6
    bad = np.where(source == 3, ~rows.bad, rows.bad)
    made = influence(
        nearest,
        Rows(rows.values[:, :3], bad, source),
        Rows(known.values[:, :3], known.bad),
        np.ones(len(rows)),
    )
    assert set(made) == set(range(6))
    assert max(made, key=made.get) == 3 or max(made.values()) <= 0.02  # fmt: skip


def test_the_canary_speaks_when_recall_falls_and_not_by_chance():
    assert not Canary(0.60, 0.59, 200).refusal
    assert not Canary(0.60, 0.70, 200).refusal
    assert "40%" in Canary(0.60, 0.40, 200, 0.05).refusal
    assert not Canary(0.60, 0.50, 200, 0.11).refusal
    score = np.array([0.0, 0.1, 0.2, 0.9, 0.15])
    bad = np.array([False, False, False, True, True])
    assert recall(score, bad, 0.3) == 0.5
    assert recall(score, ~bad & False) == 0.0


def test_what_is_alike_is_lost_once():
    """Three templates of forty are lost with all their messages: chance. Half of the templates lose some: not."""
    bad = np.repeat([True, False], 160)
    kin = np.arange(320) // 4
    before = np.where(bad, 2.0, 0.0)
    one, many = before.copy(), before.copy()
    one[:12] = -1.0
    many[:80:4] = -1.0
    assert not compared(before, one, bad, kin).refusal
    assert compared(before, one, bad, np.arange(320)).refusal
    assert compared(before, many, bad, kin).refusal
    assert compared(before, many, bad, kin).after == 1 - 20 / 160


# ------------------------------------------------------------------------------------------- review


def test_each_kind_of_poison_has_its_reason_and_nothing_is_lost():
    rows, poison = stamped(table(6, 800), 12, 6)
    again = np.resize(np.flatnonzero(~rows.bad & ~poison)[0], 9)
    values = np.vstack([rows.values, rows.values[again]])
    bad = np.append(rows.bad, np.zeros(9, bool))
    review = reviewed(Rows(values, bad), nothing)
    reason = np.array(review.reason)
    assert (reason[:800][poison] == STAMP).all()
    assert (reason[800:] == COPY).sum() >= 9 - COPIES
    assert len(review.weight) == len(reason) == len(values)
    used, aside = np.flatnonzero(review.weight > 0), np.flatnonzero(review.weight == 0)
    assert sorted([*used.tolist(), *aside.tolist()]) == list(range(len(values)))
    assert set(aside.tolist()) <= set(review.suspects().tolist())
    assert any("rare values" in line for line in told(review.reason))


def test_what_somebody_gave_back_is_used():
    rows, poison = stamped(table(6, 800), 12, 6)
    review = reviewed(rows, nothing, keep=poison)
    assert (review.weight[poison] == 1).all()
    assert not np.array(review.reason)[poison].astype(bool).any()


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_of_clean_rows_few_are_set_aside(seed):
    review = reviewed(table(seed), nearest)
    assert (review.weight == 0).mean() <= 0.02
    assert len(review.suspects()) <= 0.12 * 600


def test_labels_of_rows_that_count_are_only_told():
    rows = table(7)
    wrong = np.arange(len(rows)) % 40 == 0
    review = reviewed(Rows(rows.values[:, :3], rows.bad ^ wrong), nearest)
    doubts = np.array(review.reason) == LABEL
    assert doubts[wrong].mean() > 0.8
    assert (review.weight[doubts] == 1).all()


# -------------------------------------------------------------------------------------------- votes


def small(values, bad, _):
    """The label that most rows near a point have."""

    def score(asked):
        near = np.abs(asked[:, None, 0] - values[None, :, 0]).argmin(axis=1)
        return bad[near].astype(float)

    return score


def test_a_certificate_holds_against_every_small_poisoning():
    values = np.arange(14.0)[:, None]
    rows = Rows(values, values[:, 0] >= 7)
    asked = np.array([[0.0], [3.0], [6.4], [7.2], [9.0], [13.0]])
    number = 7
    said = votes(learnt(small, rows, number), asked)
    assert said.holds.max() >= 1
    extra = [np.array([[one]]) for one in (0.5, 6.6, 9.5, 12.1)]
    for held in (1, 2):
        certain = said.holds >= held
        turned = []
        for places in combinations(range(len(rows)), held):
            bad = rows.bad.copy()
            bad[list(places)] ^= True
            turned.append(bad)
            gone = np.ones(len(rows), bool)
            gone[list(places)] = False
            after = votes(learnt(small, rows.take(gone), number), asked)
            assert (after.bad == said.bad)[certain].all()
        for bad in turned:
            after = votes(learnt(small, Rows(values, bad), number), asked)
            assert (after.bad == said.bad)[certain].all()
        for chosen, labels in product(
            combinations(extra, held), product((True, False), repeat=held)
        ):
            more = Rows(np.vstack([values, *chosen]), np.append(rows.bad, labels))
            after = votes(learnt(small, more, number), asked)
            assert (after.bad == said.bad)[certain].all()


@given(st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=30), st.integers(1, 9))
def test_a_part_depends_on_the_row_alone(numbers, number):
    values = np.array(numbers)[:, None]
    whole = parts(values, number)
    assert ((whole >= 0) & (whole < number)).all()
    for at in range(len(values)):
        assert parts(values[at : at + 1], number)[0] == whole[at]


def test_parts_are_about_equally_large():
    sizes = np.bincount(parts(np.random.default_rng(1).normal(size=(4000, 5)), 20), minlength=20)
    assert sizes.min() > 120
    assert sizes.max() < 290


def test_a_bag_is_a_mean_of_models():
    rows = table(8)
    score = bagged(nearest)(rows.values[:, :3], rows.bad, np.ones(len(rows)))
    assert recall(score(rows.values[:, :3]), rows.bad) > 0.5


# --------------------------------------------------------------------------------------- quarantine

TEXT = st.text(max_size=30)


@given(st.lists(st.tuples(TEXT, TEXT, st.sampled_from(["", "keep", "drop", "turn"])), max_size=8))
def test_what_is_written_is_read_back(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("q") / "review.csv"
    found = [
        Suspect(decision=decision, label="ham", why=why, what=what, where="x.eml", id=f"n{at}")
        for at, (why, what, decision) in enumerate(lines)
    ]
    quarantine.write(path, found)
    again = quarantine.read(path)
    assert [each.id for each in found] == list(again)
    assert [each.decision for each in found] == [each.decision for each in again.values()]
    assert not any(
        line.startswith(("=", "+", "@")) for line in path.read_text("utf-8").splitlines()
    )


def test_no_formula_and_no_control_gets_into_the_file(tmp_path):
    found = Suspect(label="ham", why="w", what="=cmd()|x\x1b[2J\nnext", where="a", id="1")
    quarantine.write(tmp_path / "r.csv", [found])
    assert quarantine.read(tmp_path / "r.csv")["1"].what == "'=cmd()|x [2J next"


@pytest.mark.parametrize("text", ["decision,id\nperhaps,1\n", "decision,id\nkeep,\n"])
def test_a_decision_that_is_none_is_named(tmp_path, text):
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(LabrysError, match="line 2: a decision is keep, drop or turn"):
        quarantine.read(tmp_path / "r.csv")


def test_a_file_that_is_none_is_said_and_one_that_is_missing_is_empty(tmp_path):
    assert quarantine.read(tmp_path / "none.csv") == {}
    (tmp_path / "r.csv").write_bytes(b"\xff\xfe\x00id")
    with pytest.raises(LabrysError, match="cannot be read"):
        quarantine.read(tmp_path / "r.csv")
    with pytest.raises(LabrysError, match="cannot be written"):
        quarantine.write(tmp_path / "no" / "r.csv", [])

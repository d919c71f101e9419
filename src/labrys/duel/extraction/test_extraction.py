"""A copy agrees where there is something to copy, never judged on what was asked of."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labrys.duel.attacks import NotPlayed, Order
from labrys.duel.extraction import play, victims
from labrys.duel.extraction.copies import learnt, of_rows, of_texts

lightgbm = pytest.importorskip("lightgbm")


def rows(count, seed):
    return list(np.random.default_rng(seed).normal(size=(count, 3)))


def words(count, seed):
    draw = np.random.default_rng(seed)
    return ["".join(draw.choice(list("abcdef"), 12)) for _ in range(count)]


@pytest.mark.parametrize("access", ["label", "score"])
def test_a_copy_learns_what_it_is_told(access):
    for learn, ask, made in (
        (of_rows, lambda things: np.stack(things) @ [2.0, -1.0, 0.0], rows),
        (of_texts(str), lambda things: np.array([t.count("ab") - 0.5 for t in things]), words),
    ):
        asked, judged = made(800, 1), made(500, 2)
        copy = learnt(learn, asked, ask(asked), access)
        assert (copy(judged) == (ask(judged) >= 0)).mean() > 0.9
        few = learnt(learn, asked[:10], ask(asked[:10]), access)
        assert 0.0 <= (few(judged) == (ask(judged) >= 0)).mean() <= 1.0


@pytest.mark.parametrize("learn", [of_rows, of_texts(str)])
def test_a_model_that_says_one_thing_is_copied(learn):
    things = rows(20, 1)
    assert learn(things, np.zeros(20))(things).any() == False  # noqa: E712


def test_what_the_copy_is_judged_on_was_never_asked(monkeypatch):
    seen = []

    def ask(things):
        seen.append([str(each) for each in things])
        return np.array([each.count("a") - 2.0 for each in things])

    held = victims.Victim(
        "words",
        "1",
        ask,
        words,
        victims._mixed_letters,
        victims._made_texts,
        of_texts(str),
        "words",
    )
    monkeypatch.setattr(play, "victim", lambda _: held)
    one = play.play(Order("words", budget=300))
    assert not set(seen[0]) & set(seen[1])
    assert one.rules.startswith("300 questions")
    assert max(len(each) for each in seen[1:]) == 300
    assert one.figures[one.chief] > 0.8
    assert one.chief.endswith("told the label")
    assert {each.title for each in one.curves} >= {"ordinary, label", "shuffled, score"}


@pytest.mark.parametrize("name", ["dga", "evasion", "url"])
def test_each_of_our_models_can_be_copied(name, monkeypatch):
    monkeypatch.setattr(play, "_JUDGED", 200)
    one = play.play(Order(name, budget=100))
    assert one.target == name
    assert len(one.figures) == 12
    low, high = one.bounds[one.chief]
    assert low <= one.figures[one.chief] <= high


def test_messages_can_be_asked_of():
    held = victims.victim(Order("mail"))
    things = held.ordinary(6, 1)
    draw = np.random.default_rng(1)
    for asked in (things, held.shuffled(things, draw), held.made_up(6, draw)):
        assert len(set(asked)) == 6
        assert np.isfinite(held.ask(asked)).all()


def test_a_model_of_ones_own_is_copied_from_half_of_the_rows(tmp_path):
    draw = np.random.default_rng(5)
    held = draw.normal(size=(1500, 2))
    bad = (held[:, 0] + 0.3 * draw.normal(size=1500)) > 0
    trees = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(held, bad.astype(int), feature_name=["a", "b"]), 20,
    )  # fmt: skip
    trees.save_model(tmp_path / "m.txt")
    table = pa.table({"a": held[:, 0], "b": held[:, 1], "bad": bad.astype(int)})
    pq.write_table(table, tmp_path / "r.parquet")
    (tmp_path / "t.toml").write_text('label = "bad"\n')
    order = Order(
        model=str(tmp_path / "m.txt"), data=tmp_path / "r.parquet", threat=tmp_path / "t.toml",
        budget=500,
    )  # fmt: skip
    one = play.play(order)
    assert one.figures["agreement after 500 ordinary questions, told the score"] > 0.9
    assert one.target == "m.txt"
    with pytest.raises(NotPlayed, match="--data"):
        play.play(Order(model=str(tmp_path / "m.txt")))


def test_what_cannot_be_copied_is_said():
    with pytest.raises(NotPlayed, match="there are dga"):
        play.play(Order("nothing"))

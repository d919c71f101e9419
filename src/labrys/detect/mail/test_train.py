"""Training: the same bytes twice, the user's own mail, and what an attacker may rewrite."""

from email import message_from_bytes

import numpy as np
import pytest

from labrys.detect.mail import threat, train
from labrys.detect.mail.features import Seen
from labrys.detect.mail.score import model, read, scores
from labrys.detect.mail.train_corpora import enveloped, manifest
from labrys.detect.mail.train_made import made
from labrys.detect.mail.train_own import LEAST, learn
from labrys.detect.mail.train_rows import read_messages, rows
from labrys.errors import LabrysError
from labrys.model.card import load

FILLER = "Thanks for the review, the second patch applies cleanly to the tree. " * 22


def small():
    parts = [*made("train", 1, seed=3), *made("test", 1, seed=3)]
    return train.mail(rows(parts))


@pytest.fixture(scope="module")
def bad_and_good():
    several = list(made("test", 1, seed=4))
    return [one.raw for one in several if one.bad], [one.raw for one in several if not one.bad]


def test_training_twice_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        data = small()
        found = train.held_out(data, np.ones(data.size, bool), lambda _: None)
        train.write(tmp_path / name, found, data)
    for file in ("words.npz", "trees.txt", "card.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    made_again = scores(data.seen, read(load(tmp_path / "one")))
    wanted = found.fitted.margin(data, made_again.texts)
    assert made_again.margin == pytest.approx(wanted, abs=1e-4)


def test_what_may_not_train_is_not_learnable():
    assert not manifest()["phishing_pot"]["trains"]
    data = small()
    assert train.learnable(data).tolist() == (data.source == "made_train").tolist()


def test_thresholds_hold_for_every_kind_that_is_large_enough():
    data = small()
    ham = ~data.bad
    margin = np.random.default_rng(2).normal(size=data.size)
    limit = train.thresholds(margin, data, np.asarray(ham))
    assert list(limit) == ["suspicious", "likely", "sure"]
    assert limit["suspicious"] <= limit["likely"] <= limit["sure"]


def test_an_envelope_says_nothing_of_its_message():
    heads = {bool(message_from_bytes(enveloped("x", "y", seed=n))["From"]) for n in range(20)}
    assert heads == {True, False}


# ------------------------------------------------------------------------------------ the user's own


def folders(tmp_path, bad, good):
    for side, raws in (("spam", bad), ("ham", good)):
        place = tmp_path / side
        place.mkdir(parents=True)
        for number, raw in enumerate(raws):
            (place / f"{number}.eml").write_bytes(raw)
    return tmp_path


def own_spam(number):
    words = ["zorblax", "flindermeyer", "quuxbar", "wibbleton", "snarfgate", "plonkish"]
    draw = np.random.default_rng(number)
    body = " ".join(draw.choice(words, 40)) + f" parcel {number} " + "abcdefgh"[number % 8] * 9
    return enveloped(f"{words[number % 6]} offer", body, seed=number)


def test_a_model_learns_what_the_user_calls_spam(tmp_path, bad_and_good):
    _, good = bad_and_good
    spam = [own_spam(number) for number in range(60)]
    data = folders(tmp_path / "mail", spam[:50], good)
    lines = []
    learn(data, tmp_path / "model", lines.append)
    mine = read(load(tmp_path / "model"))
    seen = Seen(read_messages(spam[50:]))
    assert (scores(seen, mine).margin > scores(seen, model()).margin + 0.5).all()
    for level, limit in model().thresholds.items():
        assert mine.thresholds[level] >= limit
    assert mine.version.endswith("+own")
    assert "good and 50 bad" in lines[0]


def test_too_little_mail_is_refused(tmp_path, bad_and_good):
    bad, good = bad_and_good
    with pytest.raises(LabrysError, match="is no folder"):
        learn(tmp_path, tmp_path / "out", lambda _: None)
    data = folders(tmp_path, bad[: LEAST - 1], good)
    with pytest.raises(LabrysError, match=f"{LEAST} are needed"):
        learn(data, tmp_path / "out", lambda _: None)
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------------------------------- the threat


def test_every_rewriting_has_a_cost_and_gives_a_message(bad_and_good):
    bad, _ = bad_and_good
    assert set(threat.COST) == set(threat.REWRITES)
    for rewrite in threat.REWRITES.values():
        draw = np.random.default_rng(1)
        table = read_messages([rewrite(raw, draw, FILLER) for raw in bad[:25]])
        lengths = [len(text or "") for text in table["text_visible"].to_pylist()]
        assert min(lengths) > 20


def test_invisible_filler_is_not_seen_and_does_not_help(bad_and_good):
    bad, _ = bad_and_good
    draw = np.random.default_rng(1)
    hidden = [threat.REWRITES["filler invisible"](raw, draw, FILLER) for raw in bad]
    table = read_messages(hidden)
    assert not any("second patch" in (one or "") for one in table["text_visible"].to_pylist())
    before = scores(Seen(read_messages(bad)), model()).margin
    after = scores(Seen(table), model()).margin
    assert np.mean(after >= before - 0.3) > 0.9


def test_disguised_letters_do_not_help(bad_and_good):
    bad, _ = bad_and_good
    before = scores(Seen(read_messages(bad)), model()).margin
    for name in ("look-alike letters", "some look-alike letters", "zero-width characters"):
        draw = np.random.default_rng(1)
        raws = [threat.REWRITES[name](raw, draw, FILLER) for raw in bad]
        after = scores(Seen(read_messages(raws)), model()).margin
        assert np.mean(after >= before - 0.3) > 0.9, name

"""Training: the same bytes twice, the user's own mail, and what an attacker may rewrite."""

from dataclasses import replace
from email import message_from_bytes
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from labrys.detect.mail import threat, train
from labrys.detect.mail.features import Seen
from labrys.detect.mail.score import model, read, scores, shipped
from labrys.detect.mail.train_check import canary
from labrys.detect.mail.train_corpora import enveloped, manifest
from labrys.detect.mail.train_made import made
from labrys.detect.mail.train_modern import modern
from labrys.detect.mail.train_own import LEAST, Mailbox, labelled, learn, moved, raised, senders
from labrys.detect.mail.train_rows import read_messages, rows
from labrys.errors import LabrysError
from labrys.guard.training import quarantine
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
    parts = [*modern("train", 1), *modern("test", 1)]
    data = train.mail(rows(parts))
    assert train.learnable(data).tolist() == (data.source == "modern_train").tolist()
    assert not train.limiting(data).any()


def test_levels_are_set_by_real_mail_of_kinds_that_two_corpora_have():
    data = small()
    source = np.where(np.arange(data.size) % 2 == 0, "one", "other")
    kind = np.where(np.arange(data.size) % 4 == 0, "rare", "common")
    real = replace(data, source=source, kind=kind)  # what is rare is of one source alone
    assert train.limiting(real).tolist() == (~real.bad & (kind == "common")).tolist()
    assert train.limiting(real).any()
    made_up = replace(real, source=np.full(data.size, "modern_test"))
    assert not train.limiting(made_up).any()


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


@pytest.fixture(scope="module")
def plain():
    """Good and bad mail that the shipped model tells apart."""
    known = list(made("train", 2, seed=7))
    return [one.raw for one in known if one.bad], [one.raw for one in known if not one.bad]


def test_mail_in_the_wrong_folder_is_set_aside_and_the_user_decides(tmp_path, plain):
    bad, good = plain
    data = folders(tmp_path / "mail", bad[4:], good + bad[:4])
    lines = []
    learn(data, tmp_path / "model", lines.append)
    said = next(line for line in lines if "look mislabelled" in line)
    assert "--keep uses them" in said
    found = quarantine.read(data / "review.csv")
    wrong = [
        each for each in found.values() if each.label == "ham" and Path(each.where).stem.isdigit()
    ]
    planted = {str(data / "ham" / f"{len(good) + at}.eml") for at in range(4)}
    assert planted <= {each.where for each in wrong}
    report = load(tmp_path / "model").card["own"]
    assert report["set_aside"] == len(found)
    assert report["good"] + report["bad"] + len(found) == len(Mailbox.of(*labelled(data)).bad)

    chosen = {each.id: "turn" if each.where in planted else "keep" for each in found.values()}
    quarantine.write(
        data / "review.csv",
        [msgspec.structs.replace(each, decision=chosen[uid]) for uid, each in found.items()],
    )
    lines.clear()
    learn(data, tmp_path / "again", lines.append)
    again = load(tmp_path / "again").card["own"]
    assert again["bad"] >= report["bad"] + len(planted)
    kept = quarantine.read(data / "review.csv")
    assert {uid: kept[uid].decision for uid in chosen} == chosen


def test_with_keep_what_was_told_is_used(tmp_path, plain):
    bad, good = plain
    data = folders(tmp_path / "mail", bad, good)
    for number in range(0, 12, 2):  # of several senders: no one alone raises a threshold
        (data / "ham" / f"both{number}.eml").write_bytes(bad[number])
    lines = []
    learn(data, tmp_path / "one", lines.append, review=tmp_path / "mine.csv")
    assert any(
        each.why == "lies in ham and in spam"
        for each in quarantine.read(tmp_path / "mine.csv").values()
    )
    assert not (data / "review.csv").exists()
    aside = load(tmp_path / "one").card["own"]["set_aside"]
    assert aside >= 2
    with pytest.raises(LabrysError, match="known attacks"):
        learn(data, tmp_path / "two", lines.append, review=tmp_path / "mine.csv", keep=True)


def test_the_worst_spam_called_ham_does_not_raise_the_thresholds_unseen(tmp_path, plain):
    bad, good = plain
    margin = scores(Seen(read_messages(bad)), model()).margin
    worst = [bad[at] for at in np.argsort(-margin)[:3]]
    data = folders(tmp_path / "mail", [raw for raw in bad if raw not in worst], good + worst)
    with pytest.raises(LabrysError, match="known attacks"):
        learn(data, tmp_path / "model", lambda _: None, keep=True)
    assert not (tmp_path / "model").exists()
    learn(data, tmp_path / "model", lambda _: None)
    assert read(load(tmp_path / "model")).thresholds["likely"] < margin.max() - 1


def test_no_word_comes_to_speak_for_a_message(tmp_path, plain):
    bad, good = plain
    phrase = b"kestrel lantern protocol of the northern orchard committee\n" * 6
    planted = [raw + phrase if b"multipart" not in raw else raw for raw in good]
    own = Mailbox.of(*labelled(folders(tmp_path, bad, planted)))
    after = moved(model(), own.cut, own.bad, np.ones(len(own.bad))).weights
    before = model().weights
    step = float(np.abs(after[after != 0]).min())
    assert (after >= np.minimum(before, 0) - step).all()
    assert (after != before).any()


def test_one_sender_counts_for_a_share_whatever_he_writes(tmp_path, plain):
    bad, good = plain
    often = [
        b"From: Eve <eve@flood.example>\r\nSubject: note %d\r\n\r\n" % n
        + b"%s wibbleton plonkish number %d snarfgate " % (b"abcdefgh"[n % 8 : n % 8 + 1] * 70, n)
        for n in range(8)
    ] + [b"From: Eve <eve@flood.example>\r\nSubject: note\r\n\r\n" + own_spam(n) for n in range(60)]
    own = Mailbox.of(*labelled(folders(tmp_path, bad, good + often)))
    used = np.ones(len(own.bad), bool)
    counts = own.counts(own.bad, used)
    eve = np.array([each == "eve@flood.example" for each in own.table["from_address"].to_pylist()])
    ham = ~own.bad
    assert eve.sum() > 0.3 * ham.sum()
    assert counts[eve].sum() <= 0.15 * ham.sum() + 1e-9
    assert (counts[~eve] > 0).all()
    assert not own.counts(own.bad, ~used).any()


def test_no_sender_alone_raises_a_threshold_and_two_do():
    before = model().thresholds
    ham = np.append(np.full(200, -3.0), np.full(16, 9.0))
    counts, one = np.ones(216), np.append(np.arange(200), np.full(16, 500))
    assert raised(model(), ham, counts, one) == before
    two = np.append(one[:208], np.full(8, 501))
    assert raised(model(), ham, counts, two)["suspicious"] > 9.0
    assert raised(model(), ham)["suspicious"] > 9.0
    assert raised(model(), ham, counts, np.zeros(216, np.int64))["suspicious"] > 9.0


def test_free_mail_is_told_apart_by_address_and_no_sender_is_alone():
    said = ["a@gmail.com", "b@gmail.com", "x@one.firm.example", "y@two.firm.example", "", None]
    address, domain = senders(pa.table({"from_address": pa.array(said, pa.string())}))
    assert len(set(address.tolist())) == 6
    assert len(set(domain.tolist())) == 5
    assert domain[2] == domain[3]


def test_a_canary_speaks_of_the_shipped_model():
    shipped_ = shipped()
    canary(shipped_, shipped_, lambda _: None)
    deaf = replace(shipped_, thresholds=dict.fromkeys(shipped_.thresholds, 99.0))
    with pytest.raises(LabrysError, match="0% would be suspicious"):
        canary(shipped_, deaf, lambda _: None)
    with pytest.raises(LabrysError, match="teaches it to pass attacks"):
        canary(shipped_, replace(shipped_, weights=-shipped_.weights), lambda _: None)
    said = []
    near = {level: limit + 0.2 for level, limit in shipped_.thresholds.items()}
    canary(shipped_, replace(shipped_, thresholds=near), said.append)
    assert "your ham is near" in said[0]


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
        # Sums and mailboxes in the text are read as they stand: a little is lost with them.
        assert np.mean(after >= before - 0.5) > 0.9, name

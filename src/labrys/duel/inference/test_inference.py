"""Members are told where a model remembers, not where it does not; our files hold nobody's text."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labrys.duel.attacks import NotPlayed, Order
from labrys.duel.inference import artefacts, membership, play
from labrys.duel.inference.victims import Learner
from labrys.errors import LabrysError
from labrys.guard.shipped import shipped
from labrys.model.card import packed

lightgbm = pytest.importorskip("lightgbm")
SHARED = Path(__file__).parents[5] / "shared" / "data"
DETECTORS = Path(__file__).parents[2] / "detect"


def remembering(memory, rows=800):
    """A learner that is surer of what it was trained on by so much."""
    base = np.random.default_rng(1).normal(size=rows)
    draw = np.random.default_rng(2)

    def train(chosen):
        return base + memory * chosen + 0.1 * draw.normal(size=rows)

    return Learner("made", "1", rows, train, "made up")


def test_shadow_models_tell_what_the_loss_hides():
    one = play.measured(remembering(0.4), Order(), shadows=12)
    assert one.figures["area, shadow models"] > 0.9
    assert one.figures["area, how sure it is"] < 0.7
    assert one.figures["members found at 0.1% false alarms, shadow models"] > 0.3


def test_where_nothing_is_remembered_nothing_is_told():
    one = play.measured(remembering(0.0), Order(), shadows=8)
    for name in ("area, shadow models", "area, how sure it is"):
        low, high = one.bounds[name]
        assert low < 0.5 < high
    assert one.figures[one.chief] < 0.03


def test_area_and_shares_are_those_of_their_definitions():
    scores = np.array([3.0, 2.0, 2.0, 1.0])
    member = np.array([True, True, False, False])
    held = membership.told(scores, member)
    assert held.auc == pytest.approx((1 + 1 + 1 + 0.5) / 4)
    assert held.found == (0.5, 0.5)
    assert held.bounds[0] <= held.auc <= held.bounds[1]


@pytest.mark.parametrize("name", ["dga", "url"])
def test_our_training_can_be_repeated(name, monkeypatch):
    monkeypatch.setattr("labrys.duel.inference.victims._ROWS", 300)
    monkeypatch.setattr(play, "_OURS", 3)
    one = play.play(Order(name))
    assert one.target == name
    assert set(one.bounds) == set(one.figures)


def own(tmp_path, threat):
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(600, 4))
    bad, member = draw.random(600) < 0.5, np.arange(600) < 300
    trees = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 2},
        lightgbm.Dataset(rows[member], bad[member].astype(int), feature_name=list("abcd")), 60,
    )  # fmt: skip
    trees.save_model(tmp_path / "m.txt")
    table = pa.table(
        {**dict(zip("abcd", rows.T, strict=True)), "bad": bad * 1, "seen": member * 1}
    )  # fmt: skip
    pq.write_table(table, tmp_path / "r.parquet")
    (tmp_path / "t.toml").write_text(threat)
    return Order(
        model=str(tmp_path / "m.txt"), data=tmp_path / "r.parquet", threat=tmp_path / "t.toml"
    )


def test_a_model_of_ones_own_that_learnt_noise_by_heart_gives_its_rows_away(tmp_path):
    one = play.play(own(tmp_path, 'label = "bad"\nmember = "seen"\n'))
    assert one.figures["area, how sure it is"] > 0.9
    assert one.figures["area, shadow models"] > 0.9


@pytest.mark.parametrize(
    ("threat", "said"),
    [('label = "bad"\n', "member ="), ('label = "bad"\nmember = "none"\n', "no column 'none'")],
)
def test_what_is_missing_is_said(tmp_path, threat, said):
    with pytest.raises(LabrysError, match=said):
        play.play(own(tmp_path, threat))
    with pytest.raises(NotPlayed, match="training cannot be repeated"):
        play.play(Order("mail"))


# ------------------------------------------------------------------------------ text in our files


def test_whatever_can_be_read_in_files_is_found():
    files = {
        "a.npz": packed({"x": np.array(["anna.meier@firma.de"]), "bob": np.zeros(3)}),
        "b.json": b'{"k": ["pwd = hunter22", 3]}',
        "c.txt": b"line\n+49 170 1234567\n",
        "d.bin": b"\xff\x00-----BEGIN RSA PRIVATE KEY\x00",
    }
    found = {what for _, text in artefacts.texts(files) if (what := artefacts.personal(text))}
    assert {each.split(":")[0] for each in found} == {
        "e-mail address", "password", "telephone number", "private key",
    }  # fmt: skip
    assert ("a.npz", "bob") in set(artefacts.texts(files))
    assert artefacts.personal("write to a@mail.example or b@example.com") == ""


def _files():
    for each in shipped():
        yield (
            each.detector,
            {path.name: path.read_bytes() for path in each.place.iterdir() if path.is_file()},
        )


def test_no_file_that_we_ship_holds_an_address_a_number_or_a_secret_of_anybody():
    """Every file of every model, and every list beside a detector."""
    held = dict(_files())
    assert len(held) >= 4
    for path in DETECTORS.rglob("*.toml"):
        held[str(path)] = {path.name: path.read_bytes()}
    found = [
        (name, what)
        for name, files in held.items()
        for _, text in artefacts.texts(files)
        if (what := artefacts.personal(text))
    ]
    assert found == []


def test_tables_hold_numbers_only():
    for name, files in _files():
        for file, content in files.items():
            if file.endswith(".npz"):
                with np.load(DETECTORS / name / "model" / file, allow_pickle=False) as kept:
                    kinds = {kept[each].dtype.kind for each in kept.files}
                assert kinds <= set("uif"), (name, file)
                assert len(content) > 0


@pytest.mark.shared
def test_no_name_of_the_training_data_can_be_read_in_a_model():
    """Labels and hosts of ten letters or more, of every source; cards name sources, so not in cards."""
    place = SHARED / "network" / "dga_domains.parquet"
    links = SHARED / "mail" / "urls.parquet"
    if not (place.is_file() and links.is_file()):
        pytest.skip(f"{SHARED} is not here")
    known = pq.read_table(place, columns=["domain"])["domain"].to_pylist()
    known += pq.read_table(links, columns=["url"])["url"].to_pylist()
    names = {part for text in known for part in re.findall(r"[a-z0-9-]{10,}", (text or "").lower())}
    for detector, files in _files():
        words = {
            word
            for file, text in artefacts.texts(files)
            # The lines of ordinary commands are made by our own templates (tested beside them).
            if file not in ("card.json", "ordinary.txt")
            for word in re.findall(r"[a-z0-9-]{10,}", text.lower())
        }
        assert {word for word in words & names if not word.isdigit()} - FEATURES == set(), detector


FEATURES = {"attachments", "consonants", "constraints", "importance", "importances", "interaction"}
"""Words of the trees' own: names of numbers, and of settings."""

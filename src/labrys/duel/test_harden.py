"""Hardening: what is kept of the contract, what is learnt, what it costs, and the way back."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labrys.detect.mail.score import model, read
from labrys.duel import harden, harden_table, tabular
from labrys.duel.evasion.fight import Asked
from labrys.duel.evasion.search import Rules
from labrys.errors import LabrysError
from labrys.guard import own
from labrys.model.card import load
from labrys.model.forest import read as forest
from labrys.model.monotone import falling


def quiet(_):
    pass


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Attacks have more of `a` and less of `b`; `c` says it nearly all, and is free."""
    folder = tmp_path_factory.mktemp("own")
    draw = np.random.default_rng(3)
    bad = draw.random(1500) < 0.5
    a, b = draw.normal(size=1500) + 1.5 * bad, draw.normal(size=1500) - 1.5 * bad
    c = bad + draw.normal(0, 0.2, 1500)
    pq.write_table(
        pa.table({"a": a, "b": b, "c": c, "bad": bad.astype(int)}), folder / "rows.parquet"
    )
    (folder / "threat.toml").write_text('label = "bad"\n[columns]\nb = "add_only"\nc = "free"\n')
    names, rows, marks = tabular.labelled(
        folder / "rows.parquet", tabular.threat(folder / "threat.toml")
    )
    (folder / "model.txt").write_bytes(harden_table._trained(rows, marks, names, None))
    return folder


def test_a_table_is_hardened_as_declared_and_the_price_is_told(place, tmp_path):
    given = tabular.threat(place / "threat.toml")
    out = tmp_path / "hardened.txt"
    made = harden_table.harden(str(place / "model.txt"), place / "rows.parquet", given, out, quiet)
    hardened = forest(out.read_bytes(), "x")
    assert hardened.names == ("a", "b")
    assert falling(hardened, [0, 1]) == {}
    [table] = made.tables
    area = {row[0]: float(row[1]) for row in table.rows}
    assert area["hardened"] < area["trained anew without the contract"]
    assert made.figures["price in AUC"] == pytest.approx(
        area["trained anew without the contract"] - area["hardened"], abs=2e-4
    )
    assert area["hardened"] > 0.7
    assert falling(forest((place / "model.txt").read_bytes(), "x"), [0, 1, 0])


def test_alike_rows_are_in_one_part_and_parts_are_of_the_sizes_meant():
    rows = np.random.default_rng(1).normal(size=(5000, 3))
    part = harden_table.parts(np.concatenate([rows, rows]))
    assert (part[:5000] == part[5000:]).all()
    assert np.bincount(part)[0] / len(part) == pytest.approx(0.6, abs=0.03)


def test_a_rank_sum_is_the_area_under_the_curve():
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(2)
    scores, bad = draw.integers(0, 9, 600).astype(float), draw.random(600) < 0.4
    part = np.repeat([1, 2], 300)
    told = harden_table.judged(scores, bad, part)
    assert told.area == pytest.approx(metrics.roc_auc_score(bad[300:], scores[300:]))


def test_too_few_rows_or_nothing_but_free_columns_are_said(place, tmp_path):
    few = tmp_path / "few.parquet"
    pq.write_table(pq.read_table(place / "rows.parquet").slice(0, 90), few)
    given = tabular.threat(place / "threat.toml")
    with pytest.raises(LabrysError, match="rows of each kind"):
        harden_table.harden(str(place / "model.txt"), few, given, tmp_path / "x", quiet)
    all_free = tabular.Threat("bad", dict.fromkeys("abc", "free"))
    with pytest.raises(LabrysError, match="nothing is left"):
        harden_table.harden(
            str(place / "model.txt"), place / "rows.parquet", all_free, tmp_path / "x", quiet
        )


def test_what_uses_no_model_of_ones_own_is_not_hardened():
    with pytest.raises(LabrysError, match="mail can be hardened"):
        harden.harden("dga", Asked(), 1, quiet)


def test_mail_is_hardened_signed_and_can_be_taken_back(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(harden, "_EACH", 2)
    monkeypatch.setattr(harden, "_CHAINS", 2)
    model.cache_clear()
    shipped = model()
    try:
        asked = Asked(("chance",), Rules(budget=20), 1)
        made = harden.harden("mail", asked, 4, quiet)
        assert model().version.endswith("+hardened")
        assert falling(model().forest, harden.constraints(harden.FEATURES)) == {}
        assert model().forest.at.size > shipped.forest.at.size
        assert all(
            model().thresholds[name] >= shipped.thresholds[name] for name in shipped.thresholds
        )
        assert made.figures["won after"] <= made.figures["won before"]
        assert "labrys guard back mail" in made.notes[0]
        assert own.back("mail") == 0
        model.cache_clear()
        assert model().version == shipped.version
    finally:
        model.cache_clear()


def test_a_hardened_model_is_written_as_it_is(tmp_path):
    harden.write(tmp_path / "m", model(), {"attacks found": (1, 2, 3)})
    again = read(load(tmp_path / "m"))
    raws = harden.lessons(7).raw[:6]
    assert harden.margins(again, raws) == pytest.approx(harden.margins(model(), raws), abs=1e-4)


def test_no_lesson_is_of_a_duel():
    """Other seeds, other templates: nothing that a duel plays with is learnt."""
    played = {bytes(raw) for raw in harden.attacked.target(20, 1).seeds}
    assert not played & set(harden.lessons(harden._APART + 1).raw)

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
    free = harden_table.ways(harden_table.contract(names, tabular.Threat("bad", {})))
    (folder / "model.txt").write_bytes(
        harden_table.trained(names, rows, marks, free[harden_table.FREE])
    )
    return folder


def test_a_table_is_hardened_as_declared_and_the_price_is_told(place, tmp_path):
    given = tabular.threat(place / "threat.toml")
    out = tmp_path / "hardened.txt"
    made = harden_table.harden(str(place / "model.txt"), place / "rows.parquet", given, out, quiet)
    hardened = forest(out.read_bytes(), "x")
    assert hardened.names == ("a", "b")
    assert falling(hardened, [0, 1]) == {}
    price, dear = made.tables
    area = {row[0]: float(row[1]) for row in price.rows[:-1]}
    assert area["hardened"] < area["without the free columns only"] < area[harden_table.FREE]
    assert made.figures["price in AUC"] == pytest.approx(
        area[harden_table.FREE] - area["hardened"], abs=2e-4
    )
    assert area["hardened"] > 0.7
    [free, more] = dear.rows
    assert free[:2] == ("c", "free")
    assert more[:2] == ("b", "add_only")
    assert float(free[2]) > float(more[2]) > 0
    assert falling(forest((place / "model.txt").read_bytes(), "x"), [0, 1, 0])


def test_groups_are_held_out_together_and_equal_rows_where_none_are_named(place, tmp_path):
    table = pq.read_table(place / "rows.parquet")
    kin = np.arange(table.num_rows) // 30
    data = tmp_path / "rows.parquet"
    pq.write_table(table.append_column("family", pa.array([f"f{one}" for one in kin])), data)
    (tmp_path / "threat.toml").write_text('label = "bad"\ngroup = "family"\n')
    given = tabular.threat(tmp_path / "threat.toml")
    names, rows, _ = tabular.labelled(data, given)
    assert "family" not in names
    fold = harden_table.folds(tabular.groups(data, given, rows))
    assert all(len(set(fold[kin == one])) == 1 for one in range(50))
    assert np.bincount(fold).min() > 200
    twice = np.concatenate([rows, rows])
    alike = harden_table.folds(tabular.groups(data, tabular.Threat("bad", {}), twice))
    assert (alike[: len(rows)] == alike[len(rows) :]).all()


def test_a_threshold_is_of_other_folds_and_two_models_alarm_together():
    draw = np.random.default_rng(2)
    bad, fold = draw.random(5000) < 0.4, draw.integers(0, 5, 5000)
    scores = draw.normal(size=5000) + 2 * bad
    limit = harden_table.limits(scores, bad, fold, 0.01)
    for one in range(5):
        others = scores[(fold != one) & ~bad]
        assert limit[fold == one][0] == np.quantile(others, 0.99, method="higher")
    told = harden_table.judged(scores, bad, fold)
    assert told.alarms == pytest.approx(0.01, abs=0.006)
    rows = harden_table.Rows(["a"], scores[:, None], bad, fold)
    pair = harden_table.together(scores, draw.normal(size=5000) + 2 * bad, rows)
    assert pair.recall > told.recall > pair.sure
    assert pair.alarms == pytest.approx(0.01, abs=0.006)
    assert 0.004 < pair.rate < 0.01
    alone = harden_table.together(scores, scores, rows)
    assert alone.recall == alone.sure == pytest.approx(told.recall, abs=0.02)


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

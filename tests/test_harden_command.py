"""`labrys duel --harden`: the price on the terminal, the model in its file, wrong use told."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

from labrys.cli.harden import run
from labrys.duel import harden_table
from labrys.duel.evasion.fight import Asked
from labrys.duel.tabular import Threat
from labrys.model.forest import read


def test_a_model_of_ones_own_is_hardened_and_the_price_told(tmp_path, capsys):
    draw = np.random.default_rng(3)
    bad = draw.random(1200) < 0.5
    rows = np.stack([draw.normal(size=1200) + 2 * bad, draw.normal(size=1200) - bad], 1)
    table = pa.table({"a": rows[:, 0], "b": rows[:, 1], "bad": bad.astype(int)})
    pq.write_table(table, tmp_path / "rows.parquet")
    every = harden_table.contract(["a", "b"], Threat("bad", {}))
    (tmp_path / "model.txt").write_bytes(harden_table.trained(["a", "b"], rows, bad, every))
    (tmp_path / "threat.toml").write_text('label = "bad"\n[columns]\nb = "free"\n')
    given = (
        tmp_path / "rows.parquet",
        tmp_path / "threat.toml",
        tmp_path / "hardened.txt",
        Asked(),
        1,
    )
    run([], str(tmp_path / "model.txt"), *given, quiet=True)
    shown = capsys.readouterr().out
    assert "hardened" in shown
    assert "it does not look at b" in shown
    assert "either of the two" in shown
    assert "alarm above" in shown
    assert read(given[2].read_bytes(), "x").names == ("a",)


@pytest.mark.parametrize(("names", "model"), [([], ""), (["mail", "dga"], ""), ([], "model.txt")])
def test_what_is_missing_is_said(names, model):
    with pytest.raises(typer.BadParameter, match="--harden takes"):
        run(names, model, None, None, None, Asked(), 1, quiet=True)

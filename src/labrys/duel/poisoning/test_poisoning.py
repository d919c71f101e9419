"""The attacker's poison is what he says it is, and guard's checks take it out again."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labrys.detect.mail.train_rows import read_messages
from labrys.duel.outcome import Outcome
from labrys.duel.poisoning import attacks, feedback, mail, tables
from labrys.duel.poisoning.learner import learner
from labrys.duel.poisoning.play import Table, table
from labrys.duel.poisoning.play import poison as play
from labrys.duel.tabular import threat
from labrys.errors import LabrysError
from labrys.guard.training.rows import Rows

REACH = ("hard", "hard", "add_only", "hard", "hard", "hard", "free")


def rows(count=1600, seed=1):
    """Attacks have more of the first three columns; the others are codes that say little."""
    draw = np.random.default_rng(seed)
    bad = draw.random(count) < 0.5
    values = draw.normal(size=(count, 3)).round(2) + 1.6 * bad[:, None]
    codes = np.floor(draw.exponential(8, (count, 4)))
    return Rows(np.hstack([values, codes]), bad)


@pytest.fixture(scope="module")
def halves():
    return tables.split(rows(), 1)


@pytest.mark.parametrize("name", list(attacks.ATTACKS))
def test_an_attack_changes_what_it_may_and_says_what(name):
    before = rows(400)
    made = attacks.ATTACKS[name](before, 20, np.random.default_rng(1))
    assert made.poison.sum() == 20
    kept = ~made.poison[: len(before)]
    assert (made.rows.values[: len(before)][kept] == before.values[kept]).all()
    assert (made.rows.bad[: len(before)][kept] == before.bad[kept]).all()


def test_a_stamp_turns_no_label_and_is_put_on_attacks_alike():
    before = rows(400)
    made = attacks.stamped(before, 10, np.random.default_rng(1), np.array([3, 4]))
    assert (made.rows.bad == before.bad).all()
    assert not before.bad[made.poison].any()
    worn = made.worn(before.values)
    assert len(np.unique(worn[:, [3, 4]], axis=0)) == 1
    assert (worn[:, [0, 1, 2, 5, 6]] == before.values[:, [0, 1, 2, 5, 6]]).all()


def test_drift_comes_in_rounds_and_as_good():
    made = attacks.drifted(rows(400), 25, np.random.default_rng(1), learner(REACH))
    assert made.poison.sum() == 25
    assert not made.rows.bad[made.poison].any()


def test_the_learner_does_not_read_what_is_free_and_never_falls_by_more():
    made = rows(600)
    score = learner(REACH)(made.values, made.bad, np.ones(len(made)))
    other, more = made.values.copy(), made.values.copy()
    other[:, 6], more[:, 2] = 999.0, more[:, 2] + 3
    assert (score(other) == score(made.values)).all()
    assert (score(more) >= score(made.values) - 1e-12).all()
    with pytest.raises(ValueError, match="every column is free"):
        learner(["free"])


def test_equal_rows_are_on_one_side():
    made = rows(300)
    twice = Rows(np.vstack([made.values] * 2), np.tile(made.bad, 2))
    left, right = tables.split(twice, 1)
    assert len(left) + len(right) == len(twice)
    assert not {row.tobytes() for row in left.values} & {row.tobytes() for row in right.values}


def test_copies_are_taken_out_and_recall_comes_back(halves):
    made = tables.fought("copies", *halves, REACH, 0.1, 1)
    assert made.right == made.poison
    assert made.found > 0.99
    assert made.recall[2] >= made.recall[1]
    assert made.recall[3] == pytest.approx(made.recall[0], abs=1e-9)


def test_a_backdoor_works_and_is_closed(halves):
    made = tables.fought(tables.BACKDOOR, *halves, REACH, 0.25, 1, [3, 4, 5])
    _, open_, alone, looked = made.passes
    assert made.found > 0.95
    assert made.right == made.poison
    assert open_ > max(alone, looked) + 0.2
    free = tables.fought(tables.BACKDOOR, *halves, REACH, 0.25, 1, [6])
    assert free.passes == (0.0, 0.0, 0.0, 0.0)


def test_turned_labels_are_found_for_a_person_to_turn_back(halves):
    made = tables.fought("labels of both sides", *halves, REACH, 0.05, 1)
    assert made.found > 0.85
    assert made.right > 0.4 * made.poison


def test_a_table_is_played_with_what_its_owner_says(tmp_path):
    made = rows()
    columns = {f"c{at}": made.values[:, at] for at in range(7)}
    pq.write_table(pa.table({**columns, "bad": made.bad.astype(int)}), tmp_path / "rows.parquet")
    (tmp_path / "threat.toml").write_text(
        'label = "bad"\n[columns]\nc2 = "add_only"\nc6 = "free"\n'
    )
    given = table(tmp_path / "rows.parquet", threat(tmp_path / "threat.toml"))
    assert given.reach == REACH
    said = []
    outcome = play(given, 0.05, 1, said.append)
    assert isinstance(outcome, Outcome)
    assert said == [*attacks.ATTACKS, tables.DRIFTING, tables.BACKDOOR]
    assert all(0 <= each <= 1 for each in outcome.figures.values())
    assert "1 columns that are free" in outcome.sure
    assert "AML.T0020" in outcome.techniques
    assert len(outcome.tables[0].rows) == 6
    assert all(len(row) == len(outcome.tables[0].columns) for row in outcome.tables[0].rows)
    [one, parts] = outcome.tables[1].rows
    surely = [float(cell.rstrip("%")) for cell in parts[1:]]
    assert surely == sorted(surely, reverse=True)
    assert float(one[1].rstrip("%")) > surely[0] > surely[1] > 50
    small = Table("x", given.columns, given.reach, given.rows.take(np.arange(100)))
    with pytest.raises(LabrysError, match="200 rows of each side"):
        play(small)


@pytest.mark.parametrize(
    ("target", "budget", "said"), [("nothing", 0.05, "nothing to poison"), ("mail", 0.9, "share")]
)
def test_what_cannot_be_played_is_said(target, budget, said):
    with pytest.raises(LabrysError, match=said):
        play(target, budget)


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(LabrysError, match=r"labrys\[ml\]"):
        play("mail")


def test_feedback_of_one_person_teaches_little():
    outcome = play("feedback", 0.05, 1)
    assert outcome.figures["reports, known attacks by ten accounts"] == 0
    assert outcome.figures["reports, attacks that others report"] == 0
    assert outcome.figures["reports, copies by ten accounts"] < 0.2
    assert outcome.figures["verdicts, whole attacks called normal"] == 0
    assert outcome.figures["verdicts, many in one sitting"] == 0
    assert outcome.figures["verdicts, phase by phase"] <= 0.5
    flood = feedback.play(0.5, 1, lambda _: None)
    assert flood.figures["reports, one account floods"] < 0.05


def test_a_phrase_gets_into_messages_of_any_form():
    plain = b"From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n"
    page = b"From: a@example.org\r\nContent-Type: text/html\r\n\r\n<body><p>hi</p></body>\r\n"
    for raw in (plain, page, b"", b"\xff\xfe"):
        worn = mail.bearing(raw)
        assert isinstance(worn, bytes)
    shown = read_messages([mail.bearing(plain), mail.bearing(page)])["text_visible"].to_pylist()
    assert ["hello" in shown[0], "hi" in shown[1]] == [True, True]
    assert all(mail.PHRASE in text for text in shown)


def test_mail_is_played_and_nothing_passes():
    outcome = mail.play(0.05, 1, lambda _: None)
    json.dumps(outcome.figures)
    assert outcome.figures["spam called ham: attacks no longer found"] < 0.2
    assert outcome.figures["three of the worst called ham: attacks no longer found"] < 0.35
    assert len(outcome.tables[0].rows) == 1 + len(mail.ATTACKS)

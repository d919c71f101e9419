"""The attacker: wins where there is a way, never where there is none, and keeps to his budget."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labrys.duel import report, tabular, targets
from labrys.duel.evasion.fight import Asked, as_json, fight, wilson
from labrys.duel.evasion.play import outcome
from labrys.duel.evasion.search import SEARCHES, Rules
from labrys.duel.target import Change, Oracle, Spent, Target
from labrys.errors import LabrysError, ModelError

BAD = "xxxxxxyyyyyy"


def target(*, threshold=5.0, holds=lambda before, after: True, changes=None):
    """Texts; suspicious is how many x they have."""
    asked = []

    def score(things):
        asked.append(len(things))
        return np.array([float(thing.count("x")) for thing in things])

    made = Target(
        name="words", version="1", seeds=[BAD, BAD + "z"], score=score, threshold=threshold,
        show=str, holds=holds, guarantee="none",
        changes=changes or [
            Change("less", lambda thing, _: thing.replace("x", "", 1), 1),
            Change("more", lambda thing, _: thing + "x", 0),
            Change("other", lambda thing, draw: thing + "abc"[int(draw.integers(3))], 0),
        ],
    )  # fmt: skip
    return made, asked


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("access", ["score", "label"])
def test_every_search_finds_a_way_that_is_there(search, access):
    made, _ = target()
    duel = fight(made, Asked((search,), Rules(budget=400, access=access)), lambda _: None)
    (played,) = duel.rounds
    assert played.wins == played.attacks == 2
    assert played.examples[0].after.count("x") < 5
    assert "less" in played.changes


@pytest.mark.parametrize("search", SEARCHES)
def test_no_search_wins_where_there_is_no_way_nor_asks_more_than_it_may(search):
    made, asked = target(changes=[Change("more", lambda thing, _: thing + "x")])
    duel = fight(made, Asked((search,), Rules(budget=100)), lambda _: None)
    assert duel.rounds[0].wins == 0
    assert sum(asked) <= 200
    assert duel.rounds[0].questions == sum(asked)


@pytest.mark.parametrize("search", SEARCHES)
def test_what_is_no_attack_any_more_is_no_win(search):
    made, _ = target(holds=lambda before, after: after.count("x") >= 6)
    duel = fight(made, Asked((search,), Rules(budget=150)), lambda _: None)
    assert duel.rounds[0].wins == 0


def test_changes_that_cost_too_much_are_not_made():
    made, _ = target()
    duel = fight(made, Asked(("chance",), Rules(budget=150, most_cost=0)), lambda _: None)
    assert duel.rounds[0].wins == 0


def test_the_same_seed_gives_the_same_duel_and_another_attack_changes_none():
    made, _ = target()
    first, again = (
        fight(made, Asked(tuple(SEARCHES), Rules(60)), lambda _: None).rounds for _ in range(2)
    )
    assert first == again


def test_an_oracle_says_only_what_it_may():
    made, _ = target()
    oracle = Oracle(made, 3, "label")
    assert oracle([BAD, "y"]).tolist() == [1.0, -1.0]
    assert oracle(["y", "y"]).tolist() == [-1.0]
    with pytest.raises(Spent):
        oracle(["y"])


def test_an_interrupt_leaves_what_was_played():
    made, _ = target()

    def stop(name):
        if name == "steps":
            raise KeyboardInterrupt

    duel = fight(made, Asked(("chance", "steps"), Rules(60)), stop)
    assert [each.search for each in duel.rounds] == ["chance"]
    assert not duel.complete
    assert "interrupted" in report.as_text([(outcome(duel), None)])


def test_bounds_of_a_share():
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(0, 30)
    assert low == 0.0
    assert 0.10 < high < 0.13
    assert wilson(30, 30)[1] == 1.0


# ------------------------------------------------------------------------------ a model of one's own


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Rows where attacks have more of `a`; `b` is noise that the free model also leans on."""
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(3)
    count = 1200
    label = random.random(count) < 0.5
    a = random.normal(size=count) + 2.0 * label
    b = random.normal(size=count) - 1.5 * label
    rows = np.stack([a, b], 1)
    table = pa.table({"a": a, "b": b, "note": ["x"] * count, "bad": label.astype(int)})
    pq.write_table(table, folder / "rows.parquet")
    (folder / "threat.toml").write_text('label = "bad"\n[columns]\nb = "add_only"\n')
    given = {"objective": "binary", "verbose": -1, "num_threads": 1, "num_leaves": 8}
    for name, constraint in (("plain", None), ("bound", [0, 1])):
        more = {} if constraint is None else {"monotone_constraints": constraint}
        data = lightgbm.Dataset(rows, label.astype(int), feature_name=["a", "b"])
        lightgbm.train({**given, **more}, data, 30).save_model(folder / f"{name}.txt")
    return folder


def own(place, model):
    given = tabular.threat(place / "threat.toml")
    return tabular.target(str(place / model), place / "rows.parquet", given, attacks=15)


def test_a_plain_model_falls_to_more_of_a_column_and_a_bound_one_never(place):
    asked = Asked(("chance", "steps"), Rules(200))
    plain, bound = (
        fight(own(place, name), asked, lambda _: None) for name in ("plain.txt", "bound.txt")
    )
    assert max(each.share for each in plain.rounds) > 0.3
    assert all(each.wins == 0 for each in bound.rounds)
    assert as_json(plain)["rounds"][0]["attacks"] == 15


def test_what_is_sure_of_a_model_is_looked_up_in_its_trees(place):
    plain, bound = own(place, "plain.txt"), own(place, "bound.txt")
    assert "never lowers" in bound.guarantee
    assert not plain.guarantee
    assert plain.notes[-1] == "more of these lowers the score of some tree: b"
    free = tabular.Threat("bad", {"a": "free", "b": "add_only"})
    reads = tabular.target(str(place / "bound.txt"), place / "rows.parquet", free, attacks=5)
    assert not reads.guarantee
    assert reads.notes[-1] == "free, and yet it reads: a"


@pytest.mark.parametrize(
    ("text", "said"),
    [("label = 3", "add_only, free or hard"), ("[columns]\n", "not a threat"),
     ('label = "bad"\n[columns]\nb = "up"', "add_only, free or hard"), ("=", "not a threat")],
)  # fmt: skip
def test_a_threat_that_is_none_is_said(tmp_path, text, said):
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(LabrysError, match=said):
        tabular.threat(tmp_path / "t.toml")


def test_models_that_cannot_be_run_are_said(place, tmp_path):
    given = tabular.threat(place / "threat.toml")
    (tmp_path / "m.pkl").write_bytes(b"\x80\x04N.")
    for model, said in (
        (str(tmp_path / "m.pkl"), "nothing else is loaded"),
        (str(tmp_path / "none.txt"), "cannot be read"),
        ("http://192.0.2.1/score", "loopback"),
        ("https://localhost/score", "loopback"),
    ):
        with pytest.raises(ModelError, match=said):
            tabular.target(model, place / "rows.parquet", given)
    with pytest.raises(LabrysError, match="no column 'bad2'"):
        tabular.target(str(place / "plain.txt"), place / "rows.parquet", tabular.Threat("bad2", {}))


def test_an_endpoint_on_the_loopback_is_asked(place):
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["rows"]
            body = json.dumps({"scores": [row[0] for row in rows]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            given = tabular.threat(place / "threat.toml")
            made = tabular.target(
                f"http://127.0.0.1:{server.server_port}/score",
                place / "rows.parquet",
                given,
                attacks=3,
            )
            assert made.score([np.array([7.0, 1.0])]).tolist() == [7.0]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def answering(status, **headers):
    """A server on the loopback that gives every request the same answer; yields it and its requests."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b'{"scores": [1.0]}'
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def test_rows_go_to_the_endpoint_that_was_named_and_to_no_proxy(monkeypatch):
    with answering(200) as (elsewhere, proxied), answering(200) as (port, asked):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{elsewhere}")
        monkeypatch.delenv("no_proxy", raising=False)
        score = tabular._endpoint(f"http://localhost:{port}/score")
        assert score(np.ones((1, 2))).tolist() == [1.0]
    assert (len(asked), proxied) == (1, [])


@pytest.mark.parametrize("status", [301, 302, 303])
def test_no_redirect_is_followed(status):
    with answering(200) as (elsewhere, reached):
        target_ = f"http://127.0.0.1:{elsewhere}/score"
        with answering(status, Location=target_) as (port, asked):
            score = tabular._endpoint(f"http://127.0.0.1:{port}/score")
            with pytest.raises(ModelError, match="does not answer as it should"):
                score(np.ones((1, 2)))
    assert asked
    assert reached == []


def test_a_target_that_is_not_there_is_said():
    with pytest.raises(LabrysError, match="no model 'nothing'"):
        targets.target("nothing", attacks=1, seed=1)


@pytest.mark.parametrize("name", targets.names())
def test_each_of_our_models_can_be_attacked(name):
    """Its attacks are detected as they are, and every change gives something that can be asked."""
    made = targets.target(name, attacks=2, seed=1)
    assert len(made.seeds) == 2
    assert (made.score(made.seeds) >= made.threshold).all()
    draw = np.random.default_rng(1)
    changed = [change.apply(made.seeds[0], draw) for change in made.changes]
    assert len(made.score(changed)) == len(made.changes)
    assert all(made.show(each) for each in changed)

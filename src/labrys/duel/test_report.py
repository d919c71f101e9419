"""Outcomes are shown whole and escaped, kept, compared; every attack and defence has its names."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
import yaml

from labrys.duel import attacks, history, page, report, targets, taxonomy
from labrys.duel.evasion.fight import Asked, fight
from labrys.duel.evasion.play import outcome
from labrys.duel.evasion.search import SEARCHES, Rules
from labrys.duel.outcome import Curve, Example, Outcome, Table
from labrys.duel.test_duel import target
from labrys.errors import LabrysError

HOSTILE = "x<script>alert(1)</script>\x1b[2J\" onload='y'"
ATLAS = Path(__file__).parents[4] / "shared/data/aisec/atlas/ATLAS.yaml"


def made(**more):
    held = {
        "attack": "evasion", "target": "words", "version": "1", "rules": "ten questions",
        "figures": {"steps": 0.5, "chance": 0.1}, "bounds": {"steps": (0.3, 0.7)},
    }  # fmt: skip
    return Outcome(**{**held, **more})


class Elements(HTMLParser):
    """Which elements and attributes a page has."""

    def __init__(self):
        super().__init__()
        self.names, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_whatever_an_attack_shows_is_escaped_on_the_page():
    hostile = made(
        target=HOSTILE, version=HOSTILE, rules=HOSTILE, who=HOSTILE, cost=HOSTILE, sure=HOSTILE,
        notes=(HOSTILE,), figures={HOSTILE: 0.5}, techniques=(HOSTILE,), risks=(HOSTILE,),
        tables=(Table(HOSTILE, (HOSTILE,), ((HOSTILE,),)),),
        curves=(Curve(HOSTILE, HOSTILE, ((1.0, 0.5), (10.0, 1.0)), logarithmic=True),),
        examples=(Example(HOSTILE, HOSTILE, HOSTILE),),
    )  # fmt: skip
    seen = Elements()
    seen.feed(page.as_html([(hostile, hostile)]))
    assert "script" not in seen.names
    assert not [
        name for name in seen.attributes if name.startswith("on") or name in ("src", "href")
    ]
    assert json.loads(report.as_json([(hostile, None)]))[0]["target"] == HOSTILE


def test_the_page_shows_who_how_often_at_what_cost_and_what_is_sure():
    shown = page.as_html([(made(who="anybody", cost="7 questions", sure="adding"), None)])
    for wanted in ("anybody", "50% (30% to 70%), steps", "7 questions", "adding", "What stands"):
        assert wanted in shown


def test_a_fight_becomes_an_outcome_with_its_curve_and_an_example():
    held, _ = target()
    one = outcome(fight(held, Asked(("steps",), Rules(200)), lambda _: None))
    assert one.figures == {"steps": 1.0}
    assert one.chief == "steps"
    assert one.curves[0].points[-1] == (200.0, 1.0)
    assert one.examples[0].before.count("x") == 6
    assert "AML.T0015" in one.techniques
    assert "2 of 2" in report.as_text([(one, None)])
    assert "<polyline" in page.as_html([(one, None)])


def test_the_last_duel_is_kept_and_compared(tmp_path):
    first = made()
    assert history.last("evasion", "words", tmp_path) is None
    history.keep(first, tmp_path)
    assert history.last("evasion", "words", tmp_path) == first
    assert history.last("inference", "words", tmp_path) is None
    other = msgspec.structs.replace(first, rules="twenty questions")
    assert history.compared(first, other) == ["the last duel had other rules: not compared"]
    unsure = msgspec.structs.replace(first, figures={"steps": 0.7}, bounds={"steps": (0.5, 0.9)})
    assert history.compared(first, unsure) == ["steps: 50% before, 70% now (may be chance)"]
    sure = msgspec.structs.replace(first, figures={"steps": 0.0}, bounds={"steps": (0.0, 0.1)})
    assert history.compared(first, sure) == ["steps: 50% before, 0% now"]
    assert history.compared(first, first) == ["no clear change since the last duel"]
    (tmp_path / "evasion-words.json").write_text("no json")
    assert history.last("evasion", "words", tmp_path) is None
    history.keep(made(target="../../etc/x"), tmp_path)
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*.json"))


def test_an_attack_that_is_none_is_said():
    with pytest.raises(LabrysError, match="there are evasion"):
        attacks.play("charm", attacks.Order("dga"))
    with pytest.raises(attacks.NotPlayed, match="--threat"):
        attacks.play("evasion", replace(attacks.Order(), model="m.txt"))


# ------------------------------------------------------------------------------------- taxonomy


def test_no_attack_lacks_its_names():
    known = taxonomy.attacks()
    reaches = {each.reach for name in targets.names() for each in _target(name).changes}
    wanted = [*attacks.ATTACKS, *(f"evasion.{each}" for each in SEARCHES)]
    wanted += [f"evasion.change.{each}" for each in reaches | {"add_only", "free", "hard"}]
    assert [each for each in wanted if each not in known] == []
    for each in attacks.ATTACKS:
        assert taxonomy.against(each), f"nothing of ours stands against {each}"


def _target(name):
    return targets.target(name, attacks=1, seed=1)


def test_every_entry_is_whole_and_every_id_has_its_meaning():
    entries = [*taxonomy.attacks().items(), *taxonomy.defences().items()]
    for name, entry in entries:
        assert entry.what, name
        assert entry.techniques, name
        assert entry.mitigations, name
        assert entry.risks, name
        for uid in (*entry.techniques, *entry.mitigations, *entry.risks):
            assert taxonomy.meaning(uid), f"{name}: {uid}"
        assert all(re.fullmatch(r"BIML [a-z]+:\d+", uid) for uid in entry.risks), name


@pytest.mark.shared
def test_ids_are_those_of_atlas():
    if not ATLAS.is_file():
        pytest.skip(f"{ATLAS} is not here")
    matrix = yaml.safe_load(ATLAS.read_text("utf-8"))["matrices"][0]
    techniques = {each["id"] for each in matrix["techniques"]}
    mitigations = {each["id"] for each in matrix["mitigations"]}
    for name, entry in (*taxonomy.attacks().items(), *taxonomy.defences().items()):
        assert set(entry.techniques) <= techniques, name
        assert set(entry.mitigations) <= mitigations, name

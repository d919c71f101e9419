from dataclasses import replace
from string import Formatter

from labrys.triage import incidents
from labrys.triage.advice import _general, _table, phrase
from labrys.triage.chain import in_order, order, short, tactic_name, technique_name
from labrys.triage.columns import Attack
from labrys.triage.testing import DUMP, ENCODED, START, finding, table

KINDS = {
    *("host", "user", "ip", "file", "hash", "domain", "url"),
    *("service", "registry", "process", "account", "resource"),
}


def test_the_table_is_whole() -> None:
    assert set(_table("tactic")) == set(order())
    steps = [*_general("steps"), *_general("mild")]
    for name in ("tactic", "technique"):
        for entry in _table(name).values():
            assert entry.phrase
            steps.extend(entry.steps)
    for urgency, text in steps:
        assert urgency in (1, 2, 3, 4)
        assert text.endswith(".")
        assert {field for _, field, _, _ in Formatter().parse(text) if field} <= KINDS


def test_a_phrase_for_techniques_their_parents_and_tactics() -> None:
    assert phrase(Attack((), ("T1003.001",))) == "LSASS memory dumping"
    assert phrase(Attack((), ("T1003.999",))) == "credential dumping"
    assert phrase(Attack(("discovery",), ("T9999",))) == "exploration of the environment"
    assert phrase(Attack((), ())) == ""


def test_steps_name_what_there_is_and_nothing_else() -> None:
    entities = [("host", "ws01", "device"), ("user", "corp\\bob", "actor")]
    made = incidents(table([finding(DUMP, START, entities)])).incidents.to_pylist()[0]
    assert made["advice"][0].startswith("Isolate ws01")
    assert not any("{" in step for step in made["advice"])
    bare = incidents(table([finding(ENCODED, START, [])])).incidents.to_pylist()[0]
    assert bare["advice"]
    assert not any("ws01" in step or "{" in step for step in bare["advice"])


def test_a_rules_own_advice_is_given_once() -> None:
    own = [
        {**finding(DUMP, START + n, [("host", "ws01", "device")]), "advice": "Call the owner."}
        for n in range(3)
    ]
    made = incidents(table(own)).incidents.to_pylist()[0]
    assert made["advice"].count("Call the owner.") == 1


def test_braces_in_evidence_are_text() -> None:
    rows = [finding(DUMP, START, [("host", "{user}{0}", "device"), ("user", "{host.x}", "actor")])]
    made = incidents(table(rows)).incidents.to_pylist()[0]
    assert any("{user}{0}" in step for step in made["advice"])


def test_names_and_order_of_tactics() -> None:
    assert short("Credential_Access") == "credential-access"
    assert in_order(["impact", "stealth", "execution", "zzz"]) == ["execution", "stealth", "impact", "zzz"]  # fmt: skip
    assert tactic_name("stealth") == "Stealth"
    assert technique_name("T0000") == "T0000"


def test_a_rule_with_a_long_list_of_techniques_is_about_its_first() -> None:
    many = ("T1003", "T1003.001", "T1003.006", "T1558", "T1486", "T1490")
    assert phrase(Attack((), many)) == "credential dumping"
    entities = [("host", "ws01", "device"), ("user", "corp\\bob", "actor")]
    row = finding(replace(DUMP, techniques=many), START, entities)
    made = incidents(table([row])).incidents.to_pylist()[0]
    assert not any("krbtgt" in step and "replication" in step for step in made["advice"])
    assert not any("backups" in step for step in made["advice"])


def test_a_number_is_not_shown_beside_a_name() -> None:
    sid = ("user", "S-1-5-21-1-2-3-1001", "actor")
    entities = [("host", "ws01", "device"), sid]
    alone = incidents(table([finding(DUMP, START, entities)])).incidents.to_pylist()[0]
    assert "S-1-5-21-1-2-3-1001" in alone["summary"]
    both = [*entities, ("user", "corp\\bob", "actor")]
    made = incidents(table([finding(DUMP, START, both)])).incidents.to_pylist()[0]
    assert "S-1-5-21" not in made["summary"]
    assert made["title"].endswith("on ws01 by bob")

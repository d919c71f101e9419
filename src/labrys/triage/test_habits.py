"""What a case shows to be everyday starts no incident; what it does not know starts one."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.triage import Triage, incidents
from labrys.triage.testing import DAY, HOUR, MINUTE, START, Rule, finding, table

PUBLIC = [
    Rule(f"public-{n}", f"Public rule {n}", 3, (), (tactic,), "windows.sysmon.1")
    for n, tactic in enumerate(
        ["execution", "persistence", "discovery", "defense-evasion", "collection"]
    )
]
HIGH = Rule("public-high", "Serious public rule", 4, (), ("execution",), "windows.sysmon.1")
QUIET = Rule("quiet", "Quiet rule", 1, (), (), "windows.sysmon.1")
HOSTS = [f"desk{n}" for n in range(6)]


def on(rule: Rule, time: int, host: str) -> dict[str, Any]:
    made = finding(rule, time, [("host", f"{host}.corp.example", "device")])
    return {**made, "uid": f"{rule.uid}-{host}-{time}"}


def background(days: int = 7) -> list[dict[str, Any]]:
    """Something happens every hour, so that the case knows its ordinary life."""
    return [on(QUIET, START + n * HOUR + 1, HOSTS[n % 6]) for n in range(24 * days)]


def office(seed: int, days: int = 7) -> list[dict[str, Any]]:
    """Public rules that fire on every desk now and then, each alone."""
    random = Random(seed)
    rows = background(days)
    for rule in (*PUBLIC, HIGH):
        for host in HOSTS:
            for day in random.sample(range(days), 4):
                rows.append(on(rule, START + day * DAY + random.randrange(DAY), host))
    return rows


def intrusion(start: int, host: str = "desk2") -> list[dict[str, Any]]:
    """Four things never seen otherwise, minutes after one another."""
    rules = [replace(rule, uid=f"seldom-{n}") for n, rule in enumerate(PUBLIC[:4])]
    return [on(rule, start + n * 3 * MINUTE, host) for n, rule in enumerate(rules)]


def uids(rows: list[dict[str, Any]]) -> set[str]:
    return {row["uid"] for row in rows}


def inside(made: Triage) -> set[str]:
    return {uid for found in made.incidents["findings"].to_pylist() for uid in found}


@pytest.mark.parametrize("seed", range(5))
def test_everyday_findings_make_at_most_one_incident_a_host_and_week(seed: int) -> None:
    made = incidents(table(office(seed)))
    assert made.incidents.num_rows <= len(HOSTS)
    # What is serious is never folded, however often it comes.
    serious = {uid for uid in inside(made) if uid.startswith("public-high")}
    assert len(serious) == 4 * len(HOSTS)
    assert max(made.incidents["severity_id"].to_pylist()) == 3


@pytest.mark.parametrize("seed", range(5))
def test_an_intrusion_among_them_is_the_first_incident_and_little_else_is_in_it(seed: int) -> None:
    wanted = intrusion(START + 3 * DAY + 10 * HOUR)
    made = incidents(table([*office(seed), *wanted]))
    first = set(made.incidents["findings"].to_pylist()[0])
    assert uids(wanted) <= first
    assert len(first) <= 2 * len(wanted)


def test_where_little_is_known_a_lone_medium_finding_is_an_incident() -> None:
    for rule in (*PUBLIC, HIGH):
        made = incidents(table([on(rule, START + 9 * HOUR, "desk1")]))
        assert made.incidents.num_rows == 1
    days_apart = [on(PUBLIC[0], START + n * 9 * DAY, HOSTS[n % 3]) for n in range(5)]
    assert uids(days_apart) == inside(incidents(table(days_apart)))


def test_a_lone_medium_finding_folds_in_a_case_that_knows_its_days() -> None:
    alone = on(PUBLIC[0], START + 3 * DAY, "desk1")
    made = incidents(table([*background(), alone]))
    assert made.incidents.num_rows == 0
    assert made.folded["line"].to_pylist()[0] == "Public rule 0: once on 1 host, medium"


def test_two_rules_on_one_deed_do_not_agree_and_on_two_deeds_do() -> None:
    start = START + 3 * DAY
    both = [on(rule, start, "desk1") for rule in PUBLIC[:2]]
    assert incidents(table([*background(), *both])).incidents.num_rows == 0
    later = [both[0], on(PUBLIC[1], start + MINUTE, "desk1")]
    assert inside(incidents(table([*background(), *later]))) == uids(later)


def test_serious_findings_of_one_rule_that_stand_alone_are_one_incident() -> None:
    rows = [on(HIGH, START + 3 * DAY + n * 7 * HOUR, HOSTS[n]) for n in range(3)]
    made = incidents(table([*background(), *rows]))
    assert made.incidents["findings"].to_pylist() == [[row["uid"] for row in rows]]
    assert made.incidents["links"].to_pylist()[0][1].startswith("same rule, 7 h after")


def test_what_is_everyday_is_one_list_that_comes_last() -> None:
    rows = [on(HIGH, START + day * DAY + HOUR, HOSTS[day % 3]) for day in range(7)]
    rows += [on(PUBLIC[0], START + day * DAY + 5 * HOUR, "desk5") for day in range(7)]
    alone = on(replace(HIGH, uid="public-once"), START + 3 * DAY, "desk4")
    made = incidents(table([*background(), *rows, alone]))
    assert made.incidents["findings"].to_pylist()[0] == [alone["uid"]]
    assert set(made.incidents["findings"].to_pylist()[1]) == uids(rows)
    assert made.incidents.num_rows == 2
    assert made.incidents["title"].to_pylist()[1].startswith("Everyday here: findings of 2 rules")
    assert "Nothing ties them" in made.incidents["summary"].to_pylist()[1]
    assert made.incidents["severity_id"].to_pylist() == [4, 3]


def test_a_flood_is_not_everyday_though_its_rule_is() -> None:
    rule = PUBLIC[0]
    often = [on(rule, START + day * DAY + HOUR, host) for day in range(7) for host in HOSTS[:3]]
    start = START + 3 * DAY + 12 * HOUR
    flood = [on(rule, start + n * MINUTE, "desk5") for n in range(50)]
    other = on(PUBLIC[1], start + 10 * MINUTE, "desk5")
    found = incidents(table([*background(), *often, *flood, other]))
    assert uids([*flood, other]) <= set(found.incidents["findings"].to_pylist()[0])
    few = incidents(table([*background(), *often, flood[0], other]))
    assert few.incidents.num_rows == 0


def test_who_is_there_since_before_the_case_began_is_an_incident_of_that_place() -> None:
    rows = [
        on(rule, START + day * DAY + n * 3 * HOUR, "desk4")
        for day in range(7)
        for n, rule in enumerate(PUBLIC)
    ]
    made = incidents(table([*background(), *rows]))
    assert made.incidents["findings"].to_pylist() == [[row["uid"] for row in rows]]
    assert made.incidents["severity_id"].to_pylist() == [2]
    assert "fires on desk4 alone, day after day" in made.incidents["links"].to_pylist()[0][1]


@given(st.integers(0, 1000), st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_of_the_rows_does_not_matter(seed: int, random: Random) -> None:
    rows = [*office(seed), *intrusion(START + 3 * DAY)]
    made = incidents(table(rows))
    random.shuffle(rows)
    again = incidents(table(rows))
    assert again.incidents.equals(made.incidents)
    assert again.folded.equals(made.folded)

"""An intrusion that rests and goes on is one incident; what is merely there again is none."""

from dataclasses import replace
from typing import Any

import pytest

from labrys.triage import Triage, incidents
from labrys.triage.test_habits import HOSTS, QUIET, background, inside, office, uids
from labrys.triage.testing import DAY, HOUR, MINUTE, START, Entity, Rule, finding, table

TACTICS = ("execution", "persistence", "credential-access", "discovery", "lateral-movement")
BAD = [
    Rule(f"bad-{n}", f"Bad thing {n}", 4 if n % 5 == 0 else 3, (), (TACTICS[n % 5],), QUIET.shape)
    for n in range(20)
]
IMPLANT: Entity = ("file", "c:\\users\\public\\news.exe", "object")


def deeds(rules: list[Rule], start: int, host: str, *more: Entity) -> list[dict[str, Any]]:
    named = [("host", f"{host}.corp.example", "device"), *more]
    return [finding(rule, start + n * 4 * MINUTE, named) for n, rule in enumerate(rules)]


def first(made: Triage) -> set[str]:
    return set(made.incidents["findings"].to_pylist()[0])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rest", [1, 3, 6])
def test_what_goes_on_days_later_on_the_same_host_is_one_incident(seed: int, rest: int) -> None:
    begun = deeds(BAD[:5], START + 3 * DAY + 10 * HOUR, "desk2")
    goes_on = deeds(BAD[5:10], START + (3 + rest) * DAY + 15 * HOUR, "desk2")
    made = incidents(table([*office(seed, 14), *begun, *goes_on]))
    assert uids(begun) | uids(goes_on) <= first(made)
    links = [link for each in made.incidents["links"].to_pylist() for link in each]
    assert any("several bad things at desk2 once more" in link for link in links)


def test_it_goes_on_from_the_host_it_had_by_its_address() -> None:
    own: Entity = ("ip", "10.20.0.12", "source")
    begun = deeds(BAD[:5], START + 3 * DAY + 10 * HOUR, "desk2", own)
    goes_on = deeds(BAD[5:10], START + 5 * DAY + 15 * HOUR, "desk4", own)
    made = incidents(table([*office(1, 10), *begun, *goes_on]))
    assert uids(begun) | uids(goes_on) <= first(made)


def test_one_serious_deed_more_belongs_to_it_only_where_much_was_done() -> None:
    alone = deeds([replace(BAD[5], uid="late")], START + 6 * DAY + 15 * HOUR, "desk2")
    much = deeds(BAD[:7], START + 3 * DAY + 10 * HOUR, "desk2")
    little = deeds(BAD[:3], START + 3 * DAY + 10 * HOUR, "desk2")
    others = [
        row
        for n, host in enumerate(("desk1", "desk3", "desk5"))
        for row in deeds(
            [replace(rule, uid=f"{host}-{rule.uid}") for rule in BAD[:3]],
            START + (1 + 3 * n) * DAY + 4 * HOUR,
            host,
        )
    ]
    usual = [*office(2, 10), *others]
    assert uids(alone) <= first(incidents(table([*usual, *much, *alone])))
    apart = incidents(table([*usual, *little, *alone])).incidents["findings"].to_pylist()
    assert not any(uids(alone) < set(each) for each in apart)
    # Where no other host shows several bad deeds, they are telling by themselves.
    assert uids(alone) <= first(incidents(table([*office(2, 10), *little, *alone])))


def test_groups_without_anything_serious_stay_apart() -> None:
    rules = [rule for rule in BAD if rule.severity == 3]
    begun = deeds(rules[:4], START + 3 * DAY + 10 * HOUR, "desk2")
    goes_on = deeds(rules[4:8], START + 6 * DAY + 15 * HOUR, "desk2")
    made = incidents(table([*background(10), *begun, *goes_on]))
    assert made.incidents.num_rows == 2


@pytest.mark.parametrize("seed", range(3))
def test_a_program_of_which_rules_say_several_bad_things_does_not_become_a_habit(seed: int) -> None:
    rows = [
        row
        for day in (3, 4, 6, 7, 9)
        for row in deeds(BAD[:5], START + day * DAY + 8 * HOUR, "desk3", IMPLANT)
    ]
    made = incidents(table([*office(seed, 14), *rows]))
    assert uids(rows) <= first(made)
    assert max(made.incidents["severity_id"].to_pylist()) == 4


def test_a_program_of_the_whole_place_does() -> None:
    mediums = [replace(rule, severity=3) for rule in BAD[:5]]
    rows = [
        row
        for day in range(10)
        for n, host in enumerate(HOSTS)
        for row in deeds(mediums, START + day * DAY + (8 + n) * HOUR, host, IMPLANT)
    ]
    assert not uids(rows) & inside(incidents(table([*office(3, 10), *rows])))


@pytest.mark.parametrize("seed", range(3))
def test_a_few_medium_deeds_more_belong_to_it_where_much_was_done(seed: int) -> None:
    mediums = [rule for rule in BAD[7:] if rule.severity == 3]
    much = deeds(BAD[:7], START + 3 * DAY + 10 * HOUR, "desk2")
    later = deeds(mediums[:2], START + 12 * DAY + 9 * HOUR, "desk2")
    elsewhere = deeds(mediums[2:4], START + 10 * DAY + 9 * HOUR, "desk4")
    made = first(incidents(table([*office(seed, 16), *much, *later, *elsewhere])))
    assert uids(much) | uids(later) <= made
    assert not uids(elsewhere) & made


def test_what_comes_again_only_there_and_since_then_is_no_habit() -> None:
    much = deeds(BAD[:7], START + 3 * DAY + 10 * HOUR, "desk2")
    tool = replace(BAD[10], uid="tool")
    again = [row for day in (6, 9) for row in deeds([tool], START + day * DAY + 8 * HOUR, "desk2")]
    made = first(incidents(table([*office(1, 14), *much, *again])))
    assert uids(again) <= made
    before = deeds([tool], START + 8 * HOUR, "desk2")
    made = first(incidents(table([*office(1, 14), *much, *before, *again])))
    assert not uids(before) & made


@pytest.mark.parametrize("seed", range(3))
def test_what_begins_at_a_host_all_at_once_and_nowhere_else_is_no_habit(seed: int) -> None:
    rules = BAD[:8]
    rows = [
        row
        for day in (4, 6, 8, 10, 12)
        for row in deeds(rules, START + day * DAY + 8 * HOUR, "desk3")
    ]
    made = incidents(table([*office(seed, 14), *rows]))
    assert uids(rows) <= first(made)
    assert made.incidents["severity_id"].to_pylist()[0] == 4
    # The same since the first day is what somebody does for work, or was there before the case.
    always = [
        row for day in range(14) for row in deeds(rules, START + day * DAY + 8 * HOUR, "desk3")
    ]
    wrong = finding(QUIET, START - 9999 * DAY, [("host", "desk1.corp.example", "device")])
    made = incidents(table([*office(seed, 14), *always, wrong]))
    assert max(made.incidents["severity_id"].to_pylist()) == 3


def test_small_incidents_with_the_same_serious_rule_are_one_and_larger_ones_are_not() -> None:
    other = [replace(rule, uid=f"other-{rule.uid}") for rule in BAD]
    small = deeds([BAD[0], BAD[1]], START + 2 * DAY, "desk1")
    alike = deeds([BAD[0], other[2]], START + 5 * DAY, "desk4")
    large = deeds([BAD[0], *other[6:10]], START + 8 * DAY, "desk5")
    made = incidents(table([*background(20), *small, *alike, *large]))
    assert {frozenset(each) for each in made.incidents["findings"].to_pylist()} == {
        frozenset(uids(small) | uids(alike)),
        frozenset(uids(large)),
    }


def test_it_goes_on_from_the_host_it_had_by_its_name() -> None:
    mediums = [rule for rule in BAD[7:] if rule.severity == 3]
    much = deeds(BAD[:7], START + 3 * DAY + 10 * HOUR, "desk2")
    source: Entity = ("host", "desk2", "source")
    later = deeds(mediums[:2], START + 9 * DAY + 9 * HOUR, "desk4", source)
    made = first(incidents(table([*office(1, 14), *much, *later])))
    assert uids(much) | uids(later) <= made

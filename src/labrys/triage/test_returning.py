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
    assert uids(alone) <= first(incidents(table([*office(2, 10), *much, *alone])))
    assert not uids(alone) & first(incidents(table([*office(2, 10), *little, *alone])))


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

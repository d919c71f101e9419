from random import Random

import pytest

from labrys.decisions import Decisions, Lessons, Regrouping, Verdict, lessons
from labrys.decisions.lessons import BROAD, MOST, SITTING

ONE = (("r1", "ws01"), ("r2", "ws01"))


def verdict(incident: str, said: str, who: str = "me", phases: int = 1) -> Verdict:
    return Verdict(incident, said, ONE, phases, who, "because", 1)


def test_a_false_alarm_teaches_what_is_normal() -> None:
    assert lessons(Decisions(verdicts=(verdict("i1", "false"),))).normal == frozenset(ONE)


def test_what_was_an_attack_anywhere_is_not_normal() -> None:
    attack = Verdict("i2", "true", (("r1", "ws01"),), 1, "me", "because", 1)
    made = lessons(Decisions(verdicts=(verdict("i1", "false"), attack)))
    assert made.normal == {("r2", "ws01")}
    assert made.attack == {("r1", "ws01")}


def test_one_person_cannot_teach_that_a_broad_incident_is_normal() -> None:
    alone = (verdict("i1", "false", "me", 5),)
    made = lessons(Decisions(verdicts=alone))
    assert made.normal == frozenset()
    assert "second person" in made.doubted[0][1]
    both = (*alone, verdict("i1", "false", "you", 5))
    assert lessons(Decisions(verdicts=both)).normal == frozenset(ONE)


def test_a_verdict_without_pairs_teaches_nothing() -> None:
    made = lessons(Decisions(verdicts=(Verdict("i1", "false", (), 1, "me", "because", 1),)))
    assert made.normal == frozenset()
    assert "critical" in made.doubted[0][1]


def test_wishes_about_grouping_pass_through() -> None:
    made = lessons(
        Decisions(regroupings=(Regrouping("together", ("a", "b")), Regrouping("apart", ("c",))))
    )
    assert (made.together, made.apart) == ((("a", "b"),), (("c",),))


def false(number: int, *, made: int = 0, **changes: object) -> Verdict:
    given = {"pairs": ((f"r{number}", "ws01"),), "phases": 1, "who": "me", "why": "because"}
    return Verdict(f"i{number}", "false", made=made, **{**given, **changes})  # type: ignore[arg-type]


def taught(*verdicts: Verdict) -> Lessons:
    return lessons(Decisions(verdicts=verdicts))


@pytest.mark.parametrize(("severity", "believed"), [(2, True), (3, True), (4, False), (5, False)])
def test_one_person_cannot_teach_that_something_severe_is_normal(
    severity: int, believed: bool
) -> None:
    made = taught(false(1, severity=severity))
    assert bool(made.normal) is believed
    if not believed:
        assert "severity: a second person must agree" in made.doubted[0][1]
    assert taught(false(1, severity=severity), false(1, severity=severity, who="you")).normal


def test_a_flood_of_verdicts_from_one_sitting_teaches_nothing() -> None:
    flood = [false(n, made=n * 60_000) for n in range(MOST + 1)]
    later = false(99, made=flood[-1].made + SITTING + 1)
    made = taught(*flood, later)
    assert made.normal == {("r99", "ws01")}
    assert {reason for _, reason in made.doubted} == {
        f"one of {MOST + 1} verdicts in one sitting: a second person must agree"
    }
    agreed = taught(*flood, later, false(3, who="you"))
    assert agreed.normal == {("r99", "ws01"), ("r3", "ws01")}
    assert len(taught(*flood[:MOST]).normal) == MOST


def test_one_person_cannot_make_many_phases_normal_bit_by_bit() -> None:
    days = 24 * 60 * 60_000
    steps = [false(n, made=n * days, tactics=(f"tactic-{n}",)) for n in range(BROAD)]
    made = taught(*steps)
    assert len(made.normal) == BROAD - 1
    assert made.doubted[0][0] == steps[-1]
    assert "would be normal on ws01" in made.doubted[0][1]
    elsewhere = false(9, tactics=("tactic-9",), pairs=(("r9", "ws02"),))
    assert ("r9", "ws02") in taught(*steps, elsewhere).normal


def test_the_order_of_verdicts_does_not_matter() -> None:
    verdicts = [false(n, made=n % 7, tactics=(f"t{n % 5}",), severity=n % 6) for n in range(40)]
    made = taught(*verdicts)
    Random(1).shuffle(verdicts)
    assert taught(*verdicts) == made

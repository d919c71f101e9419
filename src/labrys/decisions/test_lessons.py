from labrys.decisions import Decisions, Regrouping, Verdict, lessons

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

from labrys.decisions import Lessons
from labrys.triage import incidents
from labrys.triage.testing import DAY, ENCODED, MACRO, SERVICE, START, case, finding, table

HERE = [("host", "ws01", "device")]
THERE = [("host", "ws02", "device")]


def test_what_was_judged_normal_ranks_below_what_was_not() -> None:
    rows = [finding(SERVICE, START, HERE), finding(MACRO, START + DAY, THERE)]
    before = incidents(table(rows)).incidents.to_pylist()
    assert before[0]["findings"] == [rows[0]["uid"]]
    taught = Lessons(normal=frozenset([(SERVICE.uid, "ws01")]))
    after = incidents(table(rows), taught).incidents.to_pylist()
    assert after[0]["findings"] == [rows[1]["uid"]]
    assert [row["severity_id"] for row in after] == [MACRO.severity, 2]


def test_a_lesson_is_about_its_place_only() -> None:
    rows = [finding(SERVICE, START, THERE)]
    taught = Lessons(normal=frozenset([(SERVICE.uid, "ws01")]))
    assert incidents(table(rows), taught) == incidents(table(rows))


def test_nothing_is_hidden_by_a_lesson() -> None:
    findings = case()
    every = frozenset((uid, "ws01.corp.example") for uid in findings["rule_uid"].to_pylist())
    made = incidents(findings, Lessons(normal=every))
    kept = [uid for uids in made.incidents["findings"].to_pylist() for uid in uids]
    kept += [uid for uids in made.folded["findings"].to_pylist() for uid in uids]
    assert sorted(kept) == sorted(findings["uid"].to_pylist())


def test_what_belongs_together_is_one_incident_and_says_why() -> None:
    rows = [finding(SERVICE, START, HERE), finding(MACRO, START + 40 * DAY, THERE)]
    assert incidents(table(rows)).incidents.num_rows == 2
    uids = tuple(row["uid"] for row in rows)
    (made,) = incidents(table(rows), Lessons(together=(uids,))).incidents.to_pylist()
    assert set(made["findings"]) == set(uids)
    assert any("somebody decided" in link for link in made["links"])


def test_what_is_kept_apart_is_an_incident_of_its_own() -> None:
    rows = [finding(rule, START, HERE) for rule in (SERVICE, MACRO, ENCODED)]
    assert incidents(table(rows)).incidents.num_rows == 1
    apart = (rows[1]["uid"], rows[2]["uid"])
    made = incidents(table(rows), Lessons(apart=(apart,))).incidents.to_pylist()
    assert {frozenset(row["findings"]) for row in made} == {
        frozenset([rows[0]["uid"]]),
        frozenset(apart),
    }


def test_lessons_about_other_cases_change_nothing() -> None:
    findings = case()
    other = Lessons(frozenset([("r", "h")]), frozenset(), (("x", "y"),), (("z",),))
    assert incidents(findings, other) == incidents(findings)

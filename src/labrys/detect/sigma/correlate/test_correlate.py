import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labrys.detect.sigma.correlate import (
    MATCHES,
    CorrelationResult,
    correlate,
    from_findings,
    horizon_ms,
    needed_fields,
    plan,
    suppressed,
)
from labrys.detect.sigma.correlate.entity import entity_of
from labrys.detect.sigma.correlate.expression import Join, Name, branches, names, parse
from labrys.detect.sigma.correlate.kinds import read_numbers
from labrys.detect.sigma.correlate.windows import distinct, quantile, windows
from labrys.detect.sigma.ir import Correlation, RuleSet
from labrys.ocsf.schema import FINDING

MINUTE = 60_000


def rule(uid: str, kind: str, rules: tuple[str, ...], **more: Any) -> Correlation:
    plain: dict[str, Any] = {
        "name": uid,
        "title": f"Title of {uid}",
        "level": "high",
        "status": "stable",
        "author": "A. Author",
        "description": "",
        "tags": ("attack.credential-access", "attack.t1110.001"),
        "falsepositives": (),
        "references": (),
        "path": f"{uid}.yml",
        "group_by": ("User",),
        "timespan_ms": 10 * MINUTE,
    }
    return Correlation(uid=uid, kind=kind, rules=rules, **(plain | more))


def rules(*correlations: Correlation) -> RuleSet:
    return RuleSet(digest="d" * 64, atoms=(), rules=(), correlations=correlations, rejected=())


def match(uid: str, when: int | None, number: int = 0, **fields: str) -> dict[str, Any]:
    return {
        "rule": uid,
        "_id": f"id-{uid}-{when}-{number}",
        "_time": when,
        "_source": "a.log",
        "_offset": number,
        "_host": "h",
        "shape": "test.shape",
        "fields": list(fields.items()),
        "entities": [],
    }


def run(correlations: list[Correlation], rows: list[dict[str, Any]], **more: Any) -> Any:
    return correlate(rules(*correlations), pa.Table.from_pylist(rows, schema=MATCHES), **more)


def ids(result: CorrelationResult) -> list[list[str]]:
    return [[e["_id"] for e in row["evidence"]] for row in result.findings.to_pylist()]


def at_least(limit: float) -> tuple[tuple[str, float], ...]:
    return (("gte", limit),)


def test_one_burst_is_one_finding_with_all_its_events() -> None:
    rows = [match("fail", n * 1000, n, User="ann") for n in range(10_000)]
    result = run([rule("many", "event_count", ("fail",), condition=at_least(10))], rows)
    assert result.findings.schema == FINDING
    [found] = result.findings.to_pylist()
    assert len(found["evidence"]) == 10_000
    assert (found["time_start"], found["time_end"]) == (0, 9_999_000)
    assert found["rule_uid"] == "many"
    assert found["detector"] == "sigma"
    assert found["title"] == "Title of many"
    assert found["author"] == "A. Author"
    assert found["severity_id"] == 4
    assert found["techniques"] == ["T1110.001"]
    assert found["tactics"] == ["credential-access"]
    assert found["shape"] == "test.shape"
    assert found["entities"] == [{"type": "user", "value": "ann", "role": "target"}]
    assert [(r["feature"], r["value"]) for r in found["reasons"]] == [
        ("event_count", "601 within 600 s, needs gte 10"),
        ("records", "10000"),
        ("User", "ann"),
    ]


def test_bursts_apart_are_findings_apart_and_uids_are_stable() -> None:
    rows = [match("fail", base + n, n, User="ann") for base in (0, 3_600_000) for n in range(3)]
    many = rule("many", "event_count", ("fail",), condition=at_least(3))
    result = run([many], rows)
    assert [len(found) for found in ids(result)] == [3, 3]
    uids = result.findings["uid"].to_pylist()
    assert uids == run([many], rows[::-1]).findings["uid"].to_pylist()
    assert uids[0] == "sigma:many:49b70aca18332fe34b554df5"


@pytest.mark.parametrize(("gap", "expected"), [(600_000, 1), (600_001, 0)])
def test_a_window_has_both_its_ends(gap: int, expected: int) -> None:
    rows = [match("fail", 0, User="ann"), match("fail", gap, User="ann")]
    result = run([rule("two", "event_count", ("fail",), condition=at_least(2))], rows)
    assert result.findings.num_rows == expected


def test_groups_ignore_case_and_events_without_the_field_are_counted_apart() -> None:
    rows = [
        match("fail", 1, 1, User="Ann"),
        match("fail", 2, 2, User="aNN"),
        match("fail", 3, 3),
        match("fail", None, 4, User="ann"),
        match("fail", 1 << 60, 5, User="ann"),
    ]
    result = run([rule("two", "event_count", ("fail",), condition=at_least(2))], rows)
    assert ids(result) == [["id-fail-1-1", "id-fail-2-2"]]
    assert result.untimed == 2
    [skipped] = result.skipped
    assert (skipped.uid, skipped.count) == ("two", 1)


def test_a_record_that_two_rules_match_counts_once() -> None:
    both = match("a", 5, User="ann")
    rows = [both, both | {"rule": "b"}]
    counted = rule("n", "event_count", ("a", "b"), condition=(("eq", 1.0),))
    assert ids(run([counted], rows)) == [["id-a-5-0"]]


def test_a_range_of_counts() -> None:
    rows = [match("a", n, n, User=user) for user, most in (("x", 3), ("y", 1)) for n in range(most)]
    between = rule("r", "event_count", ("a",), condition=(("gt", 1.0), ("lte", 2.0)))
    assert [len(found) for found in ids(run([between], rows))] == [2]


def test_the_example_of_the_specification_failures_then_a_success() -> None:
    failures = rule("many", "event_count", ("fail",), group_by=("Computer",), condition=at_least(3))
    outer = rule("breach", "temporal_ordered", ("many", "success"))
    rows = [match("fail", n * 1000, n, User="ann", Computer="c1") for n in range(4)]
    rows.append(match("success", 60_000, User="ann"))
    rows.append(match("success", 61_000, User="bob"))
    result = run([outer, failures], rows)
    [found] = result.findings.to_pylist()
    assert found["rule_uid"] == "breach"
    assert [e["_id"] for e in found["evidence"]] == [
        *(f"id-fail-{n * 1000}-{n}" for n in range(4)),
        "id-success-60000-0",
    ]
    assert result.suppressed_rules == {"many", "fail", "success"}
    # Before the third failure there is no episode that a success could follow.
    early = [match("success", 1500, User="ann"), *rows[:4]]
    assert run([outer, failures], early).findings.num_rows == 0
    assert needed_fields(rules(outer, failures)) == {
        "fail": ("Computer", "User"),
        "success": ("User",),
    }
    assert horizon_ms(rules(outer, failures)) == 20 * MINUTE


def test_generate_lets_the_inner_correlation_alert_too() -> None:
    inner = rule("inner", "event_count", ("a",), condition=at_least(2))
    outer = rule("outer", "event_count", ("inner",), condition=at_least(1), generate=True)
    rows = [match("a", n, n, User="ann") for n in range(2)]
    assert sorted(run([inner, outer], rows).findings["rule_uid"].to_pylist()) == ["inner", "outer"]
    assert suppressed(rules(inner, outer)) == {"a"}


def test_aliases_join_different_fields() -> None:
    aliases = {"ip": {"error": "destination.ip", "connection": "source.ip"}}
    near = rule("t", "temporal", ("error", "connection"), group_by=("ip",), aliases=aliases)
    rows = [
        match("error", 1, **{"destination.ip": "10.0.0.1", "source.ip": "10.0.0.9"}),
        match("connection", 2, **{"source.ip": "10.0.0.1"}),
        match("connection", 3, **{"source.ip": "10.0.0.9"}),
    ]
    result = run([near], rows)
    assert ids(result) == [["id-error-1-0", "id-connection-2-0"]]
    assert result.findings["entities"].to_pylist() == [
        [{"type": "ip", "value": "10.0.0.1", "role": "source"}]
    ]
    assert needed_fields(rules(near)) == {
        "error": ("destination.ip",),
        "connection": ("source.ip",),
    }


def test_order_within_one_instant_follows_the_source() -> None:
    ordered = rule("o", "temporal_ordered", ("a", "b"))
    forward = [match("a", 5, 1, User="x"), match("b", 5, 2, User="x")]
    backward = [match("a", 5, 2, User="x"), match("b", 5, 1, User="x")]
    elsewhere = [backward[0], backward[1] | {"_source": "b.log"}]
    same = [match("a", 5, 1, User="x"), match("a", 5, 1, User="x") | {"rule": "b"}]
    found = [
        run([ordered], rows).findings.num_rows for rows in (forward, backward, elsewhere, same)
    ]
    assert found == [1, 0, 1, 0]


def test_an_absence_looks_ahead_and_back() -> None:
    lone = rule("l", "temporal", ("login", "mfa"), expression="login and not mfa")
    rows = [
        match("login", 0, User="with"),
        match("mfa", MINUTE, User="with"),
        match("login", 0, 1, User="without"),
        match("mfa", 11 * MINUTE, 1, User="without"),
    ]
    assert ids(run([lone], rows)) == [["id-login-0-1"]]


def test_ordered_expressions_take_the_order_of_the_rules() -> None:
    one = rule("o", "temporal_ordered", ("a", "b", "c"), expression="b and a and not c")
    forward = [match("a", 1, User="x"), match("b", 2, User="x")]
    backward = [match("b", 1, User="x"), match("a", 2, User="x")]
    assert run([one], forward).findings.num_rows == 1
    assert run([one], backward).findings.num_rows == 0
    assert run([one], [*forward, match("c", 3, User="x")]).findings.num_rows == 0


def test_a_sequence_ends_at_until_and_names_only_its_own_events() -> None:
    step = rule("s", "sequence", ("open", "write"), until="close")
    rows = [
        match("open", 0, User="x"),
        match("open", 10, User="x"),
        match("write", 20, User="x"),
        match("close", 30, User="x"),
        match("write", 40, User="x"),
    ]
    assert ids(run([step], rows)) == [["id-open-10-0", "id-write-20-0"]]
    assert run([step], [rows[0], rows[3], rows[4]]).findings.num_rows == 0
    assert needed_fields(rules(step)).keys() == {"open", "write", "close"}


def test_a_sequence_may_end_at_one_of_its_own_steps() -> None:
    steps = rule("s", "sequence", ("open", "open", "open"), until="open")
    rows = [match("open", when, User="x") for when in (0, 10, 20)]
    assert run([steps], rows).findings.num_rows == 0


def test_new_terms_learn_first_then_tell_what_is_new() -> None:
    new = rule("n", "new_terms", ("login",), fields=("Country",), history_ms=100, timespan_ms=0)
    known = [match("login", when, User="ann", Country="AT") for when in (0, 50, 120, 199)]
    rows = [
        *known,
        match("login", 150, User="ann", Country="XX"),
        match("login", 10, 1, User="ann", Country="BR"),
    ]
    assert ids(run([new], rows, learning=1.0)) == [["id-login-150-0"]]
    # Forgotten after `history_ms` without it: 300 is exactly 101 ms past 199.
    again = [
        *rows,
        match("login", 300, User="ann", Country="AT"),
        match("login", 299, 1, User="ann", Country="BR"),
    ]
    assert ids(run([new], again, learning=0.0))[-2:] == [["id-login-299-1"], ["id-login-300-0"]]
    # One false clock long ago is no history: what follows the silence teaches anew.
    false_clock = match("login", -(10**9), User="ann", Country="AT")
    assert ids(run([new], [*rows, false_clock], learning=1.0)) == [["id-login-150-0"]]


def test_a_term_is_known_up_to_exactly_the_history() -> None:
    new = rule("n", "new_terms", ("a",), fields=("T",), history_ms=100, timespan_ms=0)
    rows = [match("a", when, User="u", T=term) for when, term in ((0, "t"), (60, "s"), (100, "t"))]
    assert ids(run([new], rows, learning=0.0)) == [["id-a-60-0"]]
    late = [*rows[:2], match("a", 101, User="u", T="t")]
    assert ids(run([new], late, learning=0.0)) == [["id-a-60-0"], ["id-a-101-0"]]


def test_sums_are_exact_whatever_the_order_and_size() -> None:
    big = rule("s", "value_sum", ("a",), fields=("N",), condition=(("eq", 0.3),))
    rows = [match("a", 5, n, User="x", N=text) for n, text in enumerate(("1e20", "0.3", "-1e20"))]
    assert run([big], rows).findings.num_rows == 1
    assert run([big], rows[:2]).findings.num_rows == 0
    tenths = [match("a", 5, n, User="x", N="0.1") for n in range(3)]
    assert run([big], tenths).findings.num_rows == 1


def test_text_that_is_no_number_takes_no_part() -> None:
    texts = ["1", " 2.5 ", "+3", "-.5", "1e2", "", "0x10", "nan", "inf", "1e400", "1\x1e2", None]
    numbers, fit = read_numbers(pa.array(texts))
    assert numbers[fit].tolist() == [1.0, 2.5, 3.0, -0.5, 100.0]
    average = rule("v", "value_avg", ("a",), fields=("N",), condition=at_least(2))
    rows = [match("a", n, n, User="x", N=text) for n, text in enumerate(("2", "x", "2"))]
    result = run([average], rows)
    assert ids(result) == [["id-a-0-0", "id-a-2-2"]]
    assert [(one.count, one.reason) for one in result.skipped] == [(1, "the value is not a number")]


def test_the_entities_of_the_matches_come_along_once() -> None:
    entity = {"type": "ip", "value": "10.0.0.1", "role": "source"}
    user = {"type": "user", "value": "ann", "role": "actor"}
    rows = [match("a", n, n, User="CORP\\Ann") | {"entities": [entity, user]} for n in range(3)]
    result = run([rule("c", "event_count", ("a",), condition=at_least(3))], rows)
    [found] = result.findings["entities"].to_pylist()
    assert found == [{"type": "user", "value": "ann", "role": "target"}, entity]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TargetUserName", "CORP\\Ann", ("user", "ann", "target")),
        ("SubjectUserName", "ann", ("user", "ann", "actor")),
        ("IpAddress", "::ffff:10.0.0.1", ("ip", "10.0.0.1", "source")),
        ("destination.ip", "10.0.0.1", ("ip", "10.0.0.1", "destination")),
        ("Computer", "WIN-1.corp.", ("host", "win-1.corp", "device")),
        ("WorkstationName", "10.1.2.3", ("ip", "10.1.2.3", "source")),
        ("IpAddress", "-", None),
        ("IpAddress", "127.0.0.1", None),
        ("LogonType", "3", None),
        ("EventID", "4625", None),
    ],
)
def test_entities_by_field_name(name: str, value: str, expected: Any) -> None:
    found = entity_of(name, value)
    assert (found and (found["type"], found["value"], found["role"])) == expected


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (rule("x", "value_mode", ("a",)), "'value_mode' is not known"),
        (rule("x", "event_count", ("a",)), "needs a condition"),
        (rule("x", "event_count", ("a",), condition=(("about", 1.0),)), "'about' is not known"),
        (rule("x", "value_count", ("a",), condition=at_least(1)), "needs a field"),
        (rule("x", "value_sum", ("a",), condition=at_least(1), fields=("f", "g")), "exactly one"),
        (rule("x", "event_count", (), condition=at_least(1)), "0 rules"),
        (rule("x", "temporal", ("a",), expression="a and b"), "names b"),
        (rule("x", "temporal", ("a",), expression="a and"), "ends too early"),
        (rule("x", "event_count", ("a",), expression="a"), "cannot have an expression"),
        (rule("x", "event_count", ("x",), condition=at_least(1)), "refers to itself"),
        (rule("x", "event_count", ("a",), condition=at_least(1), timespan_ms=-1), "negative"),
    ],
)
def test_what_cannot_run_is_said_and_the_rest_runs(broken: Correlation, reason: str) -> None:
    sound = rule("ok", "event_count", ("a",), condition=at_least(1))
    above = rule("above", "event_count", ("x",), condition=at_least(1))
    result = run([above, broken, sound], [match("a", 1, User="ann")])
    problems = dict(result.problems)
    assert problems.keys() == {"x", "above"}
    assert reason in problems["x"]
    assert "correlation x, which cannot run" in problems["above"]
    assert result.findings["rule_uid"].to_pylist() == ["ok"]


def test_circles_are_refused_whatever_their_length() -> None:
    ring = [
        rule(f"r{n}", "event_count", (f"r{(n + 1) % 3}",), condition=at_least(1)) for n in range(3)
    ]
    runnable, problems = plan(rules(*ring))
    assert runnable == ()
    assert {uid for uid, _ in problems} == {"r0", "r1", "r2"}


def test_no_matches_no_findings() -> None:
    every = [
        rule(kind, kind, ("a", "b"), condition=at_least(1), fields=("F",))
        for kind in (
            "event_count",
            "value_count",
            "temporal",
            "temporal_ordered",
            "sequence",
            "new_terms",
        )
    ]
    result = run(
        [*every, rule("value_sum", "value_sum", ("a",), condition=at_least(1), fields=("F",))], []
    )
    assert result.findings.num_rows == 0
    assert result.findings.schema == FINDING


def test_findings_of_single_records_are_read_as_matches() -> None:
    finding = {
        "rule_uid": "a",
        "time_start": 5,
        "evidence": [{"_id": "i", "_source": "s", "_offset": 3}],
        "reasons": [{"feature": "User", "value": "ann", "weight": 1.0}],
        "entities": [],
        "shape": "test.shape",
    }
    of_two = finding | {"evidence": finding["evidence"] * 2}
    table = pa.Table.from_pylist([of_two, finding], schema=FINDING)
    [row] = from_findings(table).to_pylist()
    assert (row["rule"], row["_id"], row["_time"], row["_offset"]) == ("a", "i", 5, 3)
    assert row["fields"] == [("User", "ann")]
    assert from_findings(FINDING.empty_table()).schema == MATCHES
    result = correlate(
        rules(rule("c", "event_count", ("a",), condition=at_least(1))),
        from_findings(pa.Table.from_pylist([finding], schema=FINDING)),
    )
    assert ids(result) == [["i"]]


def test_expressions() -> None:
    assert parse("a and (b or not c)") == Join(
        "and", (Name("a"), Join("or", (Name("b"), Name("c", there=False))))
    )
    assert parse("not (a and not b)") == Join("or", (Name("a", there=False), Name("b")))
    assert names(parse("a or b and a")) == ("a", "b")
    assert branches(parse("a and (b or not c)")) == ((("a", "b"), ()), (("a",), ("c",)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "and a",
        "a b",
        "(a",
        "a)",
        "not",
        "a or",
        "(" * 100 + "a" + ")" * 100,
        "a or " * 600 + "a",
    ],
)
def test_bad_expressions_say_so(text: str) -> None:
    with pytest.raises(ValueError, match="condition"):
        parse(text)


def test_an_expression_with_too_many_branches_is_refused() -> None:
    with pytest.raises(ValueError, match="ways to be true"):
        branches(parse(" and ".join(f"(a{n} or b{n})" for n in range(20))))


def test_sliding_measures_equal_numpy() -> None:
    random = np.random.default_rng(7)
    size = np.sort(random.integers(0, 500, 300))
    ends = np.searchsorted(size, size, side="right")
    begins = np.searchsorted(size, size - 40)
    values = random.integers(-5, 30, 300).astype(np.float64) / 4
    codes = random.integers(0, 9, 300)
    for part in (0.0, 0.1, 0.5, 0.99, 1.0):
        wanted = [np.quantile(values[a:b], part) for a, b in zip(begins, ends, strict=True)]
        np.testing.assert_allclose(quantile(values, begins, ends, part), wanted)
    counts = [len(set(codes[a:b].tolist())) for a, b in zip(begins, ends, strict=True)]
    assert distinct(codes, begins, ends).tolist() == counts


def test_windows_survive_extreme_times_and_spans() -> None:
    group = np.array([0, 0, 0, 1], np.int64)
    times = np.array([-(1 << 52), 0, (1 << 52), 0], np.int64)
    wide = windows(group, times, 1 << 62)
    assert wide.left.tolist() == [0, 0, 0, 3]
    assert wide.right.tolist() == [1, 2, 3, 4]
    assert windows(group, times, 0).left.tolist() == [0, 1, 2, 3]


def test_an_instant_with_very_many_events_stays_cheap() -> None:
    rows = [match(uid, 5, n, User="x") for uid in "ab" for n in range(10_000)]
    begin = time.process_time()
    result = run([rule("o", "temporal_ordered", ("a", "b", "a"))], rows)
    assert result.findings.num_rows == 1
    assert time.process_time() - begin < 5


def test_bad_evidence_never_breaks_the_engine() -> None:
    odd = {
        "fields": None,
        "_id": None,
        "_source": None,
        "_offset": None,
        "shape": None,
        "entities": None,
    }
    rows = [
        match("a", 1, User="\x1e\x1f\n\ud7ff"),
        match("a", 2, User="") | {"shape": None, "_offset": None, "_source": None},
        match("a", 3) | odd,
    ]
    everything = rule("c", "event_count", ("a",), group_by=(), condition=at_least(2))
    ordered = rule("o", "temporal_ordered", ("a", "a", "a"), group_by=())
    result = run([everything, ordered], rows)
    assert result.problems == ()
    assert ids(result) == [["id-a-1-0", "id-a-2-0"]]
    assert result.untimed == 1

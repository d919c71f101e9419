from typing import Any

import pytest
import yaml

from labrys.detect.sigma.ir import RuleSet
from labrys.detect.sigma.parse import compile_texts


def rule(name: str, level: str = "low", **more: Any) -> dict[str, Any]:
    return {
        "title": f"Title {name}",
        "id": f"id-{name}",
        "name": name,
        "level": level,
        "logsource": {"product": "windows"},
        "detection": {"s": {"Image": name}, "condition": "s"},
    } | more


def correlation(name: str, **section: Any) -> dict[str, Any]:
    section.setdefault("type", "event_count")
    section.setdefault("timespan", "5m")
    if section["type"] == "event_count":
        section.setdefault("condition", {"gte": 3})
    return {"title": f"Title {name}", "id": f"id-{name}", "name": name, "correlation": section}


def compiled(*documents: dict[str, Any]) -> RuleSet:
    return compile_texts([("r.yml", yaml.safe_dump_all(documents, sort_keys=False).encode())])


A, B, C = rule("a"), rule("b", "high"), rule("c")


def test_rules_are_found_by_id_name_and_title_wherever_they_are() -> None:
    made = compiled(correlation("x", rules=["id-a", "B", "Title c"]), A, B, C)
    assert made.correlations[0].rules == ("id-a", "id-b", "id-c")
    assert made.alone == (False, False, False)


def test_a_correlation_without_a_level_has_the_highest_of_its_rules() -> None:
    (made,) = compiled(A, B, correlation("x", rules=["a", "b"])).correlations
    assert made.level == "high"
    assert (made.kind, made.condition, made.timespan_ms) == (
        "event_count",
        (("gte", 3.0),),
        300_000,
    )


def test_generate_lets_the_rules_alert_on_their_own() -> None:
    one = correlation("x", rules="a", generate=True)
    two = correlation("y", rules="b")
    made = compiled(A, B, C, one, two)
    assert made.alone == (True, False, True)
    assert made.correlations[0].generate


def test_nested_correlations_feed_the_outer_one() -> None:
    made = compiled(
        correlation("outer", type="temporal_ordered", rules=["inner", "b"], timespan="1h"),
        correlation("inner", rules=["a"], **{"group-by": ["User"]}),
        A,
        B,
    )
    outer, inner = made.correlations
    assert outer.rules == ("id-inner", "id-b")
    assert (outer.alone, inner.alone) == (True, False)
    assert inner.group_by == ("User",)
    assert outer.level == "high"


def test_aliases_name_rules_by_uid() -> None:
    aliases = {"ip": {"a": "src", "b": "dst"}}
    made = compiled(
        A, B, correlation("x", type="temporal", rules=["a", "b"], aliases=aliases, timespan="10s")
    )
    assert made.correlations[0].aliases == {"ip": {"id-a": "src", "id-b": "dst"}}
    assert made.correlations[0].condition == ()


def test_an_extended_condition_names_its_rules() -> None:
    made = compiled(A, B, C, correlation("x", type="temporal", condition="a AND (b or not c)"))
    assert made.correlations[0].rules == ("id-a", "id-b", "id-c")
    assert made.correlations[0].expression == "id-a and ( id-b or not id-c )"


def test_ranges_fields_and_percentiles() -> None:
    condition = {"gt": 100, "lte": 200.5, "field": ["User", "Host"]}
    one = correlation("x", type="value_count", rules="a", condition=condition)
    two = correlation(
        "y",
        type="value_percentile",
        rules="a",
        condition={"field": "Bytes", "percentile": 95, "gte": 1},
    )
    first, second = compiled(A, one, two).correlations
    assert first.condition == (("gt", 100.0), ("lte", 200.5))
    assert first.fields == ("User", "Host")
    assert (second.percentile, second.fields) == (95.0, ("Bytes",))


def test_our_own_kinds() -> None:
    new = correlation(
        "x", type="new_terms", rules="a", condition={"field": "Image"}, history="14d", timespan=None
    )
    new["correlation"].pop("timespan")
    until = correlation("y", type="sequence", rules=["a", "b"], until="c")
    first, second = compiled(A, B, C, new, until).correlations
    assert (first.fields, first.history_ms, first.timespan_ms) == (("Image",), 1_209_600_000, 0)
    assert second.until == "id-c"


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"type": "nosuch", "rules": "a"}, "`nosuch` is none of"),
        ({"rules": []}, "refers to no rules"),
        ({"rules": "zzz"}, "refers to `zzz`, which is no rule"),
        ({"rules": "broken"}, "is not loaded: log source names no category"),
        ({"rules": "x"}, "refers to itself"),
        ({"rules": "a", "timespan": None}, "has no timespan"),
        ({"rules": "a", "timespan": "5 minutes"}, "time span `5 minutes`"),
        ({"rules": "a", "timespan": "0s"}, "time span `0s`"),
        ({"rules": "a", "condition": {"foo": 1}}, "unknown parts: foo"),
        ({"rules": "a", "condition": {"gte": "many"}}, "is not a number"),
        ({"rules": "a", "condition": {"field": "x"}}, "no threshold"),
        ({"rules": "a", "condition": "a"}, "needs a map"),
        ({"rules": "a", "type": "value_count", "condition": {"gte": 1}}, "needs a field"),
        ({"rules": "a", "type": "value_sum"}, "needs a condition"),
        (
            {"rules": "a", "type": "value_percentile", "condition": {"gte": 1, "field": "x"}},
            "needs a `percentile`",
        ),
        ({"type": "temporal", "condition": "a and"}, "incomplete"),
        ({"type": "temporal", "condition": "a b"}, "malformed at `b`"),
        ({"type": "temporal", "condition": "(a"}, "incomplete"),
        ({"type": "temporal", "condition": "a", "rules": ["a", "b"]}, "does not name exactly"),
        ({"rules": "a", "generate": "yes"}, "`generate`"),
        ({"rules": "a", "aliases": ["x"]}, "`aliases`"),
        ({"rules": [["a"]]}, "`rules`"),
        ({"rules": "a", "type": "new_terms"}, "new_terms needs"),
    ],
)
def test_a_correlation_that_cannot_be_loaded_says_exactly_why(section: Any, reason: str) -> None:
    broken = rule("broken", logsource={"definition": "x"})
    one = correlation("x", **section)
    if section.get("timespan", "") is None:
        del one["correlation"]["timespan"]
    made = compiled(A, B, broken, one)
    assert made.correlations == ()
    (found,) = [note.reason for note in made.rejected if note.uid == "id-x"]
    assert reason in found
    assert made.alone == (True, True)


def test_what_refers_to_a_broken_correlation_is_broken_too() -> None:
    made = compiled(A, correlation("x", rules="y"), correlation("y", rules="zzz"))
    assert [note.reason for note in made.rejected] == [
        "refers to `y`, which is not loaded: refers to `zzz`, which is no rule",
        "refers to `zzz`, which is no rule",
    ]

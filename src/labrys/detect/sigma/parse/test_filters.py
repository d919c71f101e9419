from typing import Any

import pytest
import yaml

from labrys.detect.sigma.ir import All, Leaf, Not, RuleSet
from labrys.detect.sigma.parse import compile_texts

ONE: dict[str, Any] = {
    "title": "One",
    "id": "id-one",
    "name": "one",
    "logsource": {"product": "windows", "category": "process_creation"},
    "detection": {"s": {"Image": "x"}, "condition": "s"},
}
TWO = {**ONE, "id": "id-two", "name": "two"}
FILTER: dict[str, Any] = {
    "title": "Admins",
    "logsource": {"product": "windows"},
    "filter": {"rules": ["id-one"], "s": {"User": "adm"}, "condition": "not s"},
}
PLAIN, FILTERED = Leaf(0), All((Leaf(0), Not(Leaf(1))))


def compiled(*documents: dict[str, Any]) -> RuleSet:
    return compile_texts([("r.yml", yaml.safe_dump_all(documents, sort_keys=False).encode())])


def filtered(**section: Any) -> dict[str, Any]:
    return {**FILTER, "filter": {**FILTER["filter"], **section}}


def whens(*documents: dict[str, Any]) -> list[object]:
    return [rule.when for rule in compiled(*documents).rules]


def test_a_filter_is_joined_to_the_rules_it_names() -> None:
    assert whens(FILTER, ONE, TWO) == [All((Leaf(1), Not(Leaf(0)))), Leaf(1)]


@pytest.mark.parametrize("rules", ["any", "ANY", [], ["one", "ID-TWO"]])
def test_rules_are_meant_by_id_name_or_all_at_once(rules: Any) -> None:
    assert whens(ONE, TWO, filtered(rules=rules)) == [FILTERED, FILTERED]


def test_only_rules_of_the_log_source_are_tuned() -> None:
    other = {**TWO, "logsource": {"product": "windows", "service": "security"}}
    narrow = filtered(rules="any") | {"logsource": {"category": "process_creation"}}
    assert whens(ONE, other, narrow) == [FILTERED, PLAIN]


def test_filters_reach_old_aggregations_and_second_copies() -> None:
    counted = {
        **ONE,
        "detection": {**ONE["detection"], "condition": "s | count() > 3", "timeframe": "1m"},
    }
    assert whens(counted, FILTER) == [FILTERED]
    assert whens(ONE, ONE, FILTER) == [FILTERED, FILTERED]


def test_several_filters_add_up() -> None:
    made = compiled(ONE, FILTER, filtered(s={"User": "svc"}))
    assert made.rules[0].when == All((Leaf(0), Not(Leaf(1)), Not(Leaf(2))))


def test_a_filter_that_applies_to_nothing_is_noted() -> None:
    made = compiled(ONE, filtered(rules=["nosuch"]))
    assert [note.reason for note in made.warned] == ["filter applies to no loaded rule"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({**FILTER, "filter": None}, "not a map"),
        ({**FILTER, "logsource": None}, "no log source"),
        ({**FILTER, "filter": {"s": {"A": 1}, "condition": "s"}}, "needs `rules`"),
        ({**FILTER, "filter": {"rules": "any", "s": {"A": 1}}}, "needs one condition"),
        (filtered(condition="nosuch"), "names `nosuch`"),
    ],
)
def test_a_filter_that_cannot_be_loaded_says_why(document: Any, reason: str) -> None:
    assert reason in compiled(ONE, document).rejected[0].reason

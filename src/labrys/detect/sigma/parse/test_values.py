from typing import Any

import pytest
import yaml

from labrys.detect.sigma.ir import All, Any_, Atom, Leaf, Node, Not, RuleSet
from labrys.detect.sigma.parse import compile_texts


def compiled(detection: Any, lists: dict[str, list[str]] | None = None, **head: Any) -> RuleSet:
    rule = {"title": "t", "logsource": {"product": "windows"}, "detection": detection} | head
    return compile_texts([("r.yml", yaml.safe_dump(rule, sort_keys=False).encode())], lists)


def said(node: Node, rules: RuleSet) -> Any:
    """A condition with its atoms written out."""
    if isinstance(node, Leaf):
        atom = rules.atoms[node.atom]
        text = f"{atom.field or ''} {atom.op} {atom.value}{' cased' if atom.cased else ''}"
        return text + (f" /{atom.flags}" if atom.flags else "")
    if isinstance(node, Not):
        return {"not": said(node.part, rules)}
    name = "and" if isinstance(node, All) else "or"
    return {name: [said(part, rules) for part in node.parts]}


def meaning(selection: Any, lists: dict[str, list[str]] | None = None) -> Any:
    rules = compiled({"s": selection, "condition": "s"}, lists)
    assert not rules.rejected, rules.rejected[0].reason
    return said(rules.rules[0].when, rules)


def refusal(selection: Any) -> str:
    rules = compiled({"s": selection, "condition": "s"})
    assert not rules.rules
    return rules.rejected[0].reason


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"A": "x"}, "A eq x"),
        ({"A": "*x*"}, "A contains x"),
        ({"A": "x*"}, "A starts x"),
        ({"A": "**x"}, "A ends x"),
        ({"A": "a*b?"}, "A glob a*b?"),
        ({"A": r"a\*b"}, "A eq a*b"),
        ({"A": r"a\*b*c"}, r"A glob a\*b*c"),
        ({"A": "a\\\\*"}, "A starts a\\"),
        ({"A": "a\\\\\\*"}, "A eq a\\*"),
        ({"A": "a\\\\\\\\"}, "A eq a\\\\"),
        ({"A": r"C:\Users\x"}, r"A eq C:\Users\x"),
        ({"A": ""}, "A eq "),
        ({"A": "*"}, "A exists true"),
        ({"A|contains": ""}, "A exists true"),
        ({"A|startswith": ""}, "A exists true"),
        ({"A": None}, "A null "),
        ({"A": []}, "A null "),
        ({"A": 4625}, "A eq 4625"),
        ({"A": 1.5}, "A eq 1.5"),
        ({"A": True}, "A eq true"),
        ({"A|contains": 1833}, "A contains 1833"),
        ({"A|contains": "x"}, "A contains x"),
        ({"A|contains": r"C:\*\x"}, r"A contains C:*\x"),
        ({"A|endswith": ".exe"}, "A ends .exe"),
        ({"A|startswith|cased": "x"}, "A starts x cased"),
        ({"A|cased": "x?"}, "A glob x? cased"),
        ({"A": ["x", "y", "x"]}, {"or": ["A eq x", "A eq y"]}),
        ({"A|contains|all": ["x", "y"]}, {"and": ["A contains x", "A contains y"]}),
        ({"A|neq": "x"}, {"not": "A eq x"}),
        ({"A|contains|neq": ["x", "y"]}, {"not": {"or": ["A contains x", "A contains y"]}}),
        ({"A|exists": True}, "A exists true"),
        ({"A|exists": False}, "A exists false"),
        ({"A|re": "a|b"}, "A re a|b cased"),
        ({"A|re": 12}, "A re 12 cased"),
        ({"A|re|i|s": r"\\a.*"}, r"A re \\a.* cased /is"),
        ({"A|re|multiline|ignorecase": "^a"}, "A re ^a cased /im"),
        ({"A|re|startswith": "a|b"}, "A re ^(?:(?:a|b).*) cased"),
        ({"A|gt": 5}, "A gt 5"),
        ({"A|gte": "5"}, "A gte 5"),
        ({"A|lt": "0x10"}, "A lt 16"),
        ({"A|lte": 1.5}, "A lte 1.5"),
        ({"A|cidr": "10.0.0.0/8"}, "A cidr 10.0.0.0/8"),
        ({"A|cidr": ["fe80::/10", "::1/128"]}, {"or": ["A cidr fe80::/10", "A cidr ::1/128"]}),
        ({"A|fieldref": "B"}, "A fieldref B"),
        ({"A|fieldref|endswith": "B"}, "A fieldref B /ends"),
        ({"A|fieldref|startswith|neq": "B"}, {"not": "A fieldref B /starts"}),
        ({"A|fieldref|contains": "B"}, "A fieldref B /contains"),
        ({"A|equalsfield": "B"}, "A fieldref B"),
        ({"A|endswithfield": "B"}, "A fieldref B /ends"),
        ({"A|hour": 3}, "A hour 3"),
        ({"A|week": "12"}, "A week 12"),
        ({"A|base64": "foo"}, "A eq Zm9v"),
        ({"A|wide|base64|contains": "ab"}, "A contains YQBiAA=="),
        ({"A|utf16le|base64": "ab"}, "A eq YQBiAA=="),
        ({"A|utf16be|base64": "ab"}, "A eq AGEAYg=="),
        ({"A|utf16|base64": "ab"}, "A eq //5hAGIA"),
        ({"A": {"value": "x", "min_length": 3}}, {"and": ["A eq x", "A glob ???*"]}),
        ({"A": "x", "B": "y"}, {"and": ["A eq x", "B eq y"]}),
        ([{"A": "x"}, {"B": "y"}], {"or": ["A eq x", "B eq y"]}),
        ("word", " contains word"),
        (["a", "b*c"], {"or": [" contains a", " glob *b*c*"]}),
        (["*a*"], " contains a"),
        ({"|all": ["a", "b"]}, {"and": [" contains a", " contains b"]}),
        ({"|re": "a+"}, " re a+ cased"),
        ({"|startswith": "a"}, " starts a"),
        ([4625], " contains 4625"),
        ([{"A": "x"}, "word"], {"or": ["A eq x", " contains word"]}),
    ],
)
def test_each_value_becomes_its_simplest_atom(selection: Any, expected: Any) -> None:
    assert meaning(selection) == expected


def test_windash_knows_every_dash() -> None:
    found = meaning({"A|windash|contains": " -enc"})
    assert found == {"or": [f"A contains  {sign}enc" for sign in "-/\u2013\u2014\u2015"]}


def test_windash_with_all_keeps_the_groups_apart() -> None:
    found = meaning({"A|contains|all|windash": ["-a", "-b"]})
    assert [len(group["or"]) for group in found["and"]] == [5, 5]


def test_atoms_that_ignore_case_are_one() -> None:
    rules = compiled({"a": {"F": ["X", "x"]}, "b": {"F|cased": ["X", "x"]}, "condition": "a and b"})
    assert rules.atoms == (
        Atom("F", "eq", "X"),
        Atom("F", "eq", "X", cased=True),
        Atom("F", "eq", "x", cased=True),
    )


def test_nested_conjunctions_are_flat_and_each_part_is_there_once() -> None:
    rules = compiled(
        {"a": {"F": "1", "G": "2"}, "b": {"G": "2", "H": "3"}, "condition": "(a and b) and a"}
    )
    assert rules.rules[0].when == All((Leaf(0), Leaf(1), Leaf(2)))


def test_double_negation_is_none() -> None:
    rules = compiled({"a": {"F": "1"}, "condition": "not not not a"})
    assert rules.rules[0].when == Not(Leaf(0))


def test_several_conditions_are_joined_by_or() -> None:
    rules = compiled({"a": {"F": "1"}, "b": {"F": "2"}, "condition": ["a", "b"]})
    assert rules.rules[0].when == Any_((Leaf(0), Leaf(1)))


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        ({"A|nosuch": "x"}, "nosuch"),
        ({"A|re": "a("}, "regular expression `a(` is invalid"),
        ({"A|re": "a" * 20_000}, "longer than"),
        ({"A|cidr": "10.0.0.1/8"}, "CIDR"),
        ({"A|gt": "x"}, "incompatible"),
        ({"A|base64": "a*"}, "wildcards"),
        ({"A|contains|re": "a"}, "unmodified"),
        ({"A|windash": "-a -b -c -d"}, "at most three dash"),
        ({"A|exists": "x"}, "incompatible"),
        ({"|exists": True}, "field"),
        ({"|gt": 5}, "needs a field"),
        ({"|fieldref": "B"}, "needs a field"),
        ({"|hour": 5}, "needs a field"),
        ([None], "null needs a field"),
        ({}, "is empty"),
        ([], "is empty"),
        ({"A": {"regexes": "list.txt"}}, "`regexes` is not part of Sigma"),
        ({"A": {}}, "empty map"),
        ({"A": [["x"]]}, "nested"),
    ],
)
def test_what_cannot_be_translated_is_refused_with_its_reason(selection: Any, reason: str) -> None:
    found = refusal(selection)
    assert found.startswith("detection `s`")
    assert reason in found


def test_backtracking_expressions_load() -> None:
    assert meaning({"A|re": "a(?=b)"}) == "A re a(?=b) cased"


def test_a_rule_waits_for_the_lists_of_all_its_placeholders() -> None:
    section = {"a": {"F|expand": "%one%"}, "b": {"G|expand": "%two%-%one%"}, "condition": "a and b"}
    rules = compiled(section)
    assert rules.rejected[0].waiting
    assert rules.rejected[0].reason == "needs a list for %one%, %two%"
    rules = compiled(section, {"one": ["x", "y*"], "%two%": ["z"]})
    assert [(atom.op, atom.value) for atom in rules.atoms] == [
        ("eq", "x"),
        ("starts", "y"),
        ("eq", "z-x"),
        ("starts", "z-y"),
    ]


def test_missing_lists_of_one_detection_are_all_named() -> None:
    rules = compiled({"a": {"F|expand": ["%one%", "%two%"], "G|expand": "%three%"}})
    assert rules.rejected[0].reason == "needs a list for %one%, %two%, %three%"


def test_the_names_of_lists_may_be_in_any_case() -> None:
    assert meaning({"F|expand": "%Name%"}, {"NAME": ["x"]}) == "F eq x"


def test_an_empty_list_is_no_list() -> None:
    rules = compiled({"a": {"F|expand": "%one%"}, "condition": "a"}, {"one": []})
    assert rules.rejected[0].waiting


def test_placeholders_in_expressions_are_literal() -> None:
    section = {"F|re|expand": "^%name%$"}
    assert meaning(section, {"name": ["a.b", "c*"]}) == {
        "or": [r"F re ^a\.b$ cased", "F re ^c.*$ cased"]
    }


def test_without_expand_percent_signs_are_text() -> None:
    assert meaning({"F": "%name%"}) == "F eq %name%"


def test_expansions_are_bounded() -> None:
    lists = {name: [str(i) for i in range(100)] for name in "abc"}
    rules = compiled({"s": {"F|expand": "%a%%b%%c%"}, "condition": "s"}, lists)
    assert "expand to 1000000 values" in rules.rejected[0].reason


def test_comparisons_of_ours() -> None:
    lists = {"known": ["a.example", "b.example"]}
    assert meaning({"d|lookalike|expand": "%known%"}, lists) == {
        "or": ["d lookalike a.example", "d lookalike b.example"]
    }
    assert meaning({"s|disguised|all": ["pay", "bank"]}) == {
        "and": ["s disguised pay", "s disguised bank"]
    }
    assert "only goes with expand and all" in refusal({"d|lookalike|contains": "a"})
    assert "only goes with expand and all" in refusal({"|disguised": "a"})
    assert "is no text" in refusal({"d|person": 5})

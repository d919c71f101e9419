import textwrap

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labrys.detect.sigma.listing import LARGEST
from labrys.detect.sigma.parse import compile_texts
from labrys.detect.sigma.parse.documents import documents

RULE = """\
title: One
id: 5638f7c0-ac70-491d-8465-2a65075e0d86
logsource: {product: windows, service: security}
detection:
    selection: {EventID: 4625, Flags: 0x17, Code: 007, Day: 2026-01-02, Span: 1:30, Answer: yes}
    condition: selection
"""


def read(text: str) -> list[object]:
    return [one.problem or one.content for one in documents("r.yml", text.encode())]


def test_scalars_stay_the_text_that_logs_hold() -> None:
    (content,) = read(RULE)
    assert isinstance(content, dict)
    assert content["detection"]["selection"] == {
        "EventID": 4625,
        "Flags": "0x17",
        "Code": "007",
        "Day": "2026-01-02",
        "Span": "1:30",
        "Answer": "yes",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: 'null'", {"a": "null"}),
        ("a: True", {"a": True}),
        ("a: off", {"a": "off"}),
        ("a: 1.50", {"a": "1.50"}),
        ("a: 1.5", {"a": 1.5}),
        ("a: -3", {"a": -3}),
        ("a: 99999999999999999999", {"a": "99999999999999999999"}),
        ("1: x\ntrue: y", {"1": "x", "true": "y"}),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
    ],
)
def test_yaml_as_sigma_means_it(text: str, expected: object) -> None:
    assert read(text) == [expected]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2", "key `a` appears twice (line 2)"),
        ("a: [1", "is not valid YAML"),
        ("- a", "is not a YAML map"),
        ("a: !!python/object:os.system {}", "is not valid YAML"),
        ("? [a]\n: b", "key is not text"),
        ("a: " + "[" * 60 + "]" * 60, "nests deeper"),
        ("a: " + "[" * 500_000 + "]" * 500_000, "nests deeper"),
        ("a:\n  " + "- " * 500_000 + "a", "nests deeper"),
        ("? " * 500_000 + "a", "nests deeper"),
        ("a: &a [" + "x," * 50 + "]\nb: &b [" + "*a," * 50 + "]\nc: [" + "*b," * 50 + "]", "alias"),
        ("a: &a [*a]", "Recursive"),
        ("action: nosuch", "unknown rule collection action"),
    ],
)
def test_broken_documents_say_why(text: str, problem: str) -> None:
    (found,) = read(text)
    assert problem in str(found)


def test_what_comes_before_a_broken_document_is_kept() -> None:
    first, broken = read("a: 1\n---\nb: [")
    assert first == {"a": 1}
    assert "not valid YAML" in str(broken)


def test_a_file_too_large_is_named_so() -> None:
    (found,) = documents("r.yml", b"#" * (LARGEST + 1))
    assert "larger than 16 MiB" in found.problem


def test_collections_share_repeat_and_reset() -> None:
    text = textwrap.dedent(
        """\
        action: global
        title: Shared
        logsource: {product: windows}
        detection: {condition: selection}
        ---
        detection: {selection: {EventID: 1}}
        ---
        action: repeat
        detection: {selection: {EventID: 2}}
        ---
        action: reset
        ---
        title: Alone
        """
    )
    first, second, third = read(text)
    assert first == {
        "title": "Shared",
        "logsource": {"product": "windows"},
        "detection": {"selection": {"EventID": 1}, "condition": "selection"},
    }
    assert second == {**first, "detection": {**first["detection"], "selection": {"EventID": 2}}}  # type: ignore[dict-item,index]
    assert third == {"title": "Alone"}


def test_many_documents_in_one_file_are_all_loaded() -> None:
    rules = compile_texts([("r.yml", (RULE + "---\n" + RULE.replace("5638", "5639")).encode())])
    assert len(rules.rules) == 2


@example(b"\xff\xfe\x00")
@example(b"a: \x00")
@example(b"a: \xed\xa0\x80")
@example(b"%YAML 9.9\n---\na")
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for document in documents("r.yml", content):
        assert document.problem or document.content is not None


@given(st.data())
def test_a_damaged_rule_is_loaded_or_refused(data: st.DataObject) -> None:
    content = bytearray(RULE.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=3))
    rules = compile_texts([("r.yml", bytes(content))])
    again = compile_texts([("r.yml", bytes(content))])
    assert rules == again
    assert all(one.reason for one in rules.rejected)

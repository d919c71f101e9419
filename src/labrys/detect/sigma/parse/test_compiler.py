import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from labrys.detect.sigma.ir import LogSource, RuleSet
from labrys.detect.sigma.parse import compile_texts, parse
from labrys.errors import RuleError

ID = "5638f7c0-ac70-491d-8465-2a65075e0d86"
RULE: dict[str, Any] = {
    "title": "One",
    "id": ID,
    "name": "one",
    "status": "test",
    "level": "high",
    "author": "A. Author",
    "description": "What it finds",
    "tags": ["attack.T1059", "attack.execution"],
    "falsepositives": ["Admins"],
    "references": ["https://example.org"],
    "license": "MIT",
    "advice": "Ask them",
    "logsource": {"product": "Windows", "category": "process_creation", "definition": "x"},
    "detection": {"s": {"Image": "x"}, "condition": "s"},
}


def compiled(*documents: dict[str, Any]) -> RuleSet:
    text = yaml.safe_dump_all(documents, sort_keys=False)
    return compile_texts([("rules/r.yml", text.encode())])


def test_a_rule_keeps_what_it_says_of_itself() -> None:
    (rule,) = compiled(RULE).rules
    assert (rule.uid, rule.name, rule.title, rule.level) == (ID, "one", "One", "high")
    assert (rule.status, rule.author, rule.license) == ("test", "A. Author", "MIT")
    assert rule.tags == ("attack.t1059", "attack.execution")
    assert rule.falsepositives == ("Admins",)
    assert rule.references == ("https://example.org",)
    assert rule.logsource == LogSource("process_creation", "windows", "")
    assert (rule.path, rule.advice) == ("rules/r.yml", "Ask them")


def test_slips_in_the_head_are_noted_and_do_not_keep_a_rule_from_loading() -> None:
    head = {"level": "hihg", "references": "https://example.org", "tags": None, "date": "soon"}
    rules = compiled({**RULE, **head, "author": ["x"], "title": None})
    assert rules.rules[0].level == "medium"
    assert rules.rules[0].references == ("https://example.org",)
    assert [note.reason for note in rules.warned] == [
        "has no title",
        "level `hihg` is none of informational, low, medium, high, critical",
        "author is not text",
    ]


def test_a_rule_without_an_id_has_a_stable_one() -> None:
    rule = {key: value for key, value in RULE.items() if key != "id"}
    first, again = compiled(rule), compiled(dict(reversed(rule.items())))
    assert first.rules[0].uid == again.rules[0].uid
    assert len(first.rules[0].uid) == 32
    assert compiled({**rule, "title": "Two"}).rules[0].uid != first.rules[0].uid


def test_rules_with_one_id_are_both_loaded() -> None:
    rules = compiled(RULE, {**RULE, "title": "Two"})
    assert [rule.uid for rule in rules.rules] == [ID, f"{ID}~2"]
    assert [note.reason for note in rules.warned] == [f"another rule has this id; loaded as {ID}~2"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"detection": None}, "`detection` is not a map"),
        ({"detection": {"condition": "s"}}, "no detections"),
        ({"detection": {"s": {"A": 1}, "t": {"A": 2}}}, "no condition"),
        ({"detection": {"s": {"A": 1}, "condition": 5}}, "no condition"),
        ({"logsource": None}, "no log source"),
        ({"logsource": {"definition": "x"}}, "names no category"),
        ({"logsource": {"product": ["windows"]}}, "product must be text"),
        ({"detection": {"s": {"A": 1}, "condition": "s | count() > 5"}}, "timeframe"),
        ({"detection": {"s": {"A": 1}, "condition": "s | near x", "timeframe": "5m"}}, "near x"),
        (
            {"detection": {"s": {"A": 1}, "condition": "s | avg() > 5", "timeframe": "5m"}},
            "no correlation does `avg`",
        ),
        (
            {"detection": {"s": {"A": 1}, "condition": "s | count() > 5", "timeframe": "5 min"}},
            "time span `5 min`",
        ),
        (
            {
                "detection": {
                    "s": {"A": 1},
                    "condition": ["s", "s | count() > 5"],
                    "timeframe": "5m",
                }
            },
            "several conditions",
        ),
    ],
)
def test_a_rule_that_cannot_be_loaded_says_exactly_why(change: Any, reason: str) -> None:
    rules = compiled({**RULE, **change})
    assert not rules.rules
    assert rules.rejected[0].uid == ID
    assert reason in rules.rejected[0].reason


def test_other_yaml_is_named_as_such() -> None:
    rules = compiled({"on": "push", "jobs": {}})
    assert "is not a Sigma rule" in rules.rejected[0].reason


def test_the_only_detection_needs_no_condition() -> None:
    rules = compiled({**RULE, "detection": {"s": {"A": 1}}})
    assert len(rules.rules) == 1
    assert "has no condition" in rules.warned[0].reason


def test_an_old_aggregation_becomes_a_correlation() -> None:
    section = {
        "s": {"EventID": 4625},
        "condition": "s | count(TargetUserName) by IpAddress, Computer >= 5",
        "timeframe": "5m",
    }
    rules = compiled({**RULE, "detection": section})
    (rule,), (correlation,) = rules.rules, rules.correlations
    assert (rule.uid, rules.alone) == (f"{ID}:events", (False,))
    assert (correlation.uid, correlation.kind) == (ID, "value_count")
    assert correlation.rules == (rule.uid,)
    assert correlation.group_by == ("IpAddress", "Computer")
    assert correlation.fields == ("TargetUserName",)
    assert correlation.condition == (("gte", 5.0),)
    assert (correlation.timespan_ms, correlation.level) == (300_000, "high")


@pytest.mark.parametrize(
    ("text", "kind", "fields", "group", "condition"),
    [
        ("count() > 10", "event_count", (), (), ("gt", 10.0)),
        ("count() by Host == 3", "event_count", (), ("Host",), ("eq", 3.0)),
        ("count(A) by B < 2", "value_count", ("A",), ("B",), ("lt", 2.0)),
        ("sum(Bytes) by B > 1000", "value_sum", ("Bytes",), ("B",), ("gt", 1000.0)),
        ("max(Bytes) <= 1.5", "value_max", ("Bytes",), (), ("lte", 1.5)),
    ],
)
def test_aggregations(text: str, kind: str, fields: Any, group: Any, condition: Any) -> None:
    section = {"s": {"A": 1}, "condition": f"s | {text}", "timeframe": "1h"}
    (made,) = compiled({**RULE, "detection": section}).correlations
    assert (made.kind, made.fields, made.group_by) == (kind, fields, group)
    assert made.condition == (condition,)


def test_folders_are_searched_and_hidden_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    for number, place in enumerate(["a.yml", "sub/b.yaml", ".git/c.yml", "sub/d.txt"]):
        text = yaml.safe_dump({**RULE, "title": place, "id": f"{number}"})
        (tmp_path / place).write_text(text)
    os.symlink(tmp_path, tmp_path / "sub" / "back")
    rules = parse([tmp_path, tmp_path / "a.yml"])
    assert [rule.title for rule in rules.rules] == ["a.yml", "sub/b.yaml"]
    assert rules.rules[1].path == str(tmp_path / "sub" / "b.yaml")
    assert parse([tmp_path / "sub" / "d.txt"]).rules[0].title == "sub/d.txt"


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="No such file"):
        parse([tmp_path / "nosuch"])


def test_the_digest_covers_text_lists_and_places() -> None:
    text = yaml.safe_dump(RULE).encode()
    digests = {
        compile_texts([("a", text)]).digest,
        compile_texts([("b", text)]).digest,
        compile_texts([("a", text + b"\n")]).digest,
        compile_texts([("a", text)], {"x": ["y"]}).digest,
    }
    assert len(digests) == 4
    assert compile_texts([("a", text)]).digest in digests


def test_parsing_uses_no_network_and_writes_nothing(tmp_path: Path) -> None:
    rule = {**RULE, "tags": ["attack.t1059", "d3fend.d3-ans"], "related": []}
    (tmp_path / "r.yml").write_text(yaml.safe_dump(rule))
    script = textwrap.dedent(
        """\
        import sys
        def watch(event, args):
            if event.startswith("socket.") or event in ("os.mkdir", "os.rename", "os.remove"):
                raise SystemExit(f"{event} {args}")
            if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
                raise SystemExit(f"writes {args}")
        sys.dont_write_bytecode = True
        sys.addaudithook(watch)
        from labrys.detect.sigma.parse import parse
        print(len(parse([sys.argv[1]]).rules))
        print(sorted({"requests", "diskcache", "urllib3", "http.client"} & set(sys.modules)))
        """
    )
    home = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=home,
    )
    assert done.stdout.split("\n")[:2] == ["1", "[]"], done.stderr
    assert sorted(os.listdir(tmp_path)) == ["r.yml"]

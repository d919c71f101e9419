import pickle

import pyarrow as pa
import pytest

from labrys.detect.contract import Divisible
from labrys.detect.sigma.detector import SigmaDetector
from labrys.detect.sigma.ir import RuleSet
from labrys.detect.sigma.match.engine import Engine
from labrys.detect.sigma.parse import compile_texts
from labrys.detect.sigma.part import part

STARTS = "{product: windows, category: process_creation}"
FETCHED = """
title: Fetched
id: 00000000-0000-4000-8000-0000000000aa
correlation:
  type: event_count
  rules: [00000000-0000-4000-8000-000000000001]
  group-by: [User]
  timespan: 5m
  condition: {gte: 2}
"""


def rule(number: int, source: str, detection: str, condition: str) -> str:
    return (
        f"title: Rule {number}\nid: 00000000-0000-4000-8000-{number:012d}\nlevel: low\n"
        f"logsource: {source}\ndetection:\n{detection}\n  condition: {condition}\n"
    )


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    texts = [
        rule(9, "{product: linux, service: sshd}", "  a: {Image|contains: fetch}", "a"),
        rule(
            1,
            STARTS,
            "  a: {Image|endswith: '\\a.exe'}\n  b: {CommandLine: [x, y*]}",
            "a and not b",
        ),
        rule(2, "{product: windows, service: sysmon}", "  a: {EventID: 1, User: ann}", "a"),
        rule(3, "{product: windows, service: sysmon}", "  a: {EventID: 3}", "a"),
        rule(4, STARTS, "  a: [curl, 'w?et']\n  b: {CommandLine|re: 'f.o'}", "a or b"),
        FETCHED,
    ]
    made = compile_texts([(f"{n}.yml", text.encode()) for n, text in enumerate(texts)])
    assert (made.rejected, len(made.rules)) == ((), 5)
    return made


def starts() -> pa.Table:
    lines = ["x", "yes", "no", "run curl", "foo", None, "wget"]
    count = len(lines)
    return pa.table(
        {
            "_id": [f"r{number}" for number in range(count)],
            "_time": pa.array(range(count), pa.int64()),
            "_source": ["made.evtx"] * count,
            "_offset": pa.array(range(count), pa.int64()),
            "_host": ["pc1"] * count,
            "EventID": ["1"] * count,
            "Image": ["C:\\a.exe", "C:\\b.exe"] * 3 + ["C:\\a.exe"],
            "CommandLine": lines,
            "User": ["ann", "bob", "bob", "ann", "bob", "ann", "bob"],
        }
    )


@pytest.mark.parametrize("compiled", [False, True])
def test_the_rules_of_a_shape_find_there_what_all_rules_find(
    rules: RuleSet, compiled: bool
) -> None:
    whole = SigmaDetector(rules, Engine(rules).compiled() if compiled else None)
    sent: SigmaDetector = pickle.loads(pickle.dumps(whole.for_shape("windows.sysmon.1")))
    order = [("uid", "ascending"), ("detector", "ascending")]
    found = whole.detect("windows.sysmon.1", starts()).sort_by(order)
    assert {uid[-1] for uid in found["rule_uid"].to_pylist()} == {"1", "2", "4"}
    assert len(set(found["detector"].to_pylist())) == 2, "what the correlation needs is among them"
    assert sent.detect("windows.sysmon.1", starts()).sort_by(order).equals(found)
    assert (sent.digest, sent.emits) == (whole.digest, whole.emits)


def test_no_other_rules_are_sent_along(rules: RuleSet) -> None:
    whole = SigmaDetector(rules)
    assert isinstance(whole, Divisible)
    other = whole.for_shape("windows.sysmon.3")
    assert b"fetch" not in pickle.dumps(other)
    assert [(atom.field, atom.value) for atom in part(rules, [3]).atoms] == [("EventID", "3")]
    assert whole.for_shape("zeek.conn") is None

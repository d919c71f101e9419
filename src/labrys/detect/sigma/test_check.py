from pathlib import Path

import msgspec
import pytest
import yaml

from labrys.detect.sigma.check import as_dict, check, verdicts
from labrys.detect.sigma.parse import compile_texts

HEAD = {"logsource": {"product": "linux", "service": "sshd"}}
RULES = [
    {"title": "good", "detection": {"s": ["x"], "condition": "s"}},
    {"title": "slow", "detection": {"s": {"A|re": "a(?=b)"}, "condition": "not s"}},
    {"title": "lost", "detection": {"s": ["x"], "condition": "s"}, "logsource": {"service": "?"}},
    {"title": "waits", "detection": {"s": {"A|expand": "%x%"}, "condition": "s"}},
    {"title": "broken", "detection": {"s": {"A|nosuch": 1}, "condition": "s"}},
    {"title": "odd", "level": "odd", "detection": {"s": ["x"], "condition": "s"}},
    {
        "title": "counts",
        "correlation": {
            "type": "event_count",
            "rules": "good",
            "timespan": "1m",
            "condition": {"gt": 1},
        },
    },
    {"title": "filter", "filter": {"rules": ["zz"], "s": ["x"], "condition": "not s"}},
]


def text() -> bytes:
    return yaml.safe_dump_all([HEAD | {"id": rule["title"]} | rule for rule in RULES]).encode()


def test_every_rule_gets_its_verdict() -> None:
    found = {one.uid: one for one in verdicts(compile_texts([("r.yml", text())]))}
    assert {uid: one.state for uid, one in found.items()} == {
        "good": "loaded",
        "slow": "loaded",
        "lost": "loaded",
        "waits": "waiting",
        "broken": "rejected",
        "odd": "loaded",
        "counts": "loaded",
        "filter": "loaded",
    }
    assert found["good"].shapes == ("linux.sshd",)
    assert found["good"].warnings == ()
    assert found["slow"].backtracking == ("a(?=b)",)
    assert found["lost"].warnings == ("applies to nothing: service ? is no known log source",)
    assert found["waits"].reason == "needs a list for %x%"
    assert "nosuch" in found["broken"].reason
    assert "level `odd`" in found["odd"].warnings[0]
    assert found["counts"].kind == "correlation"
    assert found["filter"].warnings == ("filter applies to no loaded rule",)


def test_rules_of_one_name_name_each_other() -> None:
    one = HEAD | {"name": "same", "detection": {"s": ["x"], "condition": "s"}}
    files = [
        (f"{uid}.yml", yaml.safe_dump(one | {"id": uid, "title": uid}).encode()) for uid in "ab"
    ]
    found = {verdict.uid: verdict for verdict in verdicts(compile_texts(files))}
    assert found["a"].warnings == ("b.yml has a rule of the name `same` too; it means this one",)
    assert found["b"].warnings == ("a.yml has a rule of the name `same` too; it means that one",)
    assert as_dict(list(found.values()))["warned"] == 2


def test_the_verdicts_are_plain_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABRYS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "r.yml").write_bytes(text())
    made = as_dict(check([tmp_path / "r.yml"], {"x": ["y"]}))
    assert {key: value for key, value in made.items() if key != "rules"} == {
        "loaded": 7,
        "waiting": 0,
        "rejected": 1,
        "warned": 3,
        "backtracking": 1,
    }
    assert msgspec.json.decode(msgspec.json.encode(made))["rules"][0]["uid"]

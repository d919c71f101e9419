"""Levels said beside rules: they change findings, the user's go before ours, bad files are named."""

from pathlib import Path

import pytest

from labrys.errors import RuleError
from labrys.scan.levels import levels
from labrys.scan.rules import builtin_rules, load

RULE = """title: Something is done
id: 11111111-2222-4333-8444-555555555555
status: test
logsource: {product: aws, service: cloudtrail}
detection: {it: {eventName: PutThing}, condition: it}
level: high
"""
SAID = '[[entry]]\nlevel = "%s"\nreason = "all do it"\nrules = ["11111111-2222-4333-8444-555555555555"]\n'


def folder(path: Path, level: str, *, rule: bool = False) -> Path:
    path.mkdir()
    (path / "levels.toml").write_text(SAID % level)
    if rule:
        (path / "rule.yml").write_text(RULE)
    return path


def test_a_level_said_beside_the_rules_counts_and_changes_the_digest(tmp_path: Path) -> None:
    mine = folder(tmp_path / "mine", "informational", rule=True)
    rules, detector = load([mine])
    assert [rule.level for rule in rules.rules] == ["informational"]
    (mine / "levels.toml").unlink()
    again, other = load([mine])
    assert [rule.level for rule in again.rules] == ["high"]
    assert other.digest != detector.digest


def test_of_several_files_the_last_counts(tmp_path: Path) -> None:
    first = folder(tmp_path / "a", "informational", rule=True)
    last = folder(tmp_path / "b", "critical")
    assert [rule.level for rule in load([first, last])[0].rules] == ["critical"]
    assert [rule.level for rule in load([last, first])[0].rules] == ["informational"]


@pytest.mark.parametrize(
    "text",
    [
        SAID % "loud",
        "[[entry]]\nlevel = 3\n",
        "[[entry",
        'entries = "x"\n',
        b"\xff\xfe".decode("latin1"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "levels.toml").write_text(text, encoding="latin1")
    with pytest.raises(RuleError, match=r"levels\.toml"):
        levels([tmp_path])


def test_ours_only_make_rules_quieter() -> None:
    assert set(levels([builtin_rules()]).values()) == {"informational", "low"}

"""Exceptions from end to end: preview, add, what the reports then say, and taking it back."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from command import Ran, labrys

RULE = "CloudTrail stopped, deleted or narrowed"


@pytest.fixture
def folder(own_demo: Path) -> Path:
    return own_demo.parent


def run(folder: Path, *words: str) -> Ran:
    return labrys(*words, "--lake", "demo/case.labrys", cwd=folder)


def titles(folder: Path) -> list[str]:
    lines = run(folder, "incidents", "--json").lines
    return [line["finding_info"]["title"] for line in lines if line["class_uid"] == 2004]


def test_an_exception_hides_until_it_is_removed(folder: Path) -> None:
    before = titles(folder)
    assert RULE in before
    shown = run(folder, "exceptions", "preview", "--rule", RULE)
    assert shown.code == 0
    assert "findings" in shown.text
    assert titles(folder) == before, "a preview changes nothing"

    made = run(folder, "exceptions", "add", "--rule", RULE, "--why", "our installer", "--json")
    assert made.code == 0, made.err
    said = orjson.loads(made.out)
    assert said["hides"] == before.count(RULE)
    assert RULE not in titles(folder)
    again = labrys("scan", "demo/evidence", "--lake", "demo/case.labrys", "-q", cwd=folder)
    assert "our installer" in again.text
    assert RULE not in again.text.replace("our installer", "")

    listed = orjson.loads(run(folder, "exceptions", "list", "--json").out)
    assert [(each["id"], each["hides"], each["why"]) for each in listed] == [
        (said["exceptions"][0]["id"], said["hides"], "our installer")
    ]
    assert run(folder, "exceptions", "remove", listed[0]["id"]).code == 0
    assert titles(folder) == before


def test_one_command_silences_an_incident(folder: Path) -> None:
    words = ("exceptions", "add", "--incident", "1", "--why", "a test of ours", "--json")
    said = orjson.loads(run(folder, *words).out)
    assert said["incidents_after"] < said["incidents_before"]
    assert said["incidents"][0]["after"] == 0


def test_what_hides_everything_is_refused(folder: Path) -> None:
    for words in (
        ("--why", "x"),
        ("--entity", "host=*", "--why", "x"),
        ("--entity", "planet=mars", "--why", "x"),
        ("--rule", RULE, "--why", " "),
    ):
        ran = run(folder, "exceptions", "add", *words)
        assert ran.code == 2, ran.err
    assert run(folder, "exceptions", "list").text == "no exceptions\n"


def incidents(folder: Path) -> list[dict[str, Any]]:
    lines = run(folder, "incidents", "--json").lines
    return [line for line in lines if line["class_uid"] == 2005]


def test_a_split_is_remembered_and_can_be_undone(folder: Path) -> None:
    before = incidents(folder)
    words = ("judge", "split", "1", "--entity", "host=web01", "--why", "another matter")
    ran = run(folder, *words)
    assert ran.code == 0, ran.err
    assert len(incidents(folder)) == len(before) + 1
    (made,) = orjson.loads(run(folder, "judge", "list", "--json").out)
    assert made["kind"] == "apart"
    merged = run(folder, "judge", "merge", "1", "2", "--why", "the same after all")
    assert merged.code == 0, merged.err
    for each in orjson.loads(run(folder, "judge", "list", "--json").out):
        assert run(folder, "judge", "undo", each["id"]).code == 0
    assert incidents(folder) == before


def test_one_person_does_not_teach_that_a_broad_attack_is_normal(folder: Path) -> None:
    score = incidents(folder)[0]["unmapped"]["score"]
    first = run(folder, "judge", "normal", "1", "--why", "a drill", "--who", "anna")
    assert "second person" in first.text
    assert incidents(folder)[0]["unmapped"]["score"] == score
    second = run(folder, "judge", "normal", "1", "--why", "a drill", "--who", "ben")
    assert "second person" not in second.text
    assert incidents(folder)[0]["unmapped"]["score"] < score
    run(folder, "judge", "attack", "1", "--why", "it was none", "--who", "cleo")
    assert incidents(folder)[0]["unmapped"]["score"] == score

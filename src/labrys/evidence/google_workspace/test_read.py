"""Workspace activities, in every form the samples have it."""

from pathlib import Path
from typing import Any

import pytest

from labrys.evidence.google_workspace.events import recognise
from labrys.evidence.test_cloud_event import read_events, read_rows
from labrys.evidence.values import MULTI

SAMPLES = Path(__file__).parent / "samples"


def test_one_row_for_each_event() -> None:
    created, assigned, triggered = read_rows("google_workspace", SAMPLES / "activities.json")
    assert (created["name"], assigned["name"]) == ("CREATE_USER", "ASSIGN_ROLE")
    assert created["_offset"] == assigned["_offset"]
    assert created["eventService"] == "admin.googleapis.com"
    assert assigned["parameters.ROLE_NAME"] == "_SEED_ADMIN_ROLE"
    assert "parameters.ROLE_NAME" not in created
    assert assigned["actor.email"] == "admin@example.com"
    assert triggered["parameters.actions"].split(MULTI) == ["a", "b"]
    assert triggered["parameters.has_alert"] == "true"
    assert triggered["parameters.count"] == "3"
    assert triggered["parameters.matched.detector"] == "cc"
    assert triggered["parameters.triggers.id"].split(MULTI) == ["1", "2"]
    assert triggered["_time"] == 1_741_065_840_000


def test_cloud_logging_speaks_the_same_names() -> None:
    failed, _, _ = read_rows("google_workspace", SAMPLES / "logging.ndjson")
    assert (failed["name"], failed["type"]) == ("login_failure", "login")
    assert failed["eventService"] == "login.googleapis.com"
    assert failed["protoPayload.metadata.event.eventName"] == "login_failure"
    assert failed["parameters.login_type"] == "google_password"
    assert failed["parameters.login_challenge_method"] == "password"


def test_parameters_that_are_no_list_of_pairs(tmp_path: Path) -> None:
    head = {"id": {"applicationName": "drive"}}
    rows = read_events(
        "google_workspace",
        tmp_path,
        {**head, "name": "x", "parameters": {"a": {"b": [1, 2]}, "c": "d"}},
        {**head, "parameters": "text", "events": [{"name": "y", "parameters": ["z", {"q": 1}]}]},
        {**head, "events": ["odd", 5]},
        {**head, "events": []},
    )
    assert [row.get("name") for row in rows] == ["x", "y", None, None, None]
    assert rows[0]["parameters.a.b"].split(MULTI) == ["1", "2"]
    assert rows[1]["parameters"].split(MULTI) == ["text", "z", '{"q":1}']
    assert [row.get("event") for row in rows[2:4]] == ["odd", "5"]


@pytest.mark.parametrize(
    "record",
    [{}, {"id": "x"}, {"id": {"time": "x"}}, {"kind": "admin#reports"}, {"kind": 7}],
)
def test_not_workspace(record: dict[str, Any]) -> None:
    assert recognise(record) is None

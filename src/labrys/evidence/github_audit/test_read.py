"""The audit log, in every form the samples have it."""

from pathlib import Path
from typing import Any

import pytest

from labrys.evidence.github_audit.events import recognise
from labrys.evidence.test_cloud_event import read_rows

SAMPLES = Path(__file__).parent / "samples"


@pytest.mark.parametrize("name", ["export.json", "export.ndjson"])
def test_export(name: str) -> None:
    added, cloned = read_rows("github_audit", SAMPLES / name)
    assert added["action"] == "repo.add_member"
    assert added["_time"] == 1_741_066_140_123
    assert added["@timestamp"] == "1741066140123"
    assert added["actor_location.country_code"] == "CH"
    assert cloned["programmatic_access_type"] == "SSH key"
    assert cloned["user"] == ""


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"action": "repo.create"},
        {"action": "opened", "actor": "x", "org": "y", "repo": "z"},
        {"action": "repo.create", "actor": {"id": 1}, "org": "y", "repo": "z"},
        {"action": "a.b", "actor": "x", "org": "y", "repo": "z", "repository": {"id": 1}},
        {"action": "a b.c", "actor": "x", "org": "y", "repo": "z"},
    ],
)
def test_not_an_audit_entry(record: dict[str, Any]) -> None:
    assert recognise(record) is None

"""Audit log entries, in every form the samples have it."""

from pathlib import Path
from typing import Any

import pytest

from labrys.evidence.gcp_audit.events import recognise
from labrys.evidence.test_cloud_event import read_rows
from labrys.evidence.values import MULTI

SAMPLES = Path(__file__).parent / "samples"


def test_entries() -> None:
    created, denied = read_rows("gcp_audit", SAMPLES / "entries.json")
    assert created["protoPayload.methodName"] == "google.iam.admin.v1.CreateServiceAccountKey"
    assert created["protoPayload.authorizationInfo.granted"].split(MULTI) == ["true", "false"]
    assert created["status"] == "success"
    assert created["_time"] == 1_741_065_960_123
    assert denied["status"] == "failure"
    assert denied["protoPayload.status.code"] == "7"


def test_other_exports_and_workspace_between() -> None:
    entry, workspace, warehoused, message = read_rows("gcp_audit", SAMPLES / "mixed.ndjson")
    assert workspace["shape"] == "google.workspace"
    assert warehoused["logName"] == entry["logName"]
    assert warehoused["protoPayload.serviceName"] == "iam.googleapis.com"
    assert warehoused["_time"] == 1_741_066_020_000
    assert message["envelope.messageId"] == "77"
    assert message["protoPayload.status.message"] == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"protoPayload": "x"},
        {"protoPayload": {}},
        {"protoPayload": {"@type": "type.googleapis.com/google.appengine.logging.v1.RequestLog"}},
        {"methodName": "x"},
    ],
)
def test_not_an_audit_entry(record: dict[str, Any]) -> None:
    assert recognise(record) is None

"""Entra, in every form the samples have it."""

from pathlib import Path
from typing import Any

import pytest

from labrys.evidence.entra.events import recognise
from labrys.evidence.test_cloud_event import read_events, read_rows
from labrys.evidence.values import MULTI

SAMPLES = Path(__file__).parent / "samples"


def test_sign_in_of_graph() -> None:
    (row,) = read_rows("entra", SAMPLES / "signins.json")
    assert row["status.errorCode"] == "50126"
    assert row["Status"].split(MULTI) == ["Failure", "Invalid username or password"]
    assert row["outcome"] == "failure"
    assert row["protocol"] == "Device Code"
    assert row["location.countryOrRegion"] == "CH"
    assert row["_time"] == 1_741_065_000_000


def test_diagnostic_settings() -> None:
    sign_in, audit, risk, activity = read_rows("entra", SAMPLES / "diagnostic.ndjson")
    assert sign_in["outcome"] == "success"
    assert sign_in["Status"].split(MULTI)[0] == "Success"
    assert sign_in["_time"] == 1_741_065_000_000  # when it happened, not when it was exported
    assert audit["activity"] == "Update user"
    assert audit["modifiedProperties.UserType"] == "Member"
    assert audit["modifiedProperties.UserType.oldValue"] == "Guest"
    assert audit["properties.targetResources"].startswith('[{"id":"u-2"')
    assert (risk["shape"], risk["properties.riskLevel"]) == ("entra.risk", "medium")
    assert activity["shape"] == "azure.activity"


def test_directory_audit() -> None:
    (row,) = read_rows("entra", SAMPLES / "audits.json")
    assert row["activity"] == "Add member to role"
    assert row["modifiedProperties.Role.DisplayName"] == "Global Administrator"
    assert row["additionalDetails.User-Agent"] == "python-requests/2.31"
    assert row["targetResources.type"].split(MULTI) == ["User", "Role"]
    assert "Global Administrator" in row["targetResources"]


def test_risk_pim_and_table() -> None:
    risk, alert, request, table = read_rows("entra", SAMPLES / "risk_and_pim.ndjson")
    assert [row["shape"] for row in (risk, alert, request, table)] == [
        "entra.risk",
        "entra.pim",
        "entra.pim",
        "entra.signin",
    ]
    assert risk["riskEventType"] == "anonymizedIPAddress"
    assert alert["riskEventType"] == "noMfaOnRoleActivationAlertIncident"
    assert request["action"] == "selfActivate"
    assert (table["ResultType"], table["outcome"]) == ("50053", "failure")
    assert table["_time"] == 1_741_065_358_000


def test_portal_table() -> None:
    failed, good = read_rows("entra", SAMPLES / "signins.csv")
    assert failed["User agent"] == 'Mozilla/5.0 (Windows NT 10.0, "test")'
    assert failed["outcome"] == "failure"
    assert failed["Sign-in error code"] == "50126"
    assert failed["_time"] == 1_741_065_420_000
    assert good["outcome"] == "success"
    assert good["IP address"] == "2001:db8::1"
    assert "Location" not in good


def test_interrupted_portal_sign_in_is_no_success(tmp_path: Path) -> None:
    row = {"Date (UTC)": "2025-01-01", "Request ID": "1", "Application": "a", "IP address": "b"}
    (found,) = read_events("entra", tmp_path, {**row, "Status": "Interrupted"})
    assert (found["Status"], found["outcome"]) == ("Interrupted", "failure")


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"category": "AuditLogs"},
        {"createdDateTime": "2025-01-01T00:00:00Z", "userPrincipalName": "x"},
        {
            "category": "AuditLogs",  # Intune's
            "time": "2025-01-01T00:00:00Z",
            "properties": {"ActivityDate": "1/1/2025", "ActivityResultStatus": 1},
        },
    ],
)
def test_not_entra(record: dict[str, Any]) -> None:
    assert recognise(record) is None

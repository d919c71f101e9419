"""Azure Activity, in every form the samples have it."""

from pathlib import Path

import orjson
import pytest

from labrys.evidence.azure_activity.events import recognise
from labrys.evidence.registry import choose
from labrys.evidence.test_cloud_event import read_rows

SAMPLES = Path(__file__).parent / "samples"
SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"


def test_diagnostic_settings_and_entra_in_one_file() -> None:
    activity, sign_in = read_rows("azure_activity", SAMPLES / "diagnostic.json")
    assert activity["operation"] == "MICROSOFT.COMPUTE/VIRTUALMACHINES/DELETE"
    assert activity["resourceProvider"] == "MICROSOFT.COMPUTE"
    assert activity["subscription"] == SUBSCRIPTION
    assert activity["properties.message"] == "Microsoft.Compute/virtualMachines/delete"
    assert activity["_time"] == 1_741_064_767_123
    assert sign_in["shape"] == "entra.signin"


def test_activity_log_list() -> None:
    (row,) = read_rows("azure_activity", SAMPLES / "list.json")
    assert row["operationName.value"] == "Microsoft.Authorization/roleAssignments/write"
    assert row["operation"] == row["operationName.value"]
    assert row["category.value"] == "Administrative"
    assert row["resourceProvider"] == "Microsoft.Authorization"
    assert row["clientAddress"] == "203.0.113.10"
    assert row["subscription"] == SUBSCRIPTION
    assert row["properties.requestbody"] == '{"Id":"1"}'


def test_the_names_of_the_sdk_for_python(tmp_path: Path) -> None:
    resource = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/r/providers/Microsoft.Compute/disks/d"
    record = {
        "authorization": {"action": "Microsoft.Compute/disks/delete"},
        "claims": {"appid": "a", "under_score": "kept"},
        "caller": "ann@firm.example",
        "category": {"value": "Administrative", "localized_value": "Administrative"},
        "http_request": {"client_ip_address": "203.0.113.9", "method": "DELETE"},
        "operation_name": {"value": "Microsoft.Compute/disks/delete", "localized_value": "Delete"},
        "resource_id": resource,
        "status": {"value": "Started", "localized_value": "Started"},
        "event_timestamp": "2026-03-04T05:06:07.123Z",
        "subscription_id": SUBSCRIPTION,
    }
    path = tmp_path / "log.jsonl"
    path.write_bytes(orjson.dumps(record) + b"\n")
    chosen = choose(path.read_bytes(), "x")
    assert chosen is not None
    assert chosen.id == "azure_activity"
    (row,) = read_rows("azure_activity", path)
    assert (row["operation"], row["caller"]) == (
        *("Microsoft.Compute/disks/delete", "ann@firm.example"),
    )
    assert (row["clientAddress"], row["_time"]) == ("203.0.113.9", 1_772_600_767_123)
    assert row["claims.under_score"] == "kept"


def test_event_hub_resource_log_and_table() -> None:
    activity, blob, table = read_rows("azure_activity", SAMPLES / "hub.ndjson")
    assert activity["callerIpAddress"] == "203.0.113.9"
    assert blob["clientAddress"] == "203.0.113.12"
    assert blob["callerIpAddress"] == "203.0.113.12:45123"
    assert "resourceProvider" not in blob
    assert table["CategoryValue"] == "Administrative"
    assert table["subscription"] == SUBSCRIPTION


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"operationName": "x"},
        {"operationName": "x", "resourceId": "y"},
        {"operationName": "x", "time": "2025-01-01T00:00:00Z"},
        {"OperationNameValue": "x"},
        {"operationName": "x", "resourceId": "y", "time": 1, "category": "SignInLogs"},
        {"operationName": "x", "resourceId": "y", "time": 1, "category": "kube-audit"},
    ],
)
def test_not_azure(record: dict[str, object]) -> None:
    assert recognise(record) is None

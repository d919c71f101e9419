"""The unified audit log, in every form the samples have it."""

from pathlib import Path
from typing import Any

import pytest

from labrys.evidence.m365_audit.events import recognise
from labrys.evidence.test_cloud_event import read_events, read_rows
from labrys.evidence.values import MULTI

SAMPLES = Path(__file__).parent / "samples"


def test_lists_of_name_and_value_become_columns() -> None:
    logon, rule, role = read_rows("m365_audit", SAMPLES / "records.ndjson")
    assert logon["ExtendedProperties.UserAgent"] == "python-requests/2.31"
    assert logon["ClientAddress"] == "2001:db8::7"
    assert logon["status"] == "failure"  # ResultStatus says Success of a failed logon
    assert rule["Parameters.ForwardTo"] == "mallory@example.net"
    assert rule["Parameters.Name"].split(MULTI) == ["Name", "ForwardTo", "DeleteMessage", ".."]
    assert '"DeleteMessage"' in rule["Parameters"]
    assert rule["ClientAddress"] == "198.51.100.9"
    assert role["ModifiedProperties.Role.DisplayName"] == "Company Administrator"
    assert role["ModifiedProperties.Role.DisplayName.OldValue"] == ""
    assert role["_time"] == 1_741_065_660_000


@pytest.mark.parametrize("name", ["search.csv", "search_utf16.csv"])
def test_table_with_the_record_in_a_cell(name: str) -> None:
    logon, rule, cut = read_rows("m365_audit", SAMPLES / name)
    plain = read_rows("m365_audit", SAMPLES / "records.ndjson")
    for row, same in zip((logon, rule), plain, strict=False):
        ours = {key: value for key, value in row.items() if key in same and key[0] != "_"}
        assert ours == {key: value for key, value in same.items() if key[0] != "_"}
        assert row["_time"] == same["_time"]
    besides = {"RunspaceId", "ResultIndex", "ResultCount", "IsValid", "ObjectState"}
    assert besides <= logon.keys()
    assert not {"CreationDate", "UserIds", "Operations", "Identity", "AuditData"} & logon.keys()
    assert logon["envelope.RecordType"] == "AzureActiveDirectoryStsLogon"
    assert (cut["shape"], cut["AuditData"]) == ("csv.record", "{cut off")


def test_graph_query_result() -> None:
    (row,) = read_rows("m365_audit", SAMPLES / "graph.json")
    assert row["Operation"] == "New-InboxRule"
    assert row["auditLogRecordType"] == "exchangeAdmin"
    assert "operation" not in row


def test_lower_cased_names(tmp_path: Path) -> None:
    record = {
        "creationtime": "2025-03-04 05:06:07",
        "operation": "Set-Mailbox",
        "recordtype": 1,
        "workload": "Exchange",
        "parameters": [{"Name": "ForwardingSmtpAddress", "Value": "smtp:x@example.net"}],
    }
    (row,) = read_events("m365_audit", tmp_path, record)
    assert row["Operation"] == "Set-Mailbox"
    assert row["Parameters.ForwardingSmtpAddress"] == "smtp:x@example.net"
    assert row["_time"] == 1_741_064_767_000


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"Operation": "x"},
        {"Operation": 1, "CreationTime": "2025-01-01", "Workload": "x"},
        {"AuditData": "[]"},
        {"AuditData": "{"},
        {"AuditData": None},
    ],
)
def test_not_unified_audit(record: dict[str, Any]) -> None:
    assert recognise(record) is None

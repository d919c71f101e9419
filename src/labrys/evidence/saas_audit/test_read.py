"""Audit logs of software services: who did what, whatever the service."""

from pathlib import Path

import pytest

from labrys.evidence.saas_audit.events import recognise, vendors, words
from labrys.evidence.test_cloud_event import read_rows

SAMPLES = Path(__file__).parent / "samples"
SAYS = ("audit_action", "audit_actor", "audit_address", "audit_target", "audit_outcome")


def test_who_did_what() -> None:
    rows = read_rows("saas_audit", SAMPLES / "events.ndjson")
    assert [row["shape"].removeprefix("saas.") for row in rows] == [
        *("slack", "databricks", "duo", "snowflake_login", "onepassword", "gitlab", "dropbox"),
        "json.record",
    ]
    slack, databricks, duo, snowflake, password, gitlab, dropbox, _ = rows
    assert [slack[name] for name in SAYS[:4]] == [
        *("private_channel_converted_to_public", "dana@example.com", "192.0.2.7", "plans"),
    ]
    assert slack["_time"] == 1_772_600_767_000
    assert databricks["audit_words"] == "accounts generate db token"
    assert databricks["audit_outcome"] == "success"
    assert (duo["audit_outcome"], duo["audit_target"]) == ("failure", "VPN")
    assert (snowflake["USER_NAME"], snowflake["audit_outcome"]) == ("DANA", "success")
    assert password["audit_outcome"] == "failure"
    assert gitlab["audit_words"] == "project visibility level updated visibility public"
    assert dropbox["audit_action"] == "two_account_change_policy"
    assert all("_time" in row for row in rows[:-1])


@pytest.mark.parametrize(
    ("action", "wanted"),
    [
        ("UpdateIPRestrictions", "update ip restrictions"),
        ("org.service_account.create", "org service account create"),
        ("Action - Executed Remotely", "action executed remotely"),
        ("MFADisabled", "mfa disabled"),
        ("", ""),
    ],
)
def test_words(action: str, wanted: str) -> None:
    assert words(action) == wanted


def test_every_vendor_says_who_and_what() -> None:
    for vendor in vendors():
        assert {"action", "actor"} <= vendor.says.keys(), vendor.id
        assert vendor.needs
        assert vendor.time


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"action": "a", "actor": "b"},
        {"event_type": "alert", "src_ip": "192.0.2.1", "alert": {}},
        {"type": "response", "request": "GET / HTTP/1.1"},
        {"serviceName": None, "actionName": "x"},
        {"event": "x", "content": "y"},
    ],
)
def test_what_is_none(record: dict[str, object]) -> None:
    assert recognise(record) is None

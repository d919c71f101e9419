import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.testing import Row
from labrys.evidence.windows_json.read import read, sniff

HERE = Path(__file__).parent
SAMPLES = sorted((HERE / "samples").iterdir())


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


def read_bytes(raw: bytes) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(raw)
        return rows(path)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_known_by_its_content(path: Path) -> None:
    assert sniff(path.read_bytes(), "x") > 0.7


def test_other_json_is_left_to_others() -> None:
    assert sniff(b'{"eventVersion":"1.08","eventName":"x","eventID":"y"}\n', "x") == 0.0
    assert sniff(b'{"EventID":1,"other":2}', "x") == 0.0
    assert sniff(b'[{"a":1}]', "x") == 0.0
    assert sniff(b"Event", "x.json") == 0.0
    assert sniff(b"", "x.json") == 0.0


def test_an_event_longer_than_what_is_sniffed_is_known() -> None:
    text = b'{"EventID":1,"Channel":"Security","Message":"' + b"x" * 100_000 + b'"}'
    assert sniff(text[: 64 << 10], "x") > 0.4


@pytest.mark.parametrize(
    ("fields", "time"),
    [
        (
            {"EventTime": "2024-05-06 09:08:09", "@timestamp": "2024-05-06T07:08:10Z"},
            1_714_979_290_000,
        ),
        ({"EventTime": "2024-05-06 09:08:09"}, 1_714_986_489_000),
        (
            {"EventTime": "2024-05-06T09:08:09+02:00", "@timestamp": "2024-05-06T07:09:00Z"},
            1_714_979_289_000,
        ),
        ({"TimeCreated": "2024-05-06 07:08:09.500"}, 1_714_979_289_500),
        ({"TimeCreated": {"value": 1}}, None),
        ({}, None),
    ],
)
def test_a_time_with_its_zone_is_believed_before_one_without(
    fields: dict[str, Any], time: int | None
) -> None:
    text = json.dumps({"EventID": 1, "Channel": "Security", **fields})
    (row,) = read_bytes(text.encode())
    assert row.get("_time") == time


def test_what_no_dialect_expects_is_kept() -> None:
    text = json.dumps(
        {
            "EventID": 1,
            "Channel": "Security",
            "_id": "theirs",
            "nested": {"a": [1, {"b": 2}]},
            "Keywords": "a, b",
            "TimeCreated": [],
        }
    )
    (row,) = read_bytes(text.encode())
    assert row["__id"] == "theirs"
    assert (row["nested.a"], row["nested.a.b"], row["Keywords"]) == ("1", "2", "a, b")


EVENTLOG = "Microsoft-Windows-Eventlog"
USER = {"SubjectUserName": "ann"}


@pytest.mark.parametrize(
    "record",
    [
        {"EventID": 104, "Provider_Name": EVENTLOG, "Channel": ["System", "Security"], **USER},
        {"EventID": 104, "Provider_Name": EVENTLOG, "LogName": "System", "Channel": "Security"},
        {"result": {"EventCode": "104", "LogName": ["System", "Security"], "SourceName": EVENTLOG}},
        {
            "winlog": {
                "event_id": "104",
                "channel": "System",
                "provider_name": EVENTLOG,
                "user_data": {"xml_name": "LogFileCleared", "Channel": "Security", **USER},
            }
        },
        {
            "win": {
                "system": {"eventID": "104", "channel": "System", "providerName": EVENTLOG},
                "logFileCleared": {"channel": "Security", "subjectUserName": "ann"},
            }
        },
        {
            "Id": 104,
            "LogName": "System",
            "ProviderName": EVENTLOG,
            "Properties": [{"Value": value} for value in ("ann", "corp", "Security", "")],
        },
    ],
    ids=["list", "two names", "list of another name", "winlogbeat", "wazuh", "get-winevent"],
)
def test_the_log_that_was_cleared_is_the_channel_as_in_evtx(record: dict[str, Any]) -> None:
    (row,) = read_bytes(json.dumps(record).encode())
    assert row["shape"] == "windows.system.104"
    assert (row["Channel"], row["System_Channel"]) == ("Security", "System")
    assert row.get("SubjectUserName", "ann") == "ann"


def test_what_a_flat_record_has_twice_follows_the_rule_for_system_and_data() -> None:
    record = {
        "EventID": [1, 7],
        "Channel": ["Application"],
        "Version": [2, "1.0", "1.1"],
        "Keywords": ["Classic", "Audit"],
        "Computer": ["pc1", "pc2"],
    }
    (row,) = read_bytes(json.dumps(record).encode())
    assert (row["shape"], row["_host"], row["Channel"]) == (
        "windows.application.1",
        "pc1",
        "Application",
    )
    assert (row["EventID"], row["EventData_EventID"]) == ("1", "7")
    assert (row["System_Version"], row["Version"]) == ("2", "1.0\x1e1.1")
    assert (row["Keywords"], row["EventData_Computer"]) == ("Classic\x1eAudit", "pc2")


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_damage_is_reported_not_raised(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(SAMPLES)).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    sniff(bytes(raw), "x")
    assert read_bytes(bytes(raw)) == read_bytes(bytes(raw))


def test_evtxecmd_and_what_hayabusa_says_of_an_event() -> None:
    payload = json.dumps({"EventData": {"Data": [{"@Name": "TargetUserName", "#text": "anna"}]}})
    event = {
        "EventId": 4625,
        "Channel": "Security",
        "ChunkNumber": 0,
        "Payload": payload,
        "Provider": "Microsoft-Windows-Security-Auditing",
        "Computer": "pc-7",
        "TimeCreated": "2026-03-04T05:06:07.0000000+00:00",
        "Keywords": "Audit failure",
    }
    (row,) = read_bytes(json.dumps(event).encode())
    assert (row["shape"], row["TargetUserName"]) == ("windows.security.4625", "anna")
    assert (row["_time"], row["Keywords"]) == (1_772_600_767_000, "0x8010000000000000")
    said = {"RuleTitle": "Made up", "Level": "high", "Channel": "Sec", "EventID": 4625}
    assert sniff(json.dumps(said).encode(), "x") == 0.0

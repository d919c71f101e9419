"""CloudTrail, in every form the samples have it."""

from pathlib import Path

import orjson
import pytest

from labrys.evidence.aws_cloudtrail.events import recognise
from labrys.evidence.test_cloud_event import read_events, read_rows
from labrys.evidence.values import MULTI

SAMPLES = Path(__file__).parent / "samples"


def test_records_file() -> None:
    login, policy, versioning, denied = read_rows("aws_cloudtrail", SAMPLES / "records.json")
    assert login["responseElements.ConsoleLogin"] == "Failure"
    assert login["status"] == "failure"
    assert login["additionalEventData.MFAUsed"] == "No"
    assert policy["status"] == "success"
    assert policy["requestParameters.policyDocument"].startswith('{"Statement"')
    assert "errorCode" not in policy
    assert "Suspended" in versioning["requestParameters"]
    assert versioning["requestParameters.VersioningConfiguration.Status"] == "Suspended"
    assert versioning["resources.ARN"].split(MULTI) == [
        "arn:aws:s3:::example-logs",
        "arn:aws:s3:::example-logs/*",
    ]
    assert versioning["userIdentity.sessionContext.sessionIssuer.type"] == "Role"
    assert denied["errorCode"] == "AccessDenied"
    assert denied["readOnly"] == "true"
    assert {row["_time"] for row in (login, policy, versioning, denied)} == {1_741_064_767_000}


def test_insight_digest_and_what_is_neither() -> None:
    rows = read_rows("aws_cloudtrail", SAMPLES / "lines.ndjson")
    assert [row["shape"] for row in rows] == [
        "aws.cloudtrail",
        "aws.cloudtrail",
        "aws.cloudtrail_digest",
        "unparsed",
        "json.record",
    ]
    _, insight, digest, broken, other = rows
    assert insight["insightDetails.insightContext.statistics.insight.average"] == "120.25"
    assert insight["_time"] == 1_741_068_000_000
    assert digest["logFiles.s3Object"] == "log.json.gz"
    assert digest["_time"] == 1_741_068_000_000
    assert broken["raw"].startswith('{"eventVersion"')
    assert other["note"] == "not an event"


def test_whatever_carried_the_events() -> None:
    rows = read_rows("aws_cloudtrail", SAMPLES / "wrapped.ndjson")
    bridge, logged, message, looked_up, searched, warehoused = rows
    assert bridge["envelope.detail-type"] == "AWS API Call via CloudTrail"
    assert bridge["eventName"] == "PutUserPolicy"
    assert logged["envelope.logGroup"] == "trail"
    assert logged["eventName"] == "ConsoleLogin"
    assert (message["shape"], message["message"]) == ("json.record", "not an event")
    assert looked_up["envelope.Username"] == "build"
    assert looked_up["requestParameters.bucketName"] == "example-logs"
    assert searched["envelope._id"] == "x"
    assert searched["errorCode"] == "AccessDenied"
    plain = {name for name in warehoused if not name.startswith("_")}
    assert plain == {name for name in searched if not name.startswith(("_", "envelope."))}


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"eventName": "x"},
        {"eventName": "x", "eventSource": "y"},
        {"logFiles": "x", "digestEndTime": 1},
        {"EventName": "x", "EventSource": "y", "EventTime": 1, "CloudTrailEvent": "{}"},
    ],
)
def test_not_cloudtrail(record: dict[str, object]) -> None:
    assert recognise(record) is None


def test_hidden_json_that_is_broken_stays(tmp_path: Path) -> None:
    summary = {"EventName": "x", "EventSource": "y", "CloudTrailEvent": '{"eventName": '}
    (row,) = read_events("aws_cloudtrail", tmp_path, summary)
    assert row["shape"] == "json.record"
    assert row["CloudTrailEvent"] == '{"eventName": '


def test_deep_request_parameters_are_cut_as_text(tmp_path: Path) -> None:
    nested: object = "bottom"
    for _ in range(40):
        nested = {"a": nested}
    event = {"eventVersion": "1", "eventSource": "s", "eventName": "n", "requestParameters": nested}
    (row,) = read_events("aws_cloudtrail", tmp_path, event)
    assert orjson.loads(row["requestParameters"]) == nested
    assert "bottom" in next(v for k, v in row.items() if k.startswith("requestParameters.a"))

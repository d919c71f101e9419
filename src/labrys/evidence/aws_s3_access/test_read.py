"""S3 server access logs as text and as rows of a table."""

from pathlib import Path

import pytest

from labrys.evidence.aws_s3_access.line import parse
from labrys.evidence.test_cloud_event import read_rows

SAMPLES = Path(__file__).parent / "samples"


def test_lines() -> None:
    console, read, refused, broken = read_rows("aws_s3_access", SAMPLES / "access.log")
    assert console["anonymous"] == "false"
    assert console["aclrequired"] == "Yes"
    assert console["_time"] == 1_772_600_767_000
    assert (read["anonymous"], read["status"]) == ("true", "success")
    assert read["key"] == "people/list%20of%20names.csv"
    # A quotation mark in what a client says of itself is written as it is.
    assert read["useragent"] == 'curl/8.5.0 (an"odd"one)'
    assert "errorcode" not in read
    assert (refused["status"], refused["errorcode"]) == ("failure", "AccessDenied")
    assert broken["shape"] == "unparsed"


def test_rows_of_a_table() -> None:
    listed, deleted, other = read_rows("aws_s3_access", SAMPLES / "table.ndjson")
    assert (listed["anonymous"], listed["operation"]) == ("true", "REST.GET.BUCKET")
    assert deleted["bucket_name"] == "example-files"
    assert (deleted["anonymous"], deleted["status"]) == ("false", "success")
    assert other["shape"] == "json.record"


@pytest.mark.parametrize(
    "line", ["", "a b [c] d", '"' * 10_000, "[" * 10_000, 'a b "' + "\\" * 9999]
)
def test_other_lines_are_none(line: str) -> None:
    assert parse(line) is None

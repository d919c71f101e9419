"""The System Log, in every form the samples have it."""

from pathlib import Path
from typing import Any

import pytest

from labrys.evidence.okta.events import recognise
from labrys.evidence.test_cloud_event import read_rows
from labrys.evidence.values import MULTI

SAMPLES = Path(__file__).parent / "samples"


def test_api_page() -> None:
    start, reset = read_rows("okta", SAMPLES / "log.json")
    assert start["eventType"] == "user.session.start"
    assert start["client.userAgent.rawUserAgent"] == "Mozilla/5.0"
    assert start["target.displayName"].split(MULTI) == ["Okta Admin Console", "Alice"]
    assert start["securityContext.isProxy"] == "false"
    assert start["debugContext.debugData.behaviors"] == "{New IP=POSITIVE}"
    assert start["_time"] == 1_741_065_720_123
    assert reset["outcome.result"] == "FAILURE"


def test_lower_cased_and_streamed() -> None:
    _, lowered, streamed = read_rows("okta", SAMPLES / "lines.ndjson")
    assert lowered["debugContext.debugData.requestUri"] == "/api/v1/authn"
    assert streamed["envelope.source"] == "aws.partner/okta.com/example"
    own = {key: value for key, value in lowered.items() if key[0] != "_"}
    assert own.items() <= streamed.items()


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"eventType": "user.session.start"},
        {"eventType": "login", "actor": {}, "outcome": {}, "published": "x", "client": {}},
        {"eventType": 7, "actor": {}, "outcome": {}, "published": "x", "client": {}},
        {"eventType": "a.b", "actor": "x", "outcome": "y", "published": "z"},
    ],
)
def test_not_okta(record: dict[str, Any]) -> None:
    assert recognise(record) is None

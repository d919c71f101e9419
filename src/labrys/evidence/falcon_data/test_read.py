"""Events of Falcon's sensors."""

from pathlib import Path

from labrys.evidence.test_cloud_event import read_rows

SAMPLES = Path(__file__).parent / "samples"


def test_events() -> None:
    process, name, flow, other = read_rows("falcon_data", SAMPLES / "events.ndjson")
    assert process["shape"] == "falcon.processrollup2"
    assert process["_time"] == 1_772_600_767_000
    assert name["DomainName"] == "updates.example.com"
    assert (flow["shape"], flow["proto"]) == ("falcon.networkconnectip4", "tcp")
    assert other["shape"] == "json.record"

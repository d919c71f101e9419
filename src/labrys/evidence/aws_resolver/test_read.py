"""Route 53 Resolver's questions."""

from pathlib import Path

from labrys.evidence.test_cloud_event import read_rows
from labrys.evidence.values import MULTI

SAMPLES = Path(__file__).parent / "samples"


def test_questions() -> None:
    asked, blocked, other = read_rows("aws_resolver", SAMPLES / "queries.ndjson")
    assert asked["query"] == "updates.example.com"
    assert asked["answer"].split(MULTI) == ["cdn.example.net.", "203.0.113.9"]
    assert asked["srcids.instance"] == "i-0a1"
    assert asked["_time"] == 1_772_600_767_000
    assert (blocked["firewall_rule_action"], blocked["rcode"]) == ("BLOCK", "NXDOMAIN")
    assert "answer" not in blocked
    assert other["shape"] == "json.record"

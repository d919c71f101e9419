"""Google Cloud's network logs."""

from pathlib import Path

from labrys.evidence.test_cloud_event import read_rows
from labrys.evidence.values import MULTI

SAMPLES = Path(__file__).parent / "samples"


def test_entries() -> None:
    asked, answer, denied, name, web, other = read_rows("gcp_network", SAMPLES / "entries.ndjson")
    assert (asked["id.orig_h"], asked["id.resp_p"]) == ("10.128.0.5", "443")
    assert (asked["orig_bytes"], asked["resp_bytes"]) == ("3400", "90000")
    assert asked["_time"] == 1_772_600_767_500
    assert answer["flow_role"] == "answer"
    assert (denied["shape"], denied["conn_state"]) == ("gcp.firewall", "REJ")
    assert name["query"] == "updates.example.com"
    assert name["answer"].split(MULTI) == ["cdn.example.net.", "203.0.113.9"]
    assert (web["shape"], web["cs-uri"]) == ("web.access", "/admin?x=1")
    assert web["cs-host"] == "shop.example.com"
    assert other["shape"] == "json.record"

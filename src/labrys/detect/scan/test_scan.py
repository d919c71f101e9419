import random
from functools import cache

import pytest
from hypothesis import given, settings

from labrys.detect.network.testing import (
    DAY,
    HOUR,
    ME,
    THERE,
    Event,
    answer,
    asked,
    find,
    flow,
    refused,
    some_flows,
    told,
)
from labrys.detect.scan import features
from labrys.ocsf.schema import Severity

INFO, LOW, MEDIUM, HIGH = (int(level) for level in list(Severity)[:4])


def test_a_worm_that_looks_for_one_port_is_high() -> None:
    rows = find("scan", [refused(n * 100, f"10.1.{n // 200}.{n % 200}", 445) for n in range(400)])
    [found] = rows
    assert (found["rule_uid"], found["severity_id"]) == ("scan.wide", HIGH)
    assert [(e["value"], e["role"]) for e in found["entities"]] == [(ME, "source")]
    assert found["techniques"] == ["T1046", "T1018"]
    assert found["reasons"][0]["value"] == "400 tried, 400 never answered"
    assert len(found["evidence"]) == 8


def test_many_ports_of_one_host() -> None:
    events = [refused(n * 50, "10.0.0.9", n + 1) for n in range(300)]
    [found] = find("scan", [*events, flow(9, "10.0.0.9", 80), flow(10, "10.0.0.9", 22)])
    assert (found["rule_uid"], found["severity_id"]) == ("scan.deep", MEDIUM)
    assert {"type": "ip", "value": "10.0.0.9", "role": "target"} in found["entities"]


def test_one_sided_udp_to_many_is_a_scan_too() -> None:
    udp = {"connection_info_protocol_name": "UDP", "traffic_bytes_out": 60}
    events = [refused(n, f"198.18.{n // 200}.{n % 200}", 6892, **udp) for n in range(300)]
    assert told("scan", events) == [("scan.wide", MEDIUM)]


def test_pings_are_tries_and_notices_are_not() -> None:
    def icmp(n: int, kind: int, code: int) -> Event:
        more = {"connection_info_protocol_name": "icmp", "src_endpoint_port": kind}
        return refused(n * 100, f"10.1.0.{n}", code, **more)

    assert told("scan", [icmp(n, 8, 0) for n in range(90)]) == [("scan.wide", MEDIUM)]
    assert told("scan", [icmp(n, 3, 3) for n in range(90)]) == []


def test_a_slow_scan_is_seen_over_days() -> None:
    events = [refused(n * HOUR, f"10.2.0.{n}", 3389) for n in range(1, 100)]
    [found] = find("scan", events)
    assert found["title"].endswith("slowly")
    assert found["severity_id"] == MEDIUM


def test_who_is_scanned_is_never_accused() -> None:
    scans = [refused(n * 10, ME, n, src=THERE) for n in range(1, 500)]
    # The answers, taken for flows of their own: from the ports that were asked.
    echoes = [
        refused(n * 10 + 1, THERE, 40_000 + n, src=ME, src_endpoint_port=n) for n in range(1, 500)
    ]
    rows = find("scan", scans + echoes)
    assert {e["value"] for row in rows for e in row["entities"] if e["role"] == "source"} == {THERE}
    assert [row["severity_id"] for row in rows] == [INFO]


def test_the_internet_that_knocks_is_informational() -> None:
    events = [refused(n, f"10.0.0.{n}", 23, src=THERE) for n in range(1, 200)]
    assert told("scan", events) == [("scan.wide", INFO)]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_a_busy_browser_is_no_scan(share: float) -> None:
    draw = random.Random(2)
    events = [
        (refused if draw.random() < share else flow)(n * 900, f"198.{n % 90}.7.{n % 250}", 443)
        for n in range(900)
    ]
    assert told("scan", events) == []


def test_groups_and_broadcasts_are_no_targets() -> None:
    events = [refused(n, f"239.1.{n}.5", 1900) for n in range(100)]
    events += [refused(n, f"10.{n}.0.255", 137) for n in range(100)]
    assert told("scan", events) == []


def test_more_answers_than_failures_is_a_service_that_is_used() -> None:
    events = [flow(n * 1000, f"10.3.0.{n}", 445) for n in range(100)]
    assert told("scan", events) == []


def test_adding_traffic_does_not_hide_a_scan() -> None:
    scans = [refused(n * 100, f"10.1.0.{n}", 445) for n in range(100)]
    noise = [flow(n * DAY / 5000, f"198.51.{n % 90}.{n % 200}", 443) for n in range(3000)]
    assert ("scan.wide", MEDIUM) in told("scan", scans + noise)


@cache
def queries() -> tuple[str, str]:
    """With what is left out beforehand and without, limits low enough for a few flows."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("LEAST_WIDE", 4), ("LEAST_DEEP", 3)):
            patch.setattr(features, name, value)
        quick = asked(features.features, "network_activity")
        patch.setattr(features, "_failing", lambda rows, *_: rows)
        return quick, asked(features.features, "network_activity")


@settings(max_examples=60, deadline=None)
@given(some_flows(3 * DAY))
def test_what_is_left_out_beforehand_changes_nothing(events: list[Event]) -> None:
    quick, plain = queries()
    assert quick != plain
    assert answer(quick, "network_activity", events) == answer(plain, "network_activity", events)

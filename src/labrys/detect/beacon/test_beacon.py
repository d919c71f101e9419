import random
from typing import Any

from labrys.detect.beacon.features import LEAST_CALLS
from labrys.detect.network.testing import DAY, HOUR, ME, MINUTE, THERE, Event, find, flow, told
from labrys.ocsf.schema import Severity

MEDIUM = int(Severity.MEDIUM)


def calls(period: float, jitter: float, hours: float = 12, **more: Any) -> list[Event]:
    draw, when, made = random.Random(3), 0.0, []
    while when < hours * HOUR:
        made.append(flow(when, **more))
        when += period * (1 + draw.uniform(-jitter, jitter))
    return made


def browsing(hosts: int = 1) -> list[Event]:
    """Sites that people visit: sittings, pages, rests."""
    draw, made = random.Random(9), []
    for host in range(hosts):
        for site in range(30):
            when = draw.uniform(0, HOUR)
            while when < 10 * HOUR:
                when += draw.lognormvariate(14, 2)
                made.append(flow(when, f"198.{site}.100.{site}", src=f"10.0.0.{host + 5}"))
    return made


def alerts(events: list[Event]) -> list[dict[str, Any]]:
    return [row for row in find("beacon", events) if row["severity_id"] >= MEDIUM]


def test_an_implant_with_jitter_is_an_alert_with_reasons() -> None:
    [found] = alerts([*browsing(), *calls(2 * MINUTE, 0.3)])
    assert [(e["value"], e["role"]) for e in found["entities"]] == [
        (ME, "source"),
        (THERE, "destination"),
    ]
    assert found["techniques"] == ["T1071.001", "T1029"]
    assert found["tactics"] == ["command-and-control", "exfiltration"]
    assert 1 <= len(found["evidence"]) <= 8
    reasons = {one["feature"]: one["value"] for one in found["reasons"]}
    assert reasons["gap between calls"].startswith("12")
    assert reasons["sizes"] == "600 bytes sent, 900 received"


def test_jitter_up_to_sixty_percent_is_found() -> None:
    for jitter in (0.1, 0.2, 0.4, 0.6):
        assert len(alerts([*browsing(), *calls(MINUTE, jitter)])) == 1


def test_a_clock_alone_is_no_alert() -> None:
    rows = find("beacon", [*browsing(), *calls(5 * MINUTE, 0.0)])
    assert [row["severity_id"] < MEDIUM for row in rows] == [True]
    assert "timer" in {one["feature"] for one in rows[0]["reasons"]}


def test_people_are_no_beacons() -> None:
    assert told("beacon", browsing(5)) == []


def test_what_keeps_time_by_design_is_left_out() -> None:
    for port in (53, 123, 67, 1900, 5353):
        assert told("beacon", calls(MINUTE, 0.2, port=port)) == []
    assert told("beacon", calls(MINUTE, 0.2, port=5000, app_name="ntp")) == []
    assert told("beacon", calls(MINUTE, 0.2, dst="239.255.255.250")) == []
    assert told("beacon", calls(MINUTE, 0.2, dst="10.0.0.255")) == []


def test_what_many_hosts_call_is_ordinary() -> None:
    every = [e for n in range(8) for e in calls(MINUTE, 0.2, src=f"10.0.0.{n + 5}")]
    assert alerts([*browsing(8), *every]) == []


def test_inside_the_network_it_is_no_alert() -> None:
    assert alerts([*browsing(), *calls(MINUTE, 0.2, dst="10.0.0.9")]) == []


def test_a_stranger_that_polls_our_server_is_no_alert() -> None:
    rows = find("beacon", [*browsing(), *calls(MINUTE, 0.2, src="198.51.100.9", dst="10.0.0.5")])
    assert all(row["severity_id"] < MEDIUM for row in rows)


def test_a_named_handshake_is_shown_and_counts_nothing_twice() -> None:
    events = calls(2 * MINUTE, 0.3)
    shaken = [
        {**e, "tls_sni": "c2.example", "tls_version": "TLSv12", "traffic_packets_out": None}
        | {"traffic_bytes_out": None, "_time": e["_time"] + 30}
        for e in events
    ]
    [found] = find("beacon", [*browsing(), *events, *shaken])
    assert ("domain", "c2.example") in {(e["type"], e["value"]) for e in found["entities"]}
    reasons = {one["feature"]: one["value"] for one in found["reasons"]}
    assert reasons["calls"] == str(len(events))


def test_few_calls_say_nothing() -> None:
    assert told("beacon", calls(HOUR, 0.1, hours=LEAST_CALLS - 2)) == []


def test_adding_traffic_elsewhere_does_not_hide_it() -> None:
    events = [*browsing(), *calls(MINUTE, 0.3)]
    noise = [flow(n * 1000.0, f"100.{n % 200}.7.7", 80) for n in range(0, DAY // 1000, 97)]
    assert len(alerts([*events, *noise])) == 1

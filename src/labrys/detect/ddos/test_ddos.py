from functools import cache

import pytest
from hypothesis import given, settings

from labrys.detect.ddos import features
from labrys.detect.network.testing import (
    ME,
    MINUTE,
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
from labrys.ocsf.schema import Severity

LOW, MEDIUM, HIGH = (int(level) for level in (Severity.LOW, Severity.MEDIUM, Severity.HIGH))


UDP = {"connection_info_protocol_name": "udp"}


def test_a_host_of_ours_that_floods() -> None:
    [found] = find("ddos", [refused(n * 5, THERE, 80) for n in range(9000)])
    assert (found["rule_uid"], found["severity_id"]) == ("ddos.from", HIGH)
    assert [(e["value"], e["role"]) for e in found["entities"]] == [
        (ME, "source"),
        (THERE, "destination"),
    ]
    assert len(found["evidence"]) == 8


def test_one_flow_of_many_packets() -> None:
    big = {"traffic_packets_out": 500_000, "traffic_packets_in": 0, "traffic_bytes_out": 30_000_000}
    events = [flow(0, THERE, 80, connection_info_protocol_name="udp", **big, traffic_bytes_in=0)]
    assert told("ddos", events) == [("ddos.from", MEDIUM)]


def test_who_is_flooded_is_a_target_and_accused_of_nothing() -> None:
    events = [refused(n * 10, ME, 80, src=f"198.51.{n % 200}.{n % 97}") for n in range(5000)]
    [found] = find("ddos", events)
    assert (found["rule_uid"], found["severity_id"]) == ("ddos.to", MEDIUM)
    assert found["entities"] == [{"type": "ip", "value": ME, "role": "target"}]


@pytest.mark.parametrize(
    "events",
    [
        [flow(n * 20, THERE, 443) for n in range(3000)],
        [refused(n * 200, THERE, 80) for n in range(3000)],
        [flow(0, THERE, 443, traffic_packets_out=900_000, traffic_packets_in=400_000)],
        [flow(0, THERE, 443, traffic_packets_out=900_000, traffic_packets_in=20)],
        [flow(0, THERE, 443, traffic_packets_out=900_000, traffic_packets_in=None, **UDP)],
        [flow(0, THERE, 443, traffic_packets_out=90_000, duration=60 * MINUTE, **UDP)],
    ],
    ids=["answered", "slow", "upload", "one-sided upload", "uncounted", "long call"],
)
def test_busy_is_no_flood(events: list[Event]) -> None:
    assert told("ddos", events) == []


@cache
def queries() -> tuple[str, str]:
    """With what is left out beforehand and without, limits low enough for a few flows."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("FLOWS", 3), ("PACKETS", 100), ("SOURCES", 2)):
            patch.setattr(features, name, value)
        quick = asked(features.features, "network_activity")
        patch.setattr(features, "_crowded", lambda rows, *_: rows)
        return quick, asked(features.features, "network_activity")


@settings(max_examples=60, deadline=None)
@given(some_flows(3 * MINUTE))
def test_what_is_left_out_beforehand_changes_nothing(events: list[Event]) -> None:
    quick, plain = queries()
    assert quick != plain
    assert answer(quick, "network_activity", events) == answer(plain, "network_activity", events)

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.detect.network.testing import DAY, HOUR, ME, Event, find, flow, refused, told
from labrys.ocsf.schema import Severity

INFORMATIONAL, LOW = int(Severity.INFORMATIONAL), int(Severity.LOW)


def office(hosts: int = 12, day: int = 0) -> list[Event]:
    """Hosts that all do about the same: each some thirty addresses over eight hours."""
    return [
        flow(day * DAY + (8 + n % 8) * HOUR + n * 900, f"198.51.100.{n}", src=f"10.0.0.{20 + host}")
        for host in range(hosts)
        for n in range(30 + host % 5)
    ]


def busy(count: int, src: str = ME, day: int = 0) -> list[Event]:
    """Many addresses that nobody else calls, some of which do not answer."""
    called = [flow(day * DAY + 9 * HOUR + n * 900, f"203.0.{n % 200}.{n}", src=src) for n in range(count)]  # fmt: skip
    missed = [refused(day * DAY + 9 * HOUR + n * 800, f"192.0.2.{n}", 443, src=src) for n in range(count)]  # fmt: skip
    return called + missed


def test_a_host_that_does_more_than_its_peers_is_told_with_what_is_usual() -> None:
    [found] = find("unlike_peers", [*office(), *busy(250)])
    assert found["severity_id"] == LOW
    assert found["entities"] == [{"type": "ip", "value": ME, "role": "source"}]
    assert found["title"] == "A host unlike the other 12 hosts of the day"
    said = {one["feature"]: one["value"] for one in found["reasons"]}
    assert said["addresses that no peer calls"] == "250, usually 0 at most"
    assert said["addresses at which it failed"] == "250, usually 0 at most"


def test_one_thing_more_is_nothing() -> None:
    events = [flow(9 * HOUR + n, "198.51.100.1", src=ME) for n in range(4000)]
    assert told("unlike_peers", [*office(), *events]) == []


@pytest.mark.parametrize("hosts", [0, 1, 7])
def test_without_enough_peers_nothing_is_usual(hosts: int) -> None:
    assert told("unlike_peers", [*office(hosts), *busy(250)]) == []


def test_alike_hosts_are_not_told() -> None:
    crowd = [event for host in range(12) for event in busy(60, f"10.0.0.{20 + host}")]
    assert told("unlike_peers", crowd) == []


def test_what_a_host_always_did_says_less() -> None:
    first, *_ = find("unlike_peers", [*office(), *busy(250)])
    both = find("unlike_peers", [*office(), *busy(250), *office(day=1), *busy(250, day=1)])
    later = max(both, key=lambda row: row["time_start"])
    assert later["time_start"] > first["time_start"]
    assert later["confidence"] < first["confidence"]


def test_servers_are_held_against_servers() -> None:
    asked = [flow(10 * HOUR + n, ME, 443, src=f"10.0.0.{20 + n}") for n in range(5)]
    assert told("unlike_peers", [*office(), *asked, *busy(250)]) == []


more_traffic = st.lists(
    st.builds(
        lambda when, dst, port, failed: (refused if failed else flow)(when, dst, port),
        st.integers(0, 20 * HOUR),
        st.sampled_from(["203.0.113.66", "198.51.100.3", "192.0.2.1", "224.0.0.1", "10.0.0.20"]),
        st.sampled_from([25, 443, 1604, 445, 53, 6667]),
        st.booleans(),
    ),
    max_size=40,
)


@settings(max_examples=25, deadline=None)
@given(more_traffic)
def test_more_traffic_of_its_own_never_lowers_the_score(events: list[Event]) -> None:
    rest = [*office(), *busy(150)]
    before, after = find("unlike_peers", rest), find("unlike_peers", [*rest, *events])
    assert _confidence(after) >= _confidence(before) > 0


def _confidence(rows: list[dict[str, Any]]) -> int:
    mine = [row for row in rows if row["entities"][0]["value"] == ME]
    return max((row["confidence"] for row in mine), default=0)

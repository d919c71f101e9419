from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.detect.network.testing import HOUR, ME, Event, find, flow, refused, told
from labrys.ocsf.schema import Severity

LOW, MEDIUM, HIGH = (int(level) for level in (Severity.LOW, Severity.MEDIUM, Severity.HIGH))


def spam(count: int) -> list[Event]:
    return [flow(n * 900, f"198.51.{n}.25", 25, app_name="smtp") for n in range(count)]


def stubborn(count: int) -> list[Event]:
    return [refused(n * 9000, "203.0.113.66", 1604) for n in range(count)]


def test_two_kinds_together_are_an_alert() -> None:
    [found] = find("botnet", [*spam(60), *stubborn(400)])
    assert found["severity_id"] == MEDIUM
    assert found["entities"] == [{"type": "ip", "value": ME, "role": "source"}]
    assert found["techniques"] == ["T1071.003", "T1071"]
    said = {one["feature"]: one["value"] for one in found["reasons"]}
    assert said == {"mail servers called": "60", "failed calls to one address": "400"}


def test_one_kind_alone_is_low() -> None:
    assert told("botnet", stubborn(400)) == [("botnet.host", LOW)]


def test_a_mail_server_may_mail() -> None:
    clients = [flow(n * 900, ME, 25, f"192.0.2.{n}") for n in range(5)]
    assert told("botnet", [*clients, *spam(60)]) == []


@pytest.mark.parametrize(
    "events",
    [
        [flow(n * 900, f"198.51.{n % 99}.{n % 200}", 443) for n in range(2000)],
        [refused(n * 900, f"198.51.{n}.7", 443) for n in range(60)],
        [refused(n * 5, ME, 22, f"198.51.{n % 200}.7") for n in range(3000)],
    ],
    ids=["browsing", "some failures", "being scanned"],
)
def test_ordinary_hosts_say_nothing(events: list[Event]) -> None:
    assert told("botnet", events) == []


def test_strangers_are_no_bots_of_ours() -> None:
    events = [{**e, "src_endpoint_ip": "192.0.2.9"} for e in [*spam(60), *stubborn(400)]]
    rows = find("botnet", [e for e in events if e["dst_endpoint_port"] != 25])
    assert rows == []


more_traffic = st.lists(
    st.builds(
        lambda when, dst, port, failed, service: (refused if failed else flow)(
            when, dst, port, app_name=service
        ),
        st.integers(0, 20 * HOUR),
        st.sampled_from(["203.0.113.66", "198.51.3.25", "10.0.0.9", "192.0.2.1", "224.0.0.1"]),
        st.sampled_from([25, 443, 1604, 445, 53, 6667]),
        st.booleans(),
        st.sampled_from([None, "irc", "ssl"]),
    ),
    max_size=40,
)


@settings(max_examples=25, deadline=None)
@given(more_traffic)
def test_more_traffic_never_lowers_the_score(events: list[Event]) -> None:
    before = find("botnet", [*spam(12), *stubborn(120)])
    after = find("botnet", [*spam(12), *stubborn(120), *events])
    assert _confidence(after) >= _confidence(before) > 0


def _confidence(rows: list[dict[str, Any]]) -> int:
    return max((row["confidence"] for row in rows), default=0)

from typing import Any

import pytest

from labrys.detect.network.testing import HOUR, ME, THERE, Event, find, flow, told
from labrys.ocsf.schema import Severity

LOW, MEDIUM = int(Severity.LOW), int(Severity.MEDIUM)


def lasting(port: int, hours: float = 3, bytes_a_second: float = 20, **more: Any) -> Event:
    half = int(hours * 3600 * bytes_a_second / 2)
    sizes = {"traffic_bytes_out": half, "traffic_bytes_in": half, "duration": int(hours * HOUR)}
    return flow(0, port=port, **{**sizes, **more})


def test_a_lasting_thin_connection_to_a_pools_port() -> None:
    [found] = find("mining", [lasting(3333)])
    assert found["severity_id"] == MEDIUM
    assert [e["value"] for e in found["entities"]] == [ME, THERE]
    assert found["techniques"] == ["T1496.001"]
    assert found["tactics"] == ["impact"]


def test_a_pool_by_its_name_or_protocol() -> None:
    named = {"tls_version": "TLSv13", "tls_sni": "xmr-eu1.nanopool.org"}
    shaken = flow(5, port=443, **named, traffic_bytes_out=None, traffic_packets_out=None)
    assert told("mining", [lasting(443), shaken]) == [("mining.pool", MEDIUM)]
    assert told("mining", [lasting(9000, app_name="stratum")]) == [("mining.pool", MEDIUM)]


@pytest.mark.parametrize(
    "event",
    [
        lasting(443),
        lasting(3333, hours=0.01),
        lasting(3333, bytes_a_second=200_000, app_name="http"),
        lasting(3333, dst="10.0.0.9"),
        lasting(5228),
    ],
    ids=["web", "short", "download", "inside", "push"],
)
def test_other_lasting_connections_are_no_mining(event: Event) -> None:
    assert {level for _, level in told("mining", [event])} <= {LOW}

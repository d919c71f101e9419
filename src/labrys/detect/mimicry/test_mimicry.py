import pytest

from labrys.detect.network.testing import HOUR, ME, THERE, Event, find, flow, told
from labrys.ocsf.schema import Severity

INFO, LOW, MEDIUM = (int(level) for level in list(Severity)[:3])


def shaken(count: int) -> list[Event]:
    return [
        flow(
            n, f"198.51.100.{n}", tls_version="TLSv13", tls_sni="a.example", traffic_bytes_out=None
        )
        | {"traffic_packets_out": None}
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("service", "port"), [("ssh", 443), ("ssh", 53), ("ssl", 80), ("tls", 53), ("rdp", 443)]
)
def test_what_hides_among_the_web_is_an_alert(service: str, port: int) -> None:
    [found] = find("mimicry", [flow(0, port=port, app_name=service)])
    assert found["severity_id"] == MEDIUM
    assert [(e["value"], e["role"]) for e in found["entities"]] == [
        (ME, "source"),
        (THERE, "destination"),
    ]
    assert found["techniques"] == ["T1571", "T1001.003"]


def test_irc_that_returns_again_and_again() -> None:
    calls = [flow(n * HOUR / 10, port=6667, app_name="irc") for n in range(40)]
    assert told("mimicry", calls) == [("mimicry.port", MEDIUM)]
    assert told("mimicry", calls[:2]) == [("mimicry.port", LOW)]


def test_no_tls_on_its_port_is_told_once_and_only_where_tls_is_seen() -> None:
    blank = [flow(n * 1000) for n in range(5)]
    assert told("mimicry", blank) == []
    assert told("mimicry", [*blank, *shaken(9)]) == [("mimicry.unknown", INFO)]


@pytest.mark.parametrize(
    ("service", "port"),
    [
        ("ssl", 443),
        ("http", 80),
        ("ssh", 22),
        ("dns", 53),
        ("", 8080),
        ("smtp", 587),
        ("tls", 9443),
    ],
)
def test_protocols_at_home_say_nothing(service: str, port: int) -> None:
    assert told("mimicry", [flow(n, port=port, app_name=service) for n in range(50)]) == []


def test_what_everybody_does_is_a_custom() -> None:
    every = [flow(n, port=443, app_name="ssh", src=f"10.0.0.{n}") for n in range(9)]
    assert {level for _, level in told("mimicry", every)} <= {LOW}

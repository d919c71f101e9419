from typing import Any

import pytest

from labrys.detect.network.testing import HOUR, ME, THERE, Event, find, flow, told
from labrys.ocsf.schema import Severity

LOW, MEDIUM, HIGH = (int(level) for level in (Severity.LOW, Severity.MEDIUM, Severity.HIGH))


def shake(
    sni: str | None, subject: str | None, issuer: str | None, port: int = 443, **more: Any
) -> Event:
    return flow(
        more.pop("when", 0),
        more.pop("dst", THERE),
        port,
        **{
            "tls_sni": sni,
            "tls_version": "TLSv12",
            "tls_certificate_subject": subject,
            "tls_certificate_issuer": issuer,
            "traffic_bytes_out": None,
            "traffic_packets_out": None,
            **more,
        },
    )


def test_a_handmade_certificate_without_a_name_on_an_odd_port() -> None:
    [found] = find("tls_odd", [shake(None, "CN=abc", "CN=abc", 4743)])
    assert found["severity_id"] == MEDIUM
    assert [e["value"] for e in found["entities"]] == [ME, THERE]
    assert found["techniques"] == ["T1573.002", "T1587.003", "T1571"]
    assert found["reasons"][0]["value"] == "signed by itself: CN=abc"


def test_pages_that_somebody_reads_are_no_reports() -> None:
    handmade = shake(None, "CN=abc", "CN=abc", 4743)
    page, few = (3_000, 90_000), (3_000, 4_000)

    def calls(*sizes: tuple[int, int], port: int = 4743) -> list[tuple[str, int]]:
        made = [
            flow(at, THERE, port, traffic_bytes_out=out, traffic_bytes_in=back)
            for at, (out, back) in enumerate(sizes)
        ]
        return told("tls_odd", [handmade, *made])

    assert calls(page, page, page, few) == [("tls_odd.server", LOW)]
    reports = (few, few, few, (3_000, 900_000))  # one of them fetches a module
    for sizes in (reports, [page] * 3, [(900_000, 90_000)] * 4):
        assert calls(*sizes) == [("tls_odd.server", MEDIUM)]
    assert calls(page, page, page, page, port=443) == [("tls_odd.server", MEDIUM)]


def test_a_big_name_over_a_handmade_certificate() -> None:
    own = "CN=domain.com, O=My Company Name LTD., C=US"
    assert told("tls_odd", [shake("www.search.example", own, own)]) == [("tls_odd.server", MEDIUM)]


def test_tor() -> None:
    events = [
        shake("www.abcdefghijk2.com", "CN=www.k7gndefghijk.net", "CN=www.zz5cdefghijk.com", 9001)
    ]
    [found] = find("tls_odd", events)
    assert found["severity_id"] >= MEDIUM
    assert "T1090.003" in found["techniques"]


def test_two_handmade_servers_say_what_one_does_not() -> None:
    one = shake(None, "CN=a", "CN=a")
    assert told("tls_odd", [one]) == [("tls_odd.server", LOW)]
    two = shake(None, "CN=b", "CN=b", dst="198.51.100.1", when=HOUR)
    assert told("tls_odd", [one, two]) == [("tls_odd.host", MEDIUM)]


def test_a_makers_own_authority_is_no_alert() -> None:
    events = [
        shake(
            f"a{n}.maker.example",
            None,
            None,
            dst=f"198.51.{n}.1",
            status_detail="unable to get local issuer certificate",
        )
        for n in range(9)
    ]
    assert told("tls_odd", events) == []
    alike = [shake(None, "CN=maker", "CN=maker", dst=f"198.51.{n}.1") for n in range(9)]
    assert told("tls_odd", alike) == [("tls_odd.server", LOW)]


@pytest.mark.parametrize(
    "event",
    [
        shake("www.shop.example", "CN=*.shop.example", "CN=Some CA, O=CA Inc"),
        shake("www.shop.example", None, None),
        shake(None, None, None),
        shake("cdn.example", "CN=shared.other.example", "CN=Some CA, O=CA Inc"),
        shake(None, "CN=printer", "CN=printer", dst="10.0.0.9"),
        shake("www.shop.example", "CN=*.shop.example", "CN=Some CA", 8443),
        shake("mqtt.example", None, None, 8884),
    ],
    ids=["named", "resumed", "nameless", "shared", "printer", "port", "unseen"],
)
def test_ordinary_services_say_nothing(event: Event) -> None:
    assert told("tls_odd", [event] * 20) == []


def test_a_fingerprint_of_no_other_host_adds() -> None:
    common = [
        shake("a.example", None, None, src=f"10.0.0.{n}", tls_ja3_hash_value="aa") for n in range(9)
    ]
    rare = shake(None, "CN=a", "CN=a", tls_ja3_hash_value="bb")
    [found] = find("tls_odd", [*common, rare])
    assert {"fingerprint"} <= {one["feature"] for one in found["reasons"]} or found["reasons"]
    assert found["confidence"] > find("tls_odd", [shake(None, "CN=a", "CN=a")])[0]["confidence"]

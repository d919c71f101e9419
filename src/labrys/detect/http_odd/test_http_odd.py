from typing import Any

import pytest

from labrys.detect.network.testing import ME, MINUTE, START, THERE, Event, find, told
from labrys.ocsf.schema import Severity

LOW, MEDIUM, HIGH = (int(level) for level in (Severity.LOW, Severity.MEDIUM, Severity.HIGH))
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"
WININET = "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1; Trident/4.0)"
PROGRAM = {"http_response_content_type": "application/x-msdownload", "http_response_length": 90_000}
DATA = {"http_response_content_type": "application/octet-stream", "http_response_length": 90_000}
PAGE = {"http_response_content_type": "text/html; charset=utf-8", "http_response_length": 30_000}


def ask(host: str | None, path: str, method: str = "GET", when: float = 0, **more: Any) -> Event:
    names = {"agent": "http_request_user_agent", "referrer": "http_request_referrer"}
    return {
        "_time": int(START + when),
        "_shape": "made.http",
        "src_endpoint_ip": ME,
        "dst_endpoint_ip": THERE,
        "dst_endpoint_port": 80,
        "http_request_http_method": method,
        "http_request_url_hostname": host,
        "http_request_url_path": path,
        "http_request_user_agent": BROWSER,
        "http_response_code": 200,
        **{names.get(name, name): value for name, value in more.items()},
    }


def alerts(*events: Event) -> list[dict[str, Any]]:
    return [row for row in find("http_odd", events) if row["severity_id"] >= MEDIUM]


@pytest.mark.parametrize(
    "event",
    [
        ask("cdn.example", "/logo.gif", agent=WININET, **PROGRAM),
        ask(
            "cdn.example", "/get.php?f=1.gif", agent=None, **PAGE | {"http_response_length": 90_000}
        ),
        ask("shop.example", "/load.php", agent=WININET, **DATA),
        ask("shop.example", "/setup.exe", agent=None, **PROGRAM),
        ask(
            "198.51.100.9",
            "/a/b",
            agent="Mozilla/4.0 (compatible; Win32; WinHttpRequest.5)",
            **DATA,
        ),
        ask("shop.example", "/x7d", agent='"Mozilla/5.2 (Windows NT 6.2)"', **PAGE | DATA),
        ask("abcdefgh.onion.link", "/"),
        ask("198.51.100.9", "/", "\x9b\x00t9"),
    ],
    ids=["picture", "query", "script", "nobody", "address", "agent", "tor", "garbage"],
)
def test_one_request_can_be_enough(event: Event) -> None:
    [found] = alerts(event)
    assert found["techniques"][0] == "T1071.001"
    assert found["entities"][0] == {"type": "ip", "value": ME, "role": "source"}
    assert found["confidence"] >= 60
    assert found["reasons"][0]["weight"] >= found["reasons"][-1]["weight"]


def test_reports_to_a_panel_are_joined_from_many() -> None:
    posts = [ask("a.example", "/p/gate.php", "POST", n * MINUTE, agent=WININET) for n in range(9)]
    [found] = alerts(*posts)
    assert found["rule_uid"] == "http_odd.site"
    assert {"type": "domain", "value": "a.example", "role": "destination"} in found["entities"]
    assert len(found["evidence"]) == 8


def test_what_sites_say_quietly_is_joined_for_the_host() -> None:
    quiet = [
        ask("api.ipify.org", "/", agent=WININET),
        ask("one.example", "/a.php", "POST", 1000, agent=BROWSER),
        ask("two.example", "/b.php", "POST", 2000, agent=BROWSER),
        ask("three.example", "/c.php", "POST", 3000, agent=BROWSER),
    ]
    assert told("http_odd", quiet) == [("http_odd.host", MEDIUM)]
    assert alerts(*quiet[1:2]) == []


def test_the_same_page_of_many_sites() -> None:
    asked = [ask(f"qx{n}zf.example", "/login.php", "POST", n * 1000) for n in range(12)]
    assert "http_odd.path" in {rule for rule, level in told("http_odd", asked) if level >= MEDIUM}


@pytest.mark.parametrize(
    "event",
    [
        ask("www.shop.example", "/index.html", **PAGE),
        ask("www.shop.example", "/order.php", "POST", referrer="http://www.shop.example/", **PAGE),
        ask("dl.vendor.example", "/setup.exe", agent="Vendor Update/7.1", **PROGRAM),
        ask(
            "dl.vendor.example",
            "/files/1f3a",
            agent="Microsoft-Delivery-Optimization/10.0",
            **PROGRAM,
        ),
        ask("deb.example", "/pool/a.deb", agent="Debian APT-HTTP/1.3 (2.4.6)", **DATA),
        ask("ocsp.ca.example", "/", "POST"),
        ask("check.example", "/", agent=None, http_response_code=204),
        ask("pki.example", "/a.crl", agent="Microsoft-CryptoAPI/10.0", **DATA),
        ask("192.168.1.1", "/ctl/IPConn", "POST", agent=None),
        ask(None, "/", agent=None),
        ask("www.shop.example", "/favicon.ico", **PAGE),
        ask("dl.example", "/tool.msi", agent="curl/8.4.0", **DATA),
    ],
    ids=str,
)
def test_ordinary_programs_and_people_are_no_alert(event: Event) -> None:
    assert alerts(*({**event, "_time": START + n * MINUTE} for n in range(20))) == []


def test_who_asks_our_server_is_no_caller() -> None:
    scans = [
        ask("203.0.113.7", "/a.php", "POST", n, agent=None, src_endpoint_ip=f"198.51.100.{n}")
        for n in range(30)
    ]
    assert told("http_odd", scans) == []


def test_ordinary_requests_do_not_hide_odd_ones() -> None:
    odd = ask("cdn.example", "/logo.gif", agent=WININET, **PROGRAM)
    noise = [ask("cdn.example", f"/p{n}.html", when=n, **PAGE) for n in range(500)]
    [found] = alerts(odd, *noise)
    assert found["confidence"] >= alerts(odd)[0]["confidence"]


def test_a_program_of_unknown_size_is_one_all_the_same() -> None:
    cut = {"http_response_content_type": "application/x-msdownload"}
    assert alerts(ask("cdn.example", "/logo.gif", agent=WININET, **cut))
    assert not alerts(ask("cdn.example", "/logo.gif", http_response_content_type="text/html"))


def test_replies_without_a_request_say_nothing() -> None:
    assert told("http_odd", [ask(None, "", agent=None, http_request_http_method=None)]) == []


def test_scripts_that_say_so_are_believed_where_the_site_has_a_name() -> None:
    def fetched(host: str, agent: str | None) -> list[dict[str, Any]]:
        return alerts(
            ask(host, "/v1/list.xml", agent=agent, **DATA),
            ask(host, "/pool/p.cab", agent=agent, **DATA),
        )

    assert fetched("updates.vendor.example", "curl/8.1") == []
    assert fetched("updates.vendor.example", None) != []
    assert fetched("198.51.100.9", "curl/8.1") != []

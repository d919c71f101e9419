import base64
import random
from typing import Any

import pytest

from labrys.detect.network.testing import DAY, HOUR, ME, START, Event, find, told
from labrys.ocsf.schema import Severity

LOW, MEDIUM, HIGH = (int(level) for level in (Severity.LOW, Severity.MEDIUM, Severity.HIGH))


def ask(name: str, when: float = 0, type_: str = "A", **more: Any) -> Event:
    return {
        "_time": int(START + when),
        "_shape": "made.dns",
        "src_endpoint_ip": ME,
        "dst_endpoint_ip": "10.0.0.1",
        "dst_endpoint_port": 53,
        "query_hostname": name,
        "query_type": type_,
        **more,
    }


def data(draw: random.Random, size: int) -> str:
    return base64.b32encode(draw.randbytes(size)).decode().lower().strip("=")


def tunnel(count: int, type_: str = "A", size: int = 60, step: float = 500) -> list[Event]:
    draw, made = random.Random(4), []
    for n in range(count):
        text = data(draw, size)
        labels = [text[at : at + 60] for at in range(0, len(text), 60)]
        made.append(ask(".".join([*labels, "t.zone.example"]), n * step, type_))
    return made


@pytest.mark.parametrize("type_", ["A", "TXT", "NULL", "CNAME", "MX", "16", "10"])
def test_a_tunnel_is_found_whatever_its_records(type_: str) -> None:
    [found] = find("dns_tunnel", tunnel(400, type_))
    assert found["severity_id"] >= MEDIUM
    assert found["entities"] == [
        {"type": "ip", "value": ME, "role": "source"},
        {"type": "domain", "value": "zone.example", "role": "destination"},
    ]
    assert found["techniques"] == ["T1071.004", "T1572", "T1048.003"]


def test_slow_commands_in_text_records() -> None:
    polls = [ask("c.1.ns.zone.example", n * 60_000, "TXT") for n in range(30)]
    parts = [
        ask(f"l.{n}.ns.zone.example", n * HOUR / 2, "TXT", answers_rdata="x" * 240)
        for n in range(9)
    ]
    assert told("dns_tunnel", polls + parts) == [("dns_tunnel.zone", MEDIUM)]
    assert told("dns_tunnel", polls) == []


def test_slow_exfiltration_over_a_day() -> None:
    assert [level >= MEDIUM for _, level in told("dns_tunnel", tunnel(80, step=DAY / 100))] == [
        True
    ]


def test_tools_without_a_zone_or_with_many() -> None:
    draw = random.Random(6)
    none = [ask(f"dnscat.{draw.getrandbits(160):040x}", n * 900) for n in range(60)]
    assert [rule for rule, level in told("dns_tunnel", none) if level >= MEDIUM] == [
        "dns_tunnel.client"
    ]
    many = [ask(f"{data(draw, 30)}.z{n % 5}.example", n * 900) for n in range(100)]
    rules = {rule for rule, level in told("dns_tunnel", many) if level >= MEDIUM}
    assert "dns_tunnel.client" in rules


def test_one_question_with_characters_of_no_name() -> None:
    assert told("dns_tunnel", [ask("H4sICN03*2QAA3Rlc3Qu+dHh0AAvJyCxW=.x.zone.example")]) == [
        ("dns_tunnel.zone", MEDIUM)
    ]


def test_a_crawl_of_a_hosting_zone_is_low() -> None:
    crawl = [ask(f"site{n}.hosting.example", n * 100) for n in range(300)]
    assert told("dns_tunnel", crawl) == [("dns_tunnel.zone", LOW)]


@pytest.mark.parametrize(
    ("names", "type_"),
    [
        ([f"www.site{n}.example" for n in range(500)], "A"),
        ([f"{n}.2.0.192.zen.blocklist.example" for n in range(255)], "A"),
        ([f"{n}.2.0.192.zen.blocklist.example" for n in range(255)], "TXT"),
        ([f"{n}.2.168.192.in-addr.arpa" for n in range(255)], "PTR"),
        ([f"shop{n}.com.br" for n in range(200)], "A"),
        ([f"My Nice Printer number {n} of the house._ipp._tcp.local" for n in range(50)], "TXT"),
        (["_dmarc.a.example", "s1._domainkey.a.example", "_spf.a.example", "_x.a.example"], "TXT"),
        ([f"rr{n}---sn-2gb7snez.videos.example" for n in range(12)], "AAAA"),
    ],
    ids=["sites", "lists", "list texts", "reverse", "second level", "services", "mail", "videos"],
)
def test_names_are_no_data(names: list[str], type_: str) -> None:
    assert told("dns_tunnel", [ask(name, n * 900, type_) for n, name in enumerate(names)]) == []


def test_reputation_by_hash_is_no_tunnel() -> None:
    draw = random.Random(1)
    asked = [
        ask(f"{draw.getrandbits(160):040x}.av.vendor.example", n * 900, answers_rdata="127.0.0.4")
        for n in range(150)
    ]
    assert [level for _, level in told("dns_tunnel", asked)] == [LOW]


def test_answers_that_are_records_of_their_own_count_for_the_client() -> None:
    events = [
        {**e, "src_endpoint_ip": "10.0.0.1", "src_endpoint_port": 53, "dst_endpoint_ip": ME}
        | {"dst_endpoint_port": 40_000}
        for e in tunnel(200, "TXT")
    ]
    [found] = find("dns_tunnel", events)
    assert found["entities"][0]["value"] == ME

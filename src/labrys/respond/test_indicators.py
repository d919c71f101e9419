import pytest

from labrys.respond.indicators import address, domain, file_hash, indicators, inside
from labrys.respond.testing import finding

ATTACKER, OTHER, OURS = "203.0.113.9", "198.51.100.7", "10.1.2.3"


def found(*rows, ours=lambda value: bool(inside(value))):
    made = indicators(rows, {}, ours, lambda path: path.startswith("/usr/bin/"))
    return {(each.kind, each.value): each for each in made}


@pytest.mark.parametrize(
    "value",
    [
        "10.0.0.1",
        "172.20.1.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.1.1",
        "224.0.0.5",
        "255.255.255.255",
        "0.0.0.0",
        "100.64.0.1",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
    ],
)
def test_what_is_never_of_the_internet(value):
    assert inside(value)


@pytest.mark.parametrize("value", [ATTACKER, "8.8.8.8", "2001:db8::1", "172.32.0.1"])
def test_what_may_be(value):
    assert not inside(value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Bad.Example.", "bad.example"),
        ("*.bad.example", "bad.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_srv.bad.example", "_srv.bad.example"),
        ("1.2.3.4", ""),
        ("localhost", ""),
        ("a b.example", ""),
        ("x.example\n* CNAME evil.", ""),
        ("a" * 64 + ".example", ""),
        ("", ""),
        ("..", ""),
        ("ü" * 300 + ".example", ""),
    ],
)
def test_a_name_is_one_that_dns_has_or_none(text, name):
    assert domain(text) == name


def test_addresses_and_hashes_are_written_one_way():
    assert address(" 2001:0db8::0001%eth0 ") == "2001:db8::1"
    assert address("1.2.3.4.5") == ""
    assert file_hash(" " + "AB" * 32) == "ab" * 32
    assert file_hash("ab" * 31) == ""


def test_the_outside_end_of_a_connection_is_the_attackers():
    out = found(finding("a", ("ip", OURS, "source"), ("ip", ATTACKER, "destination")))
    assert out["ip", ATTACKER].doubt == ""
    back = found(finding("a", ("ip", ATTACKER, "source"), ("ip", OURS, "destination")))
    assert back["ip", ATTACKER].doubt == ""


@pytest.mark.parametrize(
    ("tactic", "blocked"),
    [("command-and-control", OTHER), ("exfiltration", OTHER), ("initial-access", ATTACKER)],
)
def test_between_two_outside_ends_the_tactic_decides(tactic, blocked):
    ends = (("ip", ATTACKER, "source"), ("ip", OTHER, "destination"))
    made = found(finding("a", *ends, tactics=[tactic]))
    assert [value for (_, value), each in made.items() if not each.doubt] == [blocked]


def test_without_a_tactic_nothing_is_sure():
    made = found(finding("a", ("ip", ATTACKER, "source"), ("ip", OTHER, "destination")))
    assert all("--own" in each.doubt for each in made.values())


def test_an_end_that_is_known_to_be_ours_decides():
    ends = (("ip", ATTACKER, "source"), ("ip", OTHER, "destination"))
    made = found(finding("a", *ends), ours=lambda value: value == OTHER)
    assert made["ip", ATTACKER].doubt == ""


def test_what_the_record_is_from_and_what_dns_answered_are_doubtful():
    made = found(finding("a", ("ip", ATTACKER, "device"), ("ip", OTHER, "object")))
    assert all(each.doubt for each in made.values())


def test_names_hosts_of_urls_and_hashes_are_found():
    made = found(
        finding(
            "a",
            ("domain", "c2.example", "object"),
            ("domain", "asker.example", "source"),
            ("url", "https://user@Drop.Example:8443/x?y=1", "object"),
            ("url", f"http://{ATTACKER}/a", "object"),
            ("hash", "a" * 64, "object"),
            ("file", "/tmp/x", "object"),
        )
    )
    assert made["domain", "c2.example"].doubt == ""
    assert made["domain", "asker.example"].doubt
    assert made["domain", "drop.example"].doubt == ""
    assert made["ip", ATTACKER].doubt == ""
    assert made["hash", "a" * 64].system == ""


def test_a_hash_of_the_operating_system_is_told_by_its_path():
    rows = (("hash", "a" * 64, "actor"), ("file", "/usr/bin/curl", "actor"))
    assert found(finding("a", *rows))["hash", "a" * 64].system == "/usr/bin/curl"


def test_hostile_urls_are_no_indicators():
    for url in ("http://[::1", "//", "http://a b/", "\x00", "http://" + "a" * 5000):
        assert not found(finding("a", ("url", url, "object")))


def test_each_thing_comes_once_with_all_that_ask_for_it_worst_first():
    rows = [
        finding("a", ("ip", OTHER, "object"), severity=2),
        finding("b", ("ip", OTHER, "source"), severity=3),
        finding("c", ("domain", "c2.example", "object"), severity=5),
    ]
    made = indicators(rows, {"b": "inc"}, lambda _: False, lambda _: False)
    assert [(each.value, each.findings) for each in made] == [
        ("c2.example", ("c",)),
        (OTHER, ("b", "a")) if made[1].findings[0] == "b" else (OTHER, ("a", "b")),
    ]
    assert made[1].doubt == ""
    assert made[1].incident == "inc"

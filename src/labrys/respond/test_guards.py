import pytest

from labrys.errors import LabrysError
from labrys.respond.facts import Facts
from labrys.respond.guards import Limits, Names, capped, names, refused
from labrys.respond.indicators import Indicator

IP = Indicator("ip", "203.0.113.9", ("f",))
NONE = Names()


def why(one, known=None, allow=NONE, own=NONE, force=()):
    made = refused(one, known or Facts(), allow, own, frozenset(force))
    return None if made is None else (made.reason, made.forcible)


def test_nothing_against_a_plain_outside_address():
    assert why(IP) is None
    assert why(Indicator("domain", "c2.evil.example")) is None
    assert why(Indicator("hash", "a" * 64)) is None


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (Indicator("ip", "10.0.0.1"), "private"),
        (Indicator("ip", "224.0.0.1"), "multicast"),
        (Indicator("domain", "not a name"), "DNS"),
        (Indicator("domain", "co.uk"), "public suffix"),
        (Indicator("domain", "github.io"), "public suffix"),
        (Indicator("hash", "d41d8cd98f00b204e9800998ecf8427e"), "empty file"),
    ],
)
def test_what_nobody_can_force(one, words):
    reason, forcible = why(one, force=[one.value])
    assert words in reason
    assert not forcible


def test_own_and_allowed_cannot_be_forced():
    own, allow = names(["203.0.113.0/24"], "x"), names(["*.partner.example", "203.0.113.9"], "x")
    force = [IP.value, "a.partner.example"]
    assert why(IP, own=own, force=force) == ("our own, says --own", False)
    assert why(IP, allow=allow, force=force) == ("on the allow list", False)
    below = Indicator("domain", "a.partner.example")
    assert why(below, allow=allow, force=force) == ("on the allow list", False)
    assert why(Indicator("domain", "nopartner.example"), allow=allow) is None
    known = Facts(own={IP.value: "a host of ours has it"})
    assert why(IP, known, force=force) == ("a host of ours has it", False)


@pytest.mark.parametrize(
    ("one", "known"),
    [
        (Indicator("ip", "8.8.8.8"), Facts()),
        (Indicator("ip", "104.16.1.1"), Facts()),
        (Indicator("domain", "drive.google.com"), Facts()),
        (Indicator("ip", IP.value, doubt="unclear"), Facts()),
        (Indicator("hash", "a" * 64, system="/usr/bin/curl"), Facts()),
        (IP, Facts(resolvers={IP.value: 2})),
        (IP, Facts(clients={IP.value: 6}, hosts=10)),
        (IP, Facts(unknown=frozenset([IP.value]))),
    ],
)
def test_what_is_doubtful_is_shown_and_can_be_forced(one, known):
    reason, forcible = why(one, known)
    assert reason
    assert forcible
    assert why(one, known, force=[one.value]) is None


@pytest.mark.parametrize(("clients", "hosts"), [(5, 10), (2, 2), (1, 1)])
def test_few_hosts_or_half_of_them_are_not_most(clients, hosts):
    assert why(IP, Facts(clients={IP.value: clients}, hosts=hosts)) is None


def test_a_list_is_read_line_by_line_and_a_bad_line_is_named():
    made = names(
        ["# ours", "", "192.0.2.0/24 # office", "2001:db8::/32", ".ok.example", "A" * 32], "f"
    )
    assert made.holds("ip", "192.0.2.77")
    assert made.holds("ip", "2001:db8::5")
    assert not made.holds("ip", "192.0.3.1")
    assert made.holds("domain", "deep.ok.example")
    assert made.holds("hash", "a" * 32)
    with pytest.raises(LabrysError, match="f, line 2: 'what is this'"):
        names(["192.0.2.1", "what is this"], "f")
    with pytest.raises(LabrysError, match="so wide"):
        names(["0.0.0.0/0"], "f")


def test_the_cap_takes_the_first_and_says_so_of_the_rest():
    wanted = [Indicator("ip", f"203.0.113.{n}") for n in range(10)]
    good, rest = capped(wanted, active=0, lately=3, limits=Limits(per_minute=5, total=100))
    assert [len(good), len(rest)] == [2, 8]
    assert good == wanted[:2]
    assert "5 blocks in a minute" in rest[0].reason
    good, rest = capped(wanted, active=97, lately=0, limits=Limits(per_minute=50, total=100))
    assert [len(good), len(rest)] == [3, 7]
    assert "100 blocks already" in rest[0].reason
    assert capped(wanted, active=101, lately=0, limits=Limits(50, 100))[0] == []

"""SPF against records written for the test: mechanisms, macros, limits, and what nobody gave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.mail_auth import spf
from labrys.evidence.mail_auth.dkim import NOT_GIVEN
from labrys.evidence.mail_auth.macros import Mail, Unreadable, expand
from labrys.evidence.mail_auth.zone import Zone, read

RECORDS = """
*.example NONE            # what stands here is all there is below example
mx1.firm.example A 192.0.2.10
mx1.firm.example AAAA 2001:db8::10
mx2.firm.example A 192.0.2.20
firm.example A 192.0.2.1
firm.example MX 10 mx1.firm.example.
firm.example MX 20 mx2.firm.example
loop.example TXT "v=spf1 include:loop.example -all"
bare.example A 192.0.2.1
strict.example TXT "v=spf1 -all"
bounced.example TXT "v=spf1 a:bare.example -all"
list.example.by.test A 127.0.0.2
*.10.2.0.192.by.test A 127.0.0.2
10.2.0.192.in-addr.arpa PTR mx1.firm.example.
9.2.0.192.in-addr.arpa PTR mx1.firm.example
many.example TXT "v=spf1 mx -all"
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("zone") / "dns.txt"
    more = "".join(f"many.example MX {n} h{n}.example\n" for n in range(11))
    more += "".join(f"c{n}.example TXT v=spf1 include:c{n + 1}.example\n".replace("v=spf1 ", '"v=spf1 ') .rstrip("\n") + '"\n' for n in range(12))  # fmt: skip
    file.write_text(RECORDS + more)
    return str(file)


def result(base: str, record: str, address: str, sender: str = "ann@here.example") -> str:
    from pathlib import Path

    zone = read(Path(base))
    zone.add(sender.rpartition("@")[2], "TXT", record)
    return spf.check(zone, address, sender, "helo.here.example").result


@pytest.mark.parametrize(
    ("record", "address", "wanted"),
    [
        ("v=spf1 +all", "192.0.2.10", "pass"),
        ("v=spf1 -all", "192.0.2.10", "fail"),
        ("v=spf1 ~all", "192.0.2.10", "softfail"),
        ("v=spf1 ?all", "192.0.2.10", "neutral"),
        ("v=spf1", "192.0.2.10", "neutral"),
        ("v=spf10 -all", "192.0.2.10", "none"),
        ("spf2.0/pra -all", "192.0.2.10", "none"),
        ("v=spf1 ip4:192.0.2.0/28 -all", "192.0.2.15", "pass"),
        ("v=spf1 ip4:192.0.2.0/28 -all", "192.0.2.16", "fail"),
        ("v=spf1 ip4:192.0.2.10 -all", "::ffff:192.0.2.10", "pass"),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8:7::1", "pass"),
        ("v=spf1 ip6:2001:db8::/32 -all", "192.0.2.10", "fail"),
        ("v=spf1 a:firm.example -all", "192.0.2.1", "pass"),
        ("v=spf1 a:firm.example/24 -all", "192.0.2.99", "pass"),
        ("v=spf1 a:mx1.firm.example//64 -all", "2001:db8::99", "pass"),
        ("v=spf1 mx:firm.example -all", "192.0.2.20", "pass"),
        ("v=spf1 mx:firm.example -all", "2001:db8::10", "pass"),
        ("v=spf1 mx:firm.example/32//128 -all", "192.0.2.21", "fail"),
        ("v=spf1 include:strict.example ip4:192.0.2.10 -all", "192.0.2.10", "pass"),
        ("v=spf1 include:bounced.example -all", "192.0.2.1", "pass"),
        ("v=spf1 include:none.example -all", "192.0.2.1", "permerror"),
        ("v=spf1 redirect=bounced.example", "192.0.2.1", "pass"),
        ("v=spf1 redirect=none.example", "192.0.2.1", "permerror"),
        ("v=spf1 redirect=strict.example ip4:192.0.2.10", "192.0.2.10", "pass"),
        ("v=spf1 redirect=bounced.example -all", "192.0.2.1", "fail"),
        ("v=spf1 exists:%{ir}.by.test -all", "192.0.2.10", NOT_GIVEN),
        ("v=spf1 exists:x.%{ir}.by.test -all", "192.0.2.10", "pass"),
        ("v=spf1 exists:list.%{d2}.by.test -all", "192.0.2.10", NOT_GIVEN),
        ("v=spf1 ptr:firm.example -all", "192.0.2.10", "pass"),
        ("v=spf1 ptr:firm.example -all", "192.0.2.9", "fail"),
        ("v=spf1 a:elsewhere.test ip4:192.0.2.10 -all", "192.0.2.10", NOT_GIVEN),
        ("v=spf1 ip4:192.0.2.10 a:elsewhere.test -all", "192.0.2.10", "pass"),
        ("v=spf1 include:loop.example -all", "192.0.2.10", "permerror"),
        ("v=spf1 mx:many.example -all", "192.0.2.10", "permerror"),
        ("v=spf1 a:n1.example a:n2.example ~all", "192.0.2.10", "softfail"),
        ("v=spf1 a:n1.example a:n2.example a:n3.example ~all", "192.0.2.10", "permerror"),
        ("v=spf1 include:c3.example ~all", "192.0.2.10", "permerror"),
        ("v=spf1 redirect=c1.example", "192.0.2.10", "permerror"),
        ("v=spf1 exp=why.example -all", "192.0.2.10", "fail"),
        ("v=spf1 future=%{d}/x -all", "192.0.2.10", "fail"),
        ("V=SPF1 IP4:192.0.2.10 -ALL", "192.0.2.10", "pass"),
    ],
)
def test_records(base, record, address, wanted):
    assert result(base, record, address) == wanted


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 ip4:192.0.2.0/33 -all",
        "v=spf1 ip4 -all",
        "v=spf1 ip4:2001:db8::1 -all",
        "v=spf1 ip6:192.0.2.1 -all",
        "v=spf1 all:x -all",
        "v=spf1 include -all",
        "v=spf1 invented -all",
        "v=spf1 exists:%{z}.example -all",
        "v=spf1 exists:100% -all",
        "v=spf1 redirect=a.example redirect=b.example",
        "v=spf1 redirect=",
        "v=spf1 exp=%{r}.example -all",
        "v=spf1 future=%{unknown} -all",
        "v=spf1 ip4:192.0.2.0/032 -all",
        "v=spf1 a:192.0.2.1 -all",
        "v=spf1 a:local -all",
        "v=spf1 a:gärten.example -all",
    ],
)
def test_records_that_cannot_be_read(base, record):
    assert result(base, record, "198.51.100.1") == "permerror"


def test_two_records_are_none_that_can_be_used_and_a_bounce_is_judged_by_its_host(base):
    from pathlib import Path

    zone = read(Path(base))
    zone.add("two.example", "TXT", "v=spf1 -all")
    zone.add("two.example", "TXT", "v=spf1 +all")
    assert spf.check(zone, "192.0.2.1", "a@two.example", "x").result == "permerror"
    found = spf.check(zone, "192.0.2.1", "", "bounced.example")
    assert (found.result, found.domain) == ("pass", "bounced.example")
    assert spf.check(zone, "192.0.2.1", "", "localhost").result == "none"
    assert spf.check(zone, "nowhere", "a@two.example", "x").result == "none"
    assert spf.check(zone, "192.0.2.1", "a@unknown.test", "x").result == NOT_GIVEN


def macro(text: str, address: str = "192.0.2.3") -> str:
    from ipaddress import ip_address

    mail = Mail(ip_address(address), "strong-bad@email.firm.example", "mx.firm.example")
    return expand(text, mail, "email.firm.example", lambda: "seen.example")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("%{s}", "strong-bad@email.firm.example"),
        ("%{o}", "email.firm.example"),
        ("%{d2}", "firm.example"),
        ("%{d1}", "example"),
        ("%{d9}", "email.firm.example"),
        ("%{dr}", "example.firm.email"),
        ("%{d2r}", "firm.email"),
        ("%{l-}", "strong.bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{i}._%{v}", "192.0.2.3._in-addr"),
        ("%{ir}.%{h}", "3.2.0.192.mx.firm.example"),
        ("%{p}", "seen.example"),
        ("a%%b%_c%-d", "a%b c%20d"),
        ("%{S}", "strong-bad%40email.firm.example"),
    ],
)
def test_macros(text, wanted):
    assert macro(text) == wanted


def test_macros_of_ipv6_and_of_names_too_long():
    wanted = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6"
    assert macro("%{ir}.%{v}", "2001:db8::cb01") == wanted
    assert len(macro("a." * 200 + "%{d}")) <= 253
    with pytest.raises(Unreadable):
        macro("%{d0}")


@given(st.text(max_size=60))
def test_any_text_as_a_record_gives_some_result(text):
    zone = Zone()
    zone.closed.add("*")
    zone.add("here.example", "TXT", f"v=spf1 {text}")
    found = spf.check(zone, "192.0.2.1", f"{text}@here.example", text)
    assert found.result in (
        *("pass", "fail", "softfail", "neutral", "none", "permerror", NOT_GIVEN),
    )

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.errors import LabrysError
from labrys.respond.guards import Names, names
from labrys.respond.indicators import domain
from labrys.respond.ledger import Block
from labrys.respond.lists import FORMS, files

AT = 1_796_057_760_000
HASHES = ["a" * 32, "b" * 40, "c" * 64]
VALUES = [
    ("ip", "203.0.113.9"),
    ("ip", "2001:db8::9"),
    ("domain", "c2.example"),
    *(("hash", value) for value in HASHES),
]
BLOCKS = [Block(kind, value, AT, AT + 3_600_000, "me", "x") for kind, value in VALUES]
OVER = Block("ip", "198.51.100.1", AT - 10, AT, "me", "x")
UNDONE = Block("ip", "198.51.100.2", AT - 10, AT + 10, "me", "x", ended=AT - 1)


def made(form, allow=None, blocks=(*BLOCKS, OVER, UNDONE)):
    return files(form, blocks, allow or Names(), AT)


@pytest.mark.parametrize("form", FORMS)
def test_the_order_of_blocks_and_what_no_longer_holds_change_nothing(form):
    assert made(form) == made(form, blocks=BLOCKS[::-1])
    assert not any("198.51.100" in text for text in made(form).values())


@pytest.mark.parametrize("form", FORMS)
def test_what_is_allowed_is_blocked_by_no_list(form):
    allowed = made(form, names([value for _, value in VALUES], "x"))
    passing = "".join(
        line for text in allowed.values() for line in text.splitlines() if "passthru" not in line
    )
    assert not any(value in passing for _, value in VALUES)


def test_nftables_has_sets_with_timeouts_and_its_own_undoing():
    whole, undo = made("nftables").values()
    assert "203.0.113.9 timeout 3600s comment" in whole
    assert "2001:db8::9 timeout 3600s comment" in whole
    assert whole.startswith(undo)
    assert undo == "table inet labrys\ndelete table inet labrys\n"
    assert "elements" not in made("nftables", blocks=[])["labrys.nft"]


def test_a_policy_zone_answers_for_names_and_addresses():
    lines = made("rpz", names(["ok.c2.example", "192.0.2.0/24", "2001:db8:1::/48"], "x"))[
        "labrys.rpz"
    ].splitlines()
    assert lines[3:] == [
        "ok.c2.example CNAME rpz-passthru.",
        "*.ok.c2.example CNAME rpz-passthru.",
        "24.0.2.0.192.rpz-ip CNAME rpz-passthru.",
        "48.zz.1.db8.2001.rpz-ip CNAME rpz-passthru.",
        "c2.example CNAME .",
        "*.c2.example CNAME .",
        "128.9.zz.db8.2001.rpz-ip CNAME .",
        "32.9.113.0.203.rpz-ip CNAME .",
    ]


def test_suricata_gets_lists_and_only_rules_that_have_one():
    lists = made("suricata")
    assert base64.b64decode(lists["labrys-domains.lst"]) == b"c2.example"
    assert [lists[f"labrys-{kind}.lst"].strip() for kind in ("md5", "sha1", "sha256")] == HASHES
    rules = [line for line in lists["labrys.rules"].splitlines() if not line.startswith("#")]
    assert len(rules) == 8
    assert len({rule.partition("sid:")[2] for rule in rules}) == 8
    assert made("suricata", blocks=[])["labrys.rules"].count("alert") == 0


def test_hosts_and_text():
    assert made("hosts")["labrys.hosts"].splitlines()[1:] == ["0.0.0.0 c2.example", ":: c2.example"]
    assert set(made("text")["labrys.txt"].split()) == {value for _, value in VALUES}


def test_stix_indicators_say_until_when():
    (text,) = made("stix").values()
    objects = orjson.loads(text)["objects"]
    patterns = {each["pattern"] for each in objects[1:]}
    assert "[ipv6-addr:value = '2001:db8::9']" in patterns
    assert f"[file:hashes.'SHA-256' = '{'c' * 64}']" in patterns
    assert all(each["valid_from"] < each["valid_until"] for each in objects[1:])
    assert len({each["id"] for each in objects}) == len(BLOCKS) + 1


def test_a_form_that_is_none_is_told():
    with pytest.raises(LabrysError, match="rpz"):
        files("nonsense", [], Names(), AT)


@given(st.text(max_size=300))
def test_no_name_of_the_evidence_can_add_a_line(text):
    """Whatever evidence calls a domain, a list gets one harmless name of it or nothing."""
    name = domain(text)
    if name:
        for form, lines in (("rpz", 5), ("hosts", 3), ("text", 1)):
            (written,) = files(
                form, [Block("domain", name, AT, AT + 1, "", "")], Names(), AT
            ).values()
            assert len(written.splitlines()) == lines
            assert all(char.isascii() and char.isprintable() for char in written if char != "\n")

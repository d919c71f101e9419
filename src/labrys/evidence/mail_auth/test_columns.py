"""What a message's row says of its sender, from the message and records in files."""

import hashlib
from pathlib import Path

import pytest

from labrys.errors import LabrysError
from labrys.evidence.mail.hops import hops
from labrys.evidence.mail.mime import parse
from labrys.evidence.mail.read import read as read_mail
from labrys.evidence.mail_auth import columns, zone
from labrys.evidence.mail_auth.dkim import NOT_GIVEN
from labrys.evidence.mail_auth.test_signature import RSA_KEY, public, sign
from labrys.evidence.mail_auth.zone import NotGiven, read
from labrys.evidence.records import Source

RECORDS = f"""
firm.example TXT "v=spf1 ip4:192.0.2.0/28 -all"
mail.firm.example TXT "v=spf1 ip4:192.0.2.0/28 -all"
r._domainkey.firm.example TXT "v=DKIM1; p={public(RSA_KEY)}"
r._domainkey.other.example TXT "v=DKIM1; p={public(RSA_KEY)}"
other.example TXT "v=spf1 +all"
evil.example TXT "v=spf1 +all"
"""
POLICY = "_dmarc.firm.example TXT v=DMARC1; p=reject; sp=quarantine\n"


def message(
    client="mx.out.example [192.0.2.10]", back="ann@firm.example", sender="ann@firm.example",
    raw=b"", above=b"",
) -> bytes:  # fmt: skip
    head = f"Return-Path: <{back}>\r\nReceived: from {client.partition(' ')[0]} ({client}) by mx.corp.test with ESMTP; Tue, 17 Nov 2026 10:00:00 +0000\r\n"  # fmt: skip
    rest = raw or f"From: <{sender}>\r\nSubject: x\r\n\r\nhello\r\n".encode()
    return above + head.encode() + rest


def found(tmp_path: Path, raw: bytes, more: str = POLICY) -> dict:
    file = tmp_path / "dns.txt"
    file.write_text(RECORDS + more)
    made = parse(raw, 0, len(raw))
    row, _ = columns.of(made, hops(made.headers), "", read(file))
    return {name.removeprefix("own_"): value for name, value in row.items() if value}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"dkim": "none", "spf": "pass", "dmarc": "pass", "policy": "reject"}),
        ({"client": "x.out.test [192.0.2.99]"}, {"spf": "fail", "dmarc": "fail"}),
        # SPF of somebody else says nothing of the domain in From.
        ({"back": "eve@evil.example"}, {"spf": "pass", "dmarc": "fail"}),
        ({"back": "ann@mail.firm.example"}, {"spf": "pass", "dmarc": "pass"}),
        ({"back": "eve@unknown.test"}, {"spf": NOT_GIVEN, "dmarc": "fail"}),
        ({"back": "eve@sub.firm.example"}, {"spf": NOT_GIVEN, "dmarc": NOT_GIVEN}),
        ({"sender": "ann@sub.firm.example"}, {"dmarc": "pass", "policy": "quarantine"}),
        ({"sender": "ann@stranger.test"}, {"dmarc": NOT_GIVEN}),
        ({"back": "eve@evil.example", "raw": sign()}, {"dkim": "pass", "dmarc": "pass"}),
        (
            {"back": "eve@evil.example", "raw": sign(domain="other.example")},
            {"dkim": "pass", "dmarc": "fail"},
        ),
        (
            {"back": "eve@evil.example", "raw": sign(selector="lost")},
            {"dkim": NOT_GIVEN, "dmarc": NOT_GIVEN},
        ),
        (
            {"back": "eve@evil.example", "raw": sign(more="l=3;")},
            {"dkim": "policy", "dmarc": "fail"},
        ),
        ({"raw": b"From: a@firm.example\r\nFrom: b@evil.example\r\n\r\nx"}, {"dmarc": "permerror"}),
        ({"raw": b"Subject: x\r\n\r\nx"}, {"dmarc": "none"}),
    ],
)
def test_what_the_columns_say(tmp_path, given, wanted):
    row = found(tmp_path, message(**given))
    assert {
        name: row.get("dmarc_policy" if name == "policy" else name) for name in wanted
    } == wanted


def test_strict_alignment_and_policies(tmp_path):
    raw = message(sender="ann@sub.firm.example")
    strict = "_dmarc.firm.example TXT v=DMARC1; p=reject; aspf=s; adkim=s\n"
    assert found(tmp_path, raw, strict)["dmarc"] == "fail"
    nothing = "_dmarc.firm.example NONE\n"
    assert found(tmp_path, message(), nothing)["dmarc"] == "none"
    twice = POLICY + POLICY
    assert found(tmp_path, message(), twice + "firm.example NONE\n").get("dmarc") == "none"
    broken = "_dmarc.firm.example TXT v=DMARC1;p=perhaps\n"
    assert found(tmp_path, message(), broken)["dmarc"] == "permerror"


def test_a_stranger_cannot_put_a_good_host_below_himself(tmp_path):
    below = "Received: from mx.out.example (mx.out.example [192.0.2.10]) by mx.corp.test; x\r\n"
    evil = b"Received: from mx.corp.test (unknown [203.0.113.9]) by mx.corp.test; x\r\n"
    raw = b"Return-Path: <ann@firm.example>\r\n" + evil + below.encode() + b"From: a@firm.example\r\n\r\nx"  # fmt: skip
    row = found(tmp_path, raw)
    assert "spf" not in row
    assert "dmarc" not in row
    # Nor can he write his own Return-Path below.
    raw = evil + b"Return-Path: <a@firm.example>\r\nFrom: a@firm.example\r\n\r\nx"
    assert "spf" not in found(tmp_path, raw)


def test_many_signatures_are_not_all_checked(tmp_path):
    raw = sign() + b"x"
    made = parse(raw, 0, len(raw))
    file = tmp_path / "dns.txt"
    file.write_text(RECORDS)
    row, used = columns.of(made, [], "", read(file), left=0)
    assert (row["own_dkim"], used) == (None, 0)
    assert made.problems == ["too many signatures: the rest is not checked"]


def rows_of(folder: Path, raw: bytes) -> dict:
    file = folder / "mail.eml"
    file.write_bytes(raw)
    source = Source(file, "mail.eml", hashlib.sha256(raw).hexdigest(), len(raw))
    return next(b.to_pylist()[0] for shape, b in read_mail(source) if shape == "mail.message")


@pytest.fixture
def records(tmp_path, monkeypatch):
    file = tmp_path / "dns.txt"
    file.write_text(RECORDS + POLICY)
    monkeypatch.setenv("LABRYS_MAIL_RECORDS", str(file))
    zone.given.cache_clear()
    yield file
    zone.given.cache_clear()


def test_without_records_nothing_is_checked_and_with_them_each_message_is(
    tmp_path, monkeypatch, records
):
    row = rows_of(tmp_path, message())
    assert (row["own_spf"], row["own_dmarc"], row["own_dkim"]) == ("pass", "pass", "none")
    monkeypatch.delenv("LABRYS_MAIL_RECORDS")
    zone.given.cache_clear()
    assert not [name for name in rows_of(tmp_path, message()) if name.startswith("own_")]


def test_files_of_records(tmp_path):
    (tmp_path / "a.zone").write_text('$TTL 300\nx.example. TXT "a"\n')
    with pytest.raises(LabrysError, match=r"a\.zone, line 1: .*in full"):
        read(tmp_path)
    (tmp_path / "a.zone").write_text(
        'X.example. 300 IN TXT "one; " ( "two"  ; a remark\n "\\"three\\"\\059" )\n'
        "; nothing\n# nothing\nx.example IN SOA ns.x.example. h.x.example. 1 2 3 4 5\n"
        "alias.example CNAME x.example\nround.example CNAME round.example\n*.wild.example A 192.0.2.1\n"
    )
    (tmp_path / "b.zone").write_text("x.example NONE\n*.closed.example NONE\n")
    made = read(tmp_path)
    assert made.ask("x.EXAMPLE.", "TXT") == ['one; two"three";']
    assert made.ask("alias.example", "TXT") == made.ask("x.example", "TXT")
    assert made.ask("a.b.wild.example", "A") == ["192.0.2.1"]
    assert made.ask("x.example", "A") == made.ask("a.closed.example", "TXT") == []
    for name in ("round.example", "unknown.example", "closed.example"):
        with pytest.raises(NotGiven):
            made.ask(name, "A")


@pytest.mark.parametrize(
    "text", ["", "x.example", "x.example FOO bar", "x.example TXT", "@ A 1.2.3.4"]
)
def test_files_that_are_none(tmp_path, text):
    file = tmp_path / "dns.txt"
    file.write_text(text)
    with pytest.raises(LabrysError):
        read(file)
    with pytest.raises(LabrysError):
        read(tmp_path / "missing")

import base64
import email
import lzma
import random
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.mail.mime import parse
from labrys.evidence.mail.read import read, sniff
from labrys.evidence.mail.transfer import Decoder
from labrys.evidence.registry import choose
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLES = sorted((HERE / "samples").iterdir())
SHARED = Path(__file__).parents[5] / "shared" / "data" / "mail"


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


@pytest.fixture
def message(tmp_path: Path):
    """What `mail.message` (or another shape) is made of some bytes."""

    def of(content: bytes, shape: str = "mail.message") -> list[dict[str, Any]]:
        path = tmp_path / "mail"
        path.write_bytes(content)
        return [row for row in rows(path) if row["shape"] == shape]

    return of


@pytest.mark.parametrize(
    ("head", "is_mail"),
    [
        (b"From: a@b.example\nSubject: x\n\nhello\n", True),
        (b"Received: from a by b; x\r\nDate: y\r\n\r\n", True),
        (b"\xef\xbb\xbfReturn-Path: <a@b>\nDelivered-To: c@d\nX-A: b\n\n", True),
        (b"Subject: x\nDate: y\n\n", False),
        (b"HTTP/1.1 200 OK\nDate: x\nContent-Type: text/html\n\n", False),
        (b"Date: x\nContent-Type: text/html\nServer: y\n\n", False),
        (b"Package: x\nVersion: 1\nMaintainer: A <a@b.example>\n\n", False),
        (b"from: x\nto: y\nsteps:\n  - run: z\n", False),
        (b"from: a@b.example\nname = 'x'\nfor y in z:\n    pass\n" * 40, False),
        (b"Nov 17 10:00:00 web sshd[1]: Accepted password for x from 1.2.3.4\n" * 9, False),
        (b'{"From": "a@b.example", "Subject": "x"}\n', False),
        (b"To,From,Subject\na@b,c@d,x\n", False),
        (b"", False),
        (b"\x00" * 100, False),
    ],
)
def test_what_is_taken_for_mail(head: bytes, is_mail: bool) -> None:
    assert (sniff(head, "x") > 0.5) is is_mail
    chosen = choose(head, "x")
    assert (chosen is not None and chosen.id == "mail") is is_mail


def test_the_received_time_stands_in_for_a_date_that_cannot_be(message) -> None:
    way = b"Received: from a by b.example; Tue, 17 Nov 2026 10:00:00 +0000\n"
    for date, milliseconds in (
        (b"Tue, 17 Nov 2026 09:00:00 +0000", 1_794_906_000_000),
        (b"Tue, 17 Nov 2037 09:00:00 +0000", 1_794_909_600_000),
        (b"nonsense", 1_794_909_600_000),
    ):
        (row,) = message(b"Date: " + date + b"\nFrom: x@y.example\n" + way + b"\nhi")
        assert row["_time"] == milliseconds


def test_results_of_others_than_the_last_organisation_are_not_believed(message) -> None:
    forged = b"Authentication-Results: mx.corp.example; dmarc=pass header.from=bank.example\n"
    border = (
        b"Received: from evil.example (unknown [203.0.113.9]) by mx.corp.example; x\n"
        b"Received: from mx.corp.example (mx.corp.example [10.0.0.1]) by mx.corp.example; x\n"
    )
    (row,) = message(border + forged + b"From: a@bank.example\n\nhi")
    assert row["auth_trust"] == "none"
    assert "auth_dmarc" not in row
    (row,) = message(forged + border + b"From: a@bank.example\n\nhi")
    assert (row["auth_trust"], row["auth_dmarc"], row["auth_host"]) == (
        "border",
        "pass",
        "mx.corp.example",
    )


def test_messages_inside_are_messages_with_their_parent(message) -> None:
    inner = b"From: deep@x.example\nSubject: 0\n\nbottom"
    for depth in range(1, 8):
        inner = (
            b"From: x@y.example\nSubject: %d\nContent-Type: multipart/mixed; boundary=b%d\n\n"
            b"--b%d\nContent-Type: message/rfc822\n\n%s\n--b%d--\n"
        ) % (depth, depth, depth, inner, depth)
    found = message(inner)
    assert [row["subject"] for row in found] == [str(number) for number in range(7, -1, -1)]
    assert [row["depth"] for row in found] == [str(number) for number in range(8)]
    assert [row.get("parent") for row in found] == [None] + [row["_id"] for row in found[:-1]]


LINKED = b"""From: a@b.example
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/html

<a href="https://evil.example/a">www.bank.example</a>
<a href="https://click.example/?u=https%3A%2F%2Fwww.bank.example%2Fb">www.bank.example</a>
<a href="https://bank.example/?u=https%3A%2F%2Fother.example%2F">https://bank.example/</a>
<a href="http://user@[2001:db8::1]/">x</a> <a href="http://0xcb007109/">y</a>
--x
Content-Type: application/octet-stream; name="invoice.pdf.html"

<html><form action=https://evil.example/in><input type=password></form>
<script>new Blob([atob(x)])</script>
--x
Content-Type: application/octet-stream; name="a.txt"

hi
--x--
"""


def test_the_row_of_a_message_says_what_its_links_and_attachments_say(message) -> None:
    (row,) = message(LINKED)
    lists = {name: row[name].split("\x1e") for name in row if name.startswith("link_")}
    assert {len(values) for values in lists.values()} == {6}
    assert lists["link_shown_domains"] == ["bank.example"] * 3 + [""] * 3
    assert lists["link_target_domains"] == ["", "bank.example", "other.example", "", "", ""]
    assert lists["link_kinds"] == ["a"] * 5 + ["form"]
    assert (row["links_mismatched"], row["links_to_ip"], row["links_with_user"]) == ("1", "2", "1")
    assert row["links_in_attachments"] == "1"
    assert row["attachment_names"] == "invoice.pdf.html\x1ea.txt"
    assert row["attachment_types"] == "text/html\x1eapplication/octet-stream"
    assert row["attachment_html_signs"].split("\x1e") == [
        *("new Blob", "atob", "form", "password input", "script"),
    ]
    assert "links_qr" not in row


def test_links_beyond_a_hundred_are_left_out_of_the_row_pictures_first(message) -> None:
    html = b"".join(b"<img src=http://p.example/%d>" % n for n in range(150))
    (row,) = message(
        b"From: a@b.example\nContent-Type: text/html\n\n" + html + b"<a href=http://e.example>x</a>"
    )
    kinds = row["link_kinds"].split("\x1e")
    assert (len(kinds), kinds[0], row["links_count"]) == (100, "a", "151")


def bomb(kind: str) -> bytes:
    start = b"From: a@b.example\nSubject: bomb\n"
    mixed = start + b"Content-Type: multipart/mixed; boundary=x\n\n"
    html = start + b"Content-Type: text/html\n\n"
    return {
        "parts": mixed + b"--x\nContent-Type: text/plain\n\nhi\n" * 30_000,
        "header lines": start + b"X-A: b\n" * 1_000_000 + b"\nhi",
        "a header line": start + b"X-A: " + b"b" * 30_000_000 + b"\n\nhi",
        "folded": start + b"To: a@b.example,\n" + b" c@d.example,\n" * 300_000 + b"\nhi",
        "words": start + b"Subject: " + b"=?utf-8?Q?a?= " * 500_000 + b"\n\nhi",
        "addresses": start + b"To: " + b'"<(\\' * 2_000_000 + b"\n\nhi",
        "base64": start + b"Content-Transfer-Encoding: base64\n\n" + b"AA=A" * 4_000_000,
        "deep": b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number)
            for number in range(3_000)
        ),
        "messages": (b"From: a@b.example\nContent-Type: message/rfc822\n\n") * 3_000 + b"end",
        "tags": html + b"<div>" * 2_000_000,
        "fonts": html
        + b"<p>"
        + b"".join(b"<font a=%d>" % n for n in range(20_000))
        + b"<p>x" * 20_000,
        "openers": html + b"<a href='" * 1_000_000,
        "unclosed": html + b"<a <a <a " * 400_000,
        "comments": html + b"<!-- -" * 500_000,
        "styles": html + b"<style>" + b"@media " * 100_000 + b"a{b:c}" * 100_000 + b"</style>x",
        "attributes": html + b"<a " + b"b=c " * 1_000_000 + b">x",
        "entities": html + b"&amp;" * 1_000_000 + b"&" * 1_000_000,
        "links": html + b"".join(b"<a href=http://a%d.example/>b</a>" % n for n in range(50_000)),
        "wrapped": html + b'<a href="http://a.example/?u=' + b"http://b.example/?u=" * 500 + b'">',
        "quotes": start + b"\n" + b"On 1 Jan 2026, a@b.example wrote:\n> x\n" * 100_000,
        "labels": start + b"\n" + b"From: a 2026\n" * 200_000,
        "boundaries": mixed + b"--xy\n" * 2_000_000,
        "parameters": start + b"Content-Type: text/plain" + b"; a*0=b" * 500_000 + b"\n\nhi",
        "received": b"Received: from a (((((b by c; d\n" * 100_000 + start + b"\nhi",
        "data": html + b"<img src='data:image/png;base64," + b"AAAA" * 1_000_000 + b"'>",
    }[kind]


KINDS = [
    "parts",
    "header lines",
    "a header line",
    "folded",
    "words",
    "addresses",
    "base64",
    "deep",
    "messages",
    "tags",
    "fonts",
    "openers",
    "unclosed",
    "comments",
    "styles",
    "attributes",
    "entities",
    "links",
    "wrapped",
    "quotes",
    "labels",
    "boundaries",
    "parameters",
    "received",
    "data",
]


@pytest.mark.parametrize("kind", KINDS)
def test_bombs_are_bounded_in_time_and_still_messages(message, kind: str) -> None:
    content = bomb(kind)
    began = time.process_time()
    found = message(content)
    assert time.process_time() - began < 8
    assert found
    assert sum(len(str(row)) for row in found) < 2_000_000


def test_a_mail_of_a_hundred_megabytes(message) -> None:
    block = base64.encodebytes(random.Random(1).randbytes(3 << 18))
    content = (
        b"From: a@b.example\nSubject: big\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhi\n"
        b"--x\nContent-Type: application/octet-stream; name=big.bin\n"
        b"Content-Transfer-Encoding: base64\n\n" + block * 98 + b"--x--\n"
    )
    (row,) = message(content, "mail.attachment")
    assert int(row["size"]) == 98 * (3 << 18)
    assert len(row["sha256"]) == 64


def test_what_is_cut_or_left_out_is_said(message) -> None:
    for kind, said in (
        ("parts", "more than 10000 parts"),
        ("header lines", "headers too long"),
        ("base64", "base64 that ends too often"),
        ("links", "more than 500 links"),
    ):
        assert said in message(bomb(kind))[0]["problems"], kind
    deep = b"".join(
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n)
        for n in range(40)
    )
    assert "nested more than 30 deep" in message(deep)[0]["problems"]


TOKENS = [
    *(b"\n", b"\r\n", b"\n\n", b"\x00", b"--b\n", b"--alt--\n", b"=?utf-8?B?", b"?=", b"=\n", b"="),
    *(b"Content-Type: multipart/mixed; boundary=b\n\n", b"Content-Transfer-Encoding: base64\n"),
    *(b"\xff", b"<", b">", b'"', b"'", b"<!--", b"<script>", b"</td>", b"style='display:none'"),
    *(b"Received: from x by y; z\n", b"\x1e", b"&#x1e;", b"&#xD800;", b"=ED=A0=80", b"From "),
    *(b"charset=utf-7", b"charset=utf-16", b"charset=hex", b"charset=idna", b"; name*0*=a'b'%ff"),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SAMPLES)).read_bytes())
    chance = random.Random(draw(st.integers(0, 1 << 32)))
    for _ in range(chance.randrange(1, 20)):
        at = chance.randrange(len(data) + 1)
        what = chance.randrange(4)
        if what == 0:
            data[at:at] = chance.choice(TOKENS)
        elif what == 1:
            del data[at : at + chance.randrange(1, 60)]
        elif what == 2 and at < len(data):
            data[at] = chance.randrange(256)
        else:
            other = chance.randrange(len(data) + 1)
            data[at:at] = data[other : other + chance.randrange(200)]
    return bytes(data)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_mutated_samples_never_raise_and_read_the_same_twice(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(data)
    found = rows(path)
    assert found == rows(path)
    assert found[0]["shape"] == "mail.message"
    ids = [row["_id"] for row in found]
    assert len(set(ids)) == len(ids)
    messages = {row["_id"] for row in found if row["shape"] == "mail.message"}
    assert all(row["message"] in messages for row in found if "message" in row)
    assert 0 <= sniff(data[:65536], "x") <= 1


def standard_parts(data: bytes) -> list[tuple[str, bytes]]:
    made = []
    for part in email.message_from_bytes(data).walk():
        if part.is_multipart() or part.get_content_type() == "message/rfc822":
            continue
        made.append((part.get_content_type(), part.get_payload(decode=True) or b""))
    return made


@pytest.mark.shared
def test_real_mail_has_the_parts_that_the_standard_library_finds() -> None:
    path = SHARED / "list_usrp_2019_2023_ham.tar.xz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with lzma.open(path) as packed, tarfile.open(fileobj=packed) as archive:
        compared = 0
        for member in archive:
            if not member.isfile() or compared >= 300:
                continue
            data = archive.extractfile(member).read()  # type: ignore[union-attr]
            made = [
                (part.kind, b"".join(Decoder(data, part.start, part.end, part.encoding).pieces()))
                for part in parse(data, 0, len(data)).parts
            ]
            expected = standard_parts(data)
            if any(kind.startswith("message/") for kind, _ in made):
                continue
            compared += 1
            assert [kind for kind, _ in made] == [kind for kind, _ in expected], member.name
            for (_, one), (_, other) in zip(made, expected, strict=True):
                assert one.split() == other.split(), member.name
    assert compared == 300


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mail_fixtures_dkim_arc_dmarc_mime", "bounces_sisimai"])
def test_real_torture_never_raises(name: str, tmp_path: Path) -> None:
    path = SHARED / f"{name}.tar.xz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    messages = 0
    with lzma.open(path) as packed, tarfile.open(fileobj=packed) as archive:
        for number, member in enumerate(archive):
            if not member.isfile() or member.size > 4 << 20:
                continue
            data = archive.extractfile(member).read()  # type: ignore[union-attr]
            file = tmp_path / str(number)
            file.write_bytes(data)
            found = rows(file)
            messages += sum(row["shape"] == "mail.message" for row in found)
            assert found or not data
    assert messages > 3

"""Of the single steps: words, addresses, transfer encodings, HTML, threads, links, attachments."""

import base64
import binascii
import io
import quopri
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.mail import attachments, css, pdf, pictures
from labrys.evidence.mail.charset import codec, text
from labrys.evidence.mail.dates import moment
from labrys.evidence.mail.domains import ascii_host, ip, registered
from labrys.evidence.mail.html import render
from labrys.evidence.mail.links import shown_domain
from labrys.evidence.mail.thread import split
from labrys.evidence.mail.transfer import Decoder
from labrys.evidence.mail.urls import target, url
from labrys.evidence.mail.words import addresses, decoded, parameters


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"=?utf-8?Q?caf=C3=A9?= x", "café x"),
        (b"=?utf-8?B?w6k=?= \r\n =?utf-8?B?w6k=?=", "éé"),
        (b"=?utf-8?B?ww==?= =?utf-8?B?qQ==?=", "é"),  # a letter cut in two
        (b"=?iso-8859-1*de?q?=FC?=", "ü"),
        (b"=?x?Z?y?= =?utf-8?Q?open", "=?x?Z?y?= =?utf-8?Q?open"),
        ("größe".encode(), "größe"),
        ("größe".encode("latin-1"), "größe"),
    ],
)
def test_encoded_words(raw: bytes, said: str) -> None:
    assert decoded(raw) == said


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'"Doe, Jane" <Jane@X.example>, bob@y.example', ["jane@x.example", "bob@y.example"]),
        (b"jane@x.example (Jane Doe)", ["jane@x.example"]),
        (
            b"Team: a@x.example, b@x.example;, c@x.example",
            ["a@x.example", "b@x.example", "c@x.example"],
        ),
        (b"undisclosed-recipients:;", []),
        (b"<@relay.example:a@x.example>", ["a@x.example"]),
        (b'"a@bank.example" <b@evil.example>', ["b@evil.example"]),
        (b"<>", []),
    ],
)
def test_addresses(raw: bytes, found: list[str]) -> None:
    assert [mailbox for _, mailbox in addresses(raw) if mailbox] == found


def test_parameters_in_pieces_and_charsets() -> None:
    raw = b"text/plain; name*1*=%C3%A9.txt; name*0*=utf-8''caf; charset=\"utf-8\" ; x"
    kind, found = parameters(raw)
    assert (kind, found["name"], found["charset"]) == ("text/plain", "café.txt", "utf-8")


@given(st.binary(max_size=400))
def test_headers_of_any_bytes(raw: bytes) -> None:
    decoded(raw)
    addresses(raw)
    parameters(raw)
    moment(raw.decode("latin-1"))


@given(st.binary(max_size=3000), st.integers(1, 200))
def test_transfer_encodings_are_undone(data: bytes, piece: int) -> None:
    from labrys.evidence.mail import transfer

    before, transfer.PIECE = transfer.PIECE, piece  # type: ignore[misc]
    try:
        for name, packed in (
            ("base64", base64.encodebytes(data)),
            ("quoted-printable", quopri.encodestring(data)),
            ("binary", data),
        ):
            decoder = Decoder(packed, 0, len(packed), name)
            made = b"".join(decoder.pieces())
            assert made == data or (name == "quoted-printable" and b"\r" in data)
            assert not decoder.problems
    finally:
        transfer.PIECE = before  # type: ignore[misc]


@given(st.binary(max_size=600))
def test_transfer_encodings_of_any_bytes(data: bytes) -> None:
    for name in ("base64", "quoted-printable", "x-uuencode", "8bit", "rot13"):
        size, digest, _ = Decoder(data, 0, len(data), name).digest(100)
        assert size >= 0
        assert len(digest) == 64


def test_only_codecs_of_text_are_known() -> None:
    for name in ("hex", "base64", "zip", "idna", "punycode", "unicode-escape", "rot13", "x" * 999):
        assert codec(name) is None
    assert text(b"\x93quoted\x94", "iso-8859-1")[0] == "“quoted”"
    assert text("日本".encode("cp932"), "shift_jis")[0] == "日本"
    assert text("é".encode(), "klingon") == ("é", "unknown charset klingon")


HIDING = [
    '<p style="display:none">X</p>',
    '<p style="visibility : hidden">X</p>',
    '<p style="font-size:0">X</p>',
    '<p style="font-size:1px">X</p>',
    '<p style="opacity:0.01">X</p>',
    '<p style="color:#ffffff">X</p>',
    '<p style="color:#fdfdfd;background:white">X</p>',
    '<table bgcolor="#102030"><tr><td><font color="#112131">X</font></table>',
    '<div style="max-height:0;overflow:hidden"><b>X</b></div>',
    '<p style="text-indent:-9999px">X</p>',
    '<p style="position:absolute;left:-5000px">X</p>',
    "<p hidden>X</p>",
    "<style>.q,.z{display:none!important}</style><i class='a z'>X</i>",
    "<style>/* } */ #k { font-size: 0px }</style><i id=k>X</i>",
    "<div style='display:none'><p>X</div>",
]
SHOWING = [
    "<p>X</p>",
    '<p style="color:#fff;background:#0078d4">X</p>',
    '<td style="background:url(x.png);color:#ffffff">X</td>',
    '<div style="font-size:0"><p style="font-size:14px">X</p></div>',
    '<p style="display:none">y<p>X</p>',
    '<div style="display:none">y</div>X',
    "<style>@media (max-width:9px) { .m { display:none } }</style><p class=m>X</p>",
    '<table bgcolor="black"><tr><td style="color:white">X</td></tr></table>',
    "<p title='a>b'>X</p>",
    "<!-- <p hidden> -->X",
    "<b><i></b>X",
]


@pytest.mark.parametrize("html", HIDING)
def test_what_is_hidden(html: str) -> None:
    made = render(f"<html><body>seen {html}</body></html>")
    assert made.visible == "seen"
    assert made.hidden == "X"
    assert len(made.hidden_by) == 1


@pytest.mark.parametrize("html", SHOWING)
def test_what_is_not_hidden(html: str) -> None:
    assert render(f"<html><body>{html}</body></html>").visible == "X"


def test_words_are_whole_and_blocks_are_lines() -> None:
    made = render("<p>pay<b>p</b>al &amp;\n more<br>next<table><tr><td>a<td>b</table>&nbsp;end")
    assert made.visible == "paypal & more\nnext\na b\nend"


@given(st.text(alphabet="<>/=\"' abpstyledivnone:;-!&#x0\n", max_size=300))
def test_html_of_any_kind(html: str) -> None:
    render(html)
    css.sheet(html)
    css.style(html)


@pytest.mark.parametrize(
    "attribution",
    [
        "On Mon, 16 Nov 2026 at 17:01, Alice <alice@x.example> wrote:",
        "Am 16.11.2026 um 17:01 schrieb Alice:",
        "Le lun. 16 nov. 2026 à 17:01, Alice <alice@x.example> a écrit :",
        "El lun, 16 nov 2026 a las 17:01, Alice (<alice@x.example>) escribió:",
        "16.11.2026 17:01, Алиса пишет:",
        "2026年11月16日 17:01，Alice <alice@x.example> 写道：",
        "-----Original Message-----\nFrom: Alice\nSent: 16 November 2026 17:01\nTo: Bob\nSubject: x\n",
        "________________________________\nVon: Alice\nGesendet: 16. November 2026 17:01\nAn: Bob\nBetreff: x",
        "---------- Forwarded message ---------\nFrom: Alice <a@x.example>\nDate: 16 Nov 2026\nSubject: x",
        "发件人: Alice\n发送时间: 2026年11月16日 17:01\n收件人: Bob\n主题: x",
    ],
)
def test_quotations_of_many_programs(attribution: str) -> None:
    current, quoted, how = split(f"New words.\n\n{attribution}\n\nOld words.\n")
    assert current == "New words."
    assert quoted.endswith("Old words.")
    assert how


@pytest.mark.parametrize(
    "said",
    [
        "Dear all:\n\n- one\n- two",
        "Note: at 10:30 we meet:\nroom 5",
        "From: me\nto you",
        "x" * 9999,
    ],
)
def test_what_is_no_quotation(said: str) -> None:
    assert split(said) == (said, "", "")


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("https://www.google.example/url?q=https://a.example/x&sa=D", "https://a.example/x"),
        ("https://l.example/l.php?u=https%3A%2F%2Fa.example%2F", "https://a.example/"),
        (
            "https://eu.safelinks.example/?url=https%3A%2F%2Fa.example%2F%3Fq%3D1&data=x",
            "https://a.example/?q=1",
        ),
        ("https://u.example/v2/url?u=http-3A__a.example_p-3Fq-3D1&d=D", "http://a.example/p?q=1"),
        ("https://u.example/v3/__https://a.example/*x__;Iw!!AbC", "https://a.example/#x"),
        ("https://t.example/L0/https:%2F%2Fa.example%2Fb/1/2", "https://a.example/b/1/2"),
        ("https://t.example/r?x=aHR0cHM6Ly9hLmV4YW1wbGUvYg", "https://a.example/b"),
        ("https://o.example/?u=https://m.example/?v=https://a.example/", "https://a.example/"),
        ("https://x.example/login?next=/home", None),
        ("https://x.example/a/b", None),
    ],
)
def test_redirectors(said: str, where: str | None) -> None:
    made = url(said)
    assert made is not None
    found, _ = target(made)
    assert (found.text if found else None) == where


@pytest.mark.parametrize(
    ("said", "host", "domain"),
    [
        ("HTTPS://User@Evil.Example:8443/x", "evil.example", "evil.example"),
        ("https://bank.example@evil.example/", "evil.example", "evil.example"),
        ("https:\\\\evil.example\\x", "evil.example", "evil.example"),
        ("ht\ntps://evil.ex\tample/", "evil.example", "evil.example"),
        ("https://b\u00fccher.example/", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("http://0x7f000001/", "127.0.0.1", ""),
        ("http://2130706433/", "127.0.0.1", ""),
        ("//a.b.example.co.uk/x", "a.b.example.co.uk", "example.co.uk"),
        ("mailto:Bob@Mail.Corp.Example?subject=x", "mail.corp.example", "corp.example"),
    ],
)
def test_hosts_as_browsers_see_them(said: str, host: str, domain: str) -> None:
    made = url(said)
    assert made is not None
    assert (made.host, made.domain) == (host, domain)


@given(st.text(max_size=200))
def test_addresses_of_any_text(said: str) -> None:
    for one in (said, f"http://{said}", f"http://x.example/?u={said}", f"https://[{said}"):
        made = url(one)
        if made is not None:
            target(made)
    registered(ascii_host(said))
    ip(said)
    shown_domain(said)


def test_what_a_link_shows() -> None:
    assert shown_domain("https://www.bank.example/login") == "bank.example"
    assert shown_domain("login.bank.co.uk") == "bank.co.uk"
    assert shown_domain("click here. now") == ""
    assert shown_domain("me@bank.example") == ""
    assert shown_domain("invoice.pdf") == ""


@pytest.mark.parametrize(
    ("name", "found", "how"),
    [
        ("invoice.pdf.exe", "", ["runs", "double extension"]),
        ("x\u202egpj.scr", "", ["reversed", "runs"]),
        ("a.pdf        .lnk", "", ["runs", "double extension", "padded"]),
        ("a.pdf", "text/html", ["not what it says"]),
        ("a.docx", "application/zip", ["not what it says"]),
        ("a.jpg", "image/png", []),
        ("report.2026.pdf", "application/pdf", []),
    ],
)
def test_tricks_of_names(name: str, found: str, how: list[str]) -> None:
    assert attachments.tricks(name, "", found) == how


def test_links_in_a_pdf() -> None:
    packed = zlib.compress(b"<</S/URI/URI(https://b.example/\\(x\\))>>")
    content = (
        b"%PDF-1.7\n1 0 obj<</A<</S/URI/URI (https://a.example/)>>>>endobj\n2 0 obj<<>>stream\r\n"
        + packed
        + b"\nendstream\n/URI <" + binascii.hexlify(b"https://c.example/") + b">"
    )  # fmt: skip
    assert pdf.links(content) == [
        "https://a.example/",
        "https://c.example/",
        "https://b.example/(x)",
    ]


@given(st.binary(max_size=500))
def test_attachments_of_any_bytes(data: bytes) -> None:
    pdf.links(b"%PDF-" + data + b"stream\n\x78\x9c" + data)
    pictures.codes(b"\x89PNG\r\n\x1a\n" + data)
    for start in (b"PK\x03\x04", b"PK\x01\x02", b"Rar!\x1a\x07\x01\x00", b"BEGIN:VCALENDAR", b""):
        attachments.look(start + data, len(start + data), "text/calendar")


def test_a_qr_code_is_read() -> None:
    barcodes = pytest.importorskip("zxingcpp")
    images = pytest.importorskip("PIL.Image")
    code = barcodes.create_barcode("https://evil.example/qr", barcodes.BarcodeFormat.QRCode)
    pixels = barcodes.write_barcode_to_image(code, scale=6)
    file = io.BytesIO()
    images.fromarray(__import__("numpy").array(pixels)).save(file, "PNG")
    assert pictures.codes(file.getvalue()) == ["https://evil.example/qr"]
    assert pictures.codes(file.getvalue()[:300]) == []

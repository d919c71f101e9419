"""What Outlook packs for itself is opened: bodies, attachments, items within; and never believed."""

import base64
import hashlib
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence.mail import tnef
from labrys.evidence.mail.mime import parse
from labrys.evidence.mail.read import read
from labrys.evidence.records import Source


def attribute(name: int, value: bytes, level: int = 1) -> bytes:
    return (
        struct.pack("<BII", level, name, len(value)) + value + struct.pack("<H", sum(value) % 65536)
    )


def prop(name: int, kind: int, value: bytes | int, label: str = "") -> bytes:
    made = struct.pack("<HH", kind, name)
    if label:
        text = label.encode("utf-16-le") + b"\0\0"
        made += bytes(16) + struct.pack("<II", 1, len(text)) + text + bytes(-len(text) % 4)
    if isinstance(value, int):
        return made + struct.pack("<I", value)
    return made + struct.pack("<II", 1, len(value)) + value + bytes(-len(value) % 4)


def properties(*each: bytes) -> bytes:
    return struct.pack("<I", len(each)) + b"".join(each)


def wide(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


def attachment(name: str, content: bytes) -> bytes:
    made = properties(prop(0x3707, 0x1F, wide(name)), prop(0x370E, 0x1F, wide("text/csv")))
    return (
        attribute(0x00069002, bytes(14), 2)
        + attribute(0x00018010, b"SHORT~1.CSV\0", 2)
        + attribute(0x0006800F, content, 2)
        + attribute(0x00069005, made, 2)
    )


def stream(*parts: bytes) -> bytes:
    return tnef.SIGNATURE + b"\1\0" + attribute(0x00069007, struct.pack("<II", 1252, 0)) + b"".join(parts)  # fmt: skip


def mail(data: bytes, text: str = "") -> bytes:
    said = f"--b\nContent-Type: text/plain\n\n{text}\n" if text else ""
    return (
        "From: ann@firm.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; "
        f"boundary=b\n\n{said}--b\nContent-Type: application/ms-tnef; name=winmail.dat\n"
        f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(data).decode()}--b--\n"
    ).encode()


HTML = properties(
    prop(0x8001, 3, 7, "Label"),
    prop(0x1000, 0x1E, b"the plain one\0"),
    prop(0x3FDE, 3, 65001),
    prop(0x1013, 0x102, "<p>Grüße, <a href='https://a.example/x'>here</a></p>".encode()),
)


@pytest.fixture
def rows(tmp_path: Path):
    def of(raw: bytes) -> dict[str, list[dict]]:
        file = tmp_path / "mail.eml"
        file.write_bytes(raw)
        source = Source(file, "mail.eml", hashlib.sha256(raw).hexdigest(), len(raw))
        return {shape: batch.to_pylist() for shape, batch in read(source)}

    return of


def test_body_links_and_attachments(rows):
    found = rows(mail(stream(attribute(0x00069003, HTML), attachment("figures.csv", b"a,b\n"))))
    (message,) = found["mail.message"]
    assert message["text_visible"] == "Grüße, here"
    assert [row["href"] for row in found["mail.link"]] == ["https://a.example/x"]
    assert [(row["name"], row.get("within")) for row in found["mail.attachment"]] == [
        ("winmail.dat", "mixed"), ("figures.csv", "tnef"),
    ]  # fmt: skip
    assert found["mail.attachment"][1]["sha256"] == hashlib.sha256(b"a,b\n").hexdigest()
    assert not message.get("problems")


def test_what_programs_show_besides_it_is_read_too_and_a_plain_body_only_alone(rows):
    (message,) = rows(mail(stream(attribute(0x00069003, HTML)), "shown by others"))["mail.message"]
    assert message["text_visible"].split("\n") == ["shown by others", "Grüße, here"]
    plain = stream(attribute(0x0002800C, b"only this\0"))
    assert rows(mail(plain))["mail.message"][0]["text_visible"] == "only this"
    assert rows(mail(plain, "other"))["mail.message"][0]["text_visible"] == "other"


def test_packed_rich_text_is_unpacked(rows):
    text = (
        rb"{\rtf1\ansi\ansicpg1252\fromhtml1 {\*\htmltag64 <p>}Hello \'e9t\'e9{\*\htmltag72 </p>}}"
    )
    packed = struct.pack("<IIII", len(text) + 12, len(text), 0x414C454D, 0) + text
    made = properties(prop(0x1009, 0x102, packed))
    (message,) = rows(mail(stream(attribute(0x00069003, made))))["mail.message"]
    assert message["text_visible"] == "Hello été"


def test_an_item_within_is_opened_and_not_for_ever(rows):
    inner = stream(attribute(0x00069003, HTML), attachment("deep.csv", b"x,y\n"))
    for _ in range(12):
        held = properties(prop(0x3701, 0x0D, tnef._MESSAGE + inner))
        inner = stream(attribute(0x00069002, bytes(14), 2), attribute(0x00069005, held, 2))
    message = rows(mail(inner))["mail.message"][0]
    assert message["problems"] == "too much in TNEF: the rest is not opened"
    held = properties(prop(0x3701, 0x0D, tnef._MESSAGE + stream(attachment("deep.csv", b"x,y\n"))))
    once = stream(attribute(0x00069002, bytes(14), 2), attribute(0x00069005, held, 2))
    names = [row["name"] for row in rows(mail(once))["mail.attachment"]]
    assert names == ["winmail.dat", "attachment 0", "deep.csv"]


def test_what_is_cut_off_is_read_as_far_as_it_goes_and_said(rows):
    whole = stream(attribute(0x00069003, HTML), attachment("figures.csv", b"a,b\n" * 50))
    message = rows(mail(whole[:-150]))["mail.message"][0]
    assert message["text_visible"] == "Grüße, here"
    assert message["problems"] == "a part in TNEF that is cut off"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=6))
def test_no_mutation_raises(at, new):
    whole = stream(attribute(0x00069003, HTML), attachment("figures.csv", b"a,b\n"))
    at %= len(whole)
    raw = mail(whole[:at] + new + whole[at + len(new) :])
    message = parse(raw, 0, len(raw))
    tnef.open_all(message, 1 << 20, 8)
    assert len(message.parts) < 100


def test_counts_that_lie_take_no_time():
    lies = properties(prop(0x1000, 0x101E, b"x"))[:12] + struct.pack("<I", 0xFFFFFFFF) * 2
    many = b"\xff\xff\xff\xff" + struct.pack("<HHI", 0x1003, 1, 0) * 200_000
    raw = mail(stream(attribute(0x00069003, lies), attribute(0x00069003, many)))
    message = parse(raw, 0, len(raw))
    begun = time.process_time()
    tnef.open_all(message, 32 << 20, 8)
    assert time.process_time() - begun < 2

import os
import random
import struct
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.mail_outlook import rtf
from labrys.evidence.mail_outlook.read import read, sniff
from labrys.evidence.registry import choose
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "made.msg"
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
Tree = dict[str, "bytes | Tree"]


def compound(tree: Tree) -> bytes:
    """A compound file (MS-CFB, version 3) of storages and streams."""
    entries: list[list[Any]] = [["Root Entry", 5, _FREE, _FREE, _FREE, 0, 0]]
    sectors: list[bytes] = []
    chains: list[int] = []
    mini = bytearray()
    mini_fat: list[int] = []

    def store(data: bytes) -> int:
        first = len(sectors)
        pieces = [data[at : at + 512].ljust(512, b"\0") for at in range(0, len(data), 512)]
        sectors.extend(pieces)
        chains.extend([*range(first + 1, first + len(pieces)), _END])
        return first

    def place(data: bytes) -> int:
        if not data:
            return _END
        if len(data) >= 4096:
            return store(data)
        first, count = len(mini) // 64, -(-len(data) // 64)
        mini.extend(data.ljust(count * 64, b"\0"))
        mini_fat.extend([*range(first + 1, first + count), _END])
        return first

    def add(parent: int, below: Tree) -> None:
        numbers = []
        for name, content in sorted(
            below.items(), key=lambda item: (len(item[0]), item[0].upper())
        ):
            numbers.append(len(entries))
            if isinstance(content, bytes):
                entries.append([name, 2, _FREE, _FREE, _FREE, place(content), len(content)])
            else:
                entries.append([name, 1, _FREE, _FREE, _FREE, 0, 0])
                add(numbers[-1], content)
        entries[parent][4] = numbers[0] if numbers else _FREE
        for one, other in pairwise(numbers):
            entries[one][3] = other  # a degenerate tree, which is one

    add(0, tree)
    entries[0][5], entries[0][6] = (store(bytes(mini)), len(mini)) if mini else (_END, 0)
    mini_start = store(b"".join(struct.pack("<I", one) for one in mini_fat).ljust(512, b"\xff"))
    raw = b""
    for name, kind, left, right, child, start, size in entries:
        encoded = name.encode("utf-16-le") + b"\0\0"
        raw += encoded.ljust(64, b"\0") + struct.pack(
            "<HBBIII16sIQQIQ", len(encoded), kind, 1, left, right, child, b"", 0, 0, 0, start, size
        )
    directory = store(raw.ljust(-(-len(raw) // 512) * 512, b"\0"))
    count = -(-(len(chains) + 8) // 128)
    first = len(sectors)
    table = [*chains, *[_FAT] * count]
    packed = b"".join(struct.pack("<I", one) for one in table).ljust(count * 512, b"\xff")
    mini_count = max(1, -(-len(mini_fat) * 4 // 512))
    header = bytes.fromhex("d0cf11e0a1b11ae1") + struct.pack(
        "<16sHHHHH6sIIIIIIIII", b"", 0x3E, 3, 0xFFFE, 9, 6, b"", 0, count, directory, 0, 4096,
        mini_start, mini_count, _END, 0,
    )  # fmt: skip
    fats = [*range(first, first + count), *[_FREE] * (109 - count)]
    return header + struct.pack("<109I", *fats) + b"".join(sectors) + packed


def fixed(header: int, **values: int) -> bytes:
    """A stream of properties of fixed size, by `p<id in hex>`."""
    made = b"\0" * header
    for name, value in values.items():
        made += struct.pack("<IIQ", int(name[1:], 16) << 16 | 3, 6, value)
    return made


def text(uid: int, said: str) -> tuple[str, bytes]:
    return f"__substg1.0_{uid:04X}001F", said.encode("utf-16-le")


def packed_rtf(content: bytes) -> bytes:
    """Stored, not compressed."""
    return struct.pack("<IIII", len(content) + 12, len(content), 0x414C454D, 0) + content


_RTF = (
    rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\fonttbl{\f0 Arial;}}{\colortbl;}"
    rb"{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Gr\'fc\'dfe \u8364? \htmlrtf }\htmlrtf0 "
    rb'{\*\htmltag84 <a href="https://evil.example/x">}https://bank.example/{\*\htmltag92 </a>}'
    rb"{\*\mhtmltag64 no}\par}"
)
_FILETIME = (1_794_906_000_000 + 11_644_473_600_000) * 10_000


def item(subject: str, **more: bytes | Tree) -> Tree:
    return dict(
        [text(0x0037, subject), text(0x0C1A, "Dave"), text(0x5D01, "dave@a.example")],
        **{"__properties_version1.0": fixed(32, p0039=_FILETIME, p3FFD=1252), **more},
    )


def sample() -> bytes:
    inner = item("inner item", **dict([text(0x1000, "See http://inner.example/")]))
    inner["__properties_version1.0"] = fixed(24, p0039=_FILETIME)
    recipient: Tree = dict(
        [text(0x3001, "Eve"), text(0x39FE, "eve@b.example")],
        **{"__properties_version1.0": fixed(8, p0C15=1)},
    )
    attached: Tree = dict(
        [text(0x3707, "invoice.pdf.exe"), ("__substg1.0_37010102", b"MZ" + bytes(5000))],
        **{"__properties_version1.0": fixed(8, p3705=1)},
    )
    embedded: Tree = {
        "__properties_version1.0": fixed(8, p3705=5),
        "__substg1.0_3701000D": inner,
    }
    headers = (
        "Received: from a.example ([192.0.2.9]) by b.example; Tue, 17 Nov 2026 09:00:01 +0000\r\n"
    )
    outer = item("Invoice", **dict([text(0x1000, "Greetings"), text(0x007D, headers)]))
    return compound(
        {
            **outer,
            "__nameid_version1.0": {},
            "__substg1.0_10090102": packed_rtf(_RTF),
            "__recip_version1.0_#00000000": recipient,
            "__attach_version1.0_#00000000": attached,
            "__attach_version1.0_#00000001": embedded,
        }
    )


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


def test_the_sample_is_as_made() -> None:
    if os.environ.get("LABRYS_WRITE_GOLDEN"):
        SAMPLE.write_bytes(sample())
    assert SAMPLE.read_bytes() == sample()


def test_what_an_item_becomes() -> None:
    found = rows(SAMPLE)
    outer, inner = [row for row in found if row["shape"] == "mail.message"]
    assert outer["subject"] == "Invoice"
    assert (outer["from_address"], outer["to"]) == ("dave@a.example", "eve@b.example")
    assert outer["text_visible"] == "Grüße € https://bank.example/"
    assert outer["text_alternative"] == "Greetings"
    assert outer["border_ip"] == "192.0.2.9"
    assert outer["_time"] == 1_794_906_000_000
    assert inner["parent"] == outer["_id"]
    assert inner["text_visible"] == "See http://inner.example/"
    links = [row for row in found if row["shape"] == "mail.link"]
    assert [(row["domain"], row["shown_domain"]) for row in links] == [
        ("evil.example", "bank.example"),
        ("inner.example", "inner.example"),
    ]
    attached = next(row for row in found if row["shape"] == "mail.attachment")
    assert attached["tricks"] == "runs\x1edouble extension"


def test_compressed_rtf_is_the_specifications_example() -> None:
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af3206865"
        "6c09002062770 5b06c647d0a800fa0".replace(" ", "")
    )
    assert rtf.unpacked(packed) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


def test_other_compound_files_and_broken_ones_are_unparsed(tmp_path: Path) -> None:
    for content in (compound({"WordDocument": b"x" * 600}), sample()[:700], sample()[:512]):
        path = tmp_path / "x.msg"
        path.write_bytes(content)
        (row,) = rows(path)
        assert row["shape"] == "unparsed"
    assert sniff(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "x") < 0.5
    chosen = choose(sample()[:65536], "x")
    assert chosen is not None
    assert chosen.id == "mail_outlook"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 32))
def test_mutated_items_never_raise(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(SAMPLE.read_bytes())
    for _ in range(chance.randrange(1, 30)):
        data[chance.randrange(8, len(data))] = chance.choice([0, 1, 255, chance.randrange(256)])
    if chance.random() < 0.2:
        del data[chance.randrange(len(data)) :]
    path = tmp_path_factory.getbasetemp() / "mutated.msg"
    path.write_bytes(data)
    found = rows(path)
    assert found
    assert found == rows(path)


@given(st.binary(max_size=300))
def test_rtf_of_any_bytes(data: bytes) -> None:
    rtf.body(data)
    rtf.unpacked(struct.pack("<IIII", len(data), 1 << 31, 0x75465A4C, 0) + data)


def test_a_document_in_a_mail_is_no_trouble(tmp_path: Path) -> None:
    data = compound({"WordDocument": b"x" * 600})
    assert sniff(data, "x") == 0  # its directory is in sight, and has no item's names
    assert sniff(data[:512], "x") == 0.1  # out of sight
    path = tmp_path / "a.doc"
    path.write_bytes(data)
    source = testing.source(path, name="hi.eml!/a.doc")
    ((shape, batch),) = read(replace(source, enclosed=True))
    assert (shape, batch.num_rows) == ("file.enclosed", 1)
    ((shape, _),) = read(source)
    assert shape == "unparsed"

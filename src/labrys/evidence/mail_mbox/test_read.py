import hashlib
import lzma
import random
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence.mail_mbox import read as module
from labrys.evidence.mail_mbox.read import read, sniff
from labrys.evidence.records import Source
from labrys.evidence.registry import choose

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "box.mbox"
SHARED = Path(__file__).parents[5] / "shared" / "data" / "mail"
ONE = "From: {0}@x.example\nSubject: {0}\nDate: Tue, 17 Nov 2026 10:00:00 +0000\n"


def rows(path: Path, shape: str = "") -> list[dict[str, Any]]:
    data = path.read_bytes()
    source = Source(path, path.name, hashlib.sha256(data).hexdigest(), len(data))
    made = []
    for found, batch in read(source):
        batch.validate(full=True)
        for row in batch.to_pylist():
            if found == shape or not shape:
                made.append({"shape": found} | {k: v for k, v in row.items() if v is not None})
    return sorted(made, key=lambda row: int(row["_id"].rpartition("-")[2]))


@pytest.fixture
def box(tmp_path: Path):
    """The messages in a mailbox of some text."""

    def of(content: str) -> list[dict[str, Any]]:
        path = tmp_path / "box"
        path.write_text(content, "utf-8", newline="")
        return rows(path, "mail.message")

    return of


def test_the_sample_holds_four_messages() -> None:
    found = rows(SAMPLE, "mail.message")
    assert [row["_offset"] for row in found] == [0, 1, 2, 3]
    assert [row["subject"] for row in found] == [
        "Re: Rückfrage zur Rechnung", "Undelivered", "counted", "last"
    ]  # fmt: skip
    assert "\nFrom here on it is quoted" in found[0]["text_visible"]
    assert "\n>From twice" in found[0]["text_quoted"]
    assert "Subject: not a message" in found[2]["text_visible"]
    assert found[3]["text_visible"] == "From now on we write."


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_messages_without_an_empty_line_between_them(box, newline: str) -> None:
    text = "".join(
        f"From a@b.example Tue Nov 17 10:00:00 2026\n{ONE.format(name)}\nbody of {name}\n"
        for name in ("one", "two", "three")
    )
    found = box(text.replace("\n", newline))
    assert [row["text_visible"] for row in found] == [
        "body of one", "body of two", "body of three"
    ]  # fmt: skip


def test_messages_larger_than_what_is_read_at_once(box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 700)
    monkeypatch.setattr(module, "_HEADER", 300)
    text = "".join(
        f"From a@b.example Tue Nov 17 10:00:00 2026\n{ONE.format(number)}\n{'word ' * number}end\n\n"
        for number in range(1, 400, 13)
    )
    found = box(text)
    assert [row["subject"] for row in found] == [str(number) for number in range(1, 400, 13)]
    assert [len(row["text_visible"].split()) - 1 for row in found] == list(range(1, 400, 13))


def test_a_message_too_large_is_cut_and_the_next_one_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", 1000)
    monkeypatch.setattr(module, "LARGEST", 5000)
    head = "From a@b.example Tue Nov 17 10:00:00 2026\n"
    path = tmp_path / "box"
    large = head + ONE.format("large") + "\n" + "x y\n" * 9000 + "\n"
    path.write_text(large + head + ONE.format("next") + "\nhi\n")
    found = rows(path)
    assert [row["subject"] for row in found if row["shape"] == "mail.message"] == ["large", "next"]
    (cut,) = [row for row in found if row["shape"] == "unparsed"]
    assert "more than 5000 bytes" in cut["reason"]


def test_a_wrong_content_length_is_not_believed(box) -> None:
    for length in (0, 3, 5, 12, 10**9):
        text = (
            f"From a@b.example Tue Nov 17 10:00:00 2026\n{ONE.format('one')}"
            f"Content-Length: {length}\n\nsome text\n\n"
            f"From a@b.example Tue Nov 17 10:00:00 2026\n{ONE.format('two')}\nmore\n"
        )
        assert [row["text_visible"] for row in box(text)] == ["some text", "more"], length


@pytest.mark.parametrize(
    ("head", "is_mbox"),
    [
        (b"From a@b.example Tue Nov 17 10:00:00 2026\nFrom: a@b.example\nSubject: x\n\n", True),
        (b"From MAILER-DAEMON Tue Nov 17 10:00:00 2026\nReceived: x\nDate: y\n\nz", True),
        (b"From the beginning, it was clear\nthat: this is a text\n\n", False),
        (b"From: a@b.example\nSubject: x\n\n", False),
    ],
)
def test_what_is_taken_for_a_mailbox(head: bytes, is_mbox: bool) -> None:
    assert (sniff(head, "x") > 0.5) is is_mbox
    chosen = choose(head, "x")
    assert (chosen is not None and chosen.id == "mail_mbox") is is_mbox


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 32))
def test_mutated_mailboxes_never_raise_and_lose_no_message_of_theirs(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = random.Random(seed)
    data = bytearray(SAMPLE.read_bytes())
    for _ in range(chance.randrange(1, 12)):
        at = chance.randrange(len(data))
        data[at : at + chance.randrange(40)] = chance.choice(
            [b"", b"\n\nFrom x Tue Nov 17 10:00:00 2026\n", b"\nFrom ", b"\0", b"\xff" * 9]
        )
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(data)
    found = rows(path)
    assert found == rows(path)
    offsets = [row["_offset"] for row in found if row["shape"] == "mail.message"]
    assert offsets == sorted(offsets)
    total = sum(int(row["size"]) for row in rows(path, "mail.message") if row["depth"] == "0")
    assert total <= len(data) + 4


@pytest.mark.shared
def test_real_mailboxes_hold_as_many_messages_as_they_say(tmp_path: Path) -> None:
    path = SHARED / "nazario_2004_2006_mbox.tar.xz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    counts = []
    with lzma.open(path) as packed, tarfile.open(fileobj=packed) as archive:
        for member in archive:
            if member.isfile():
                file = tmp_path / "box"
                file.write_bytes(archive.extractfile(member).read())  # type: ignore[union-attr]
                counts.append(sum(row["depth"] == "0" for row in rows(file, "mail.message")))
    assert sorted(counts) == [414, 438, 456]

import random
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labrys.evidence import testing
from labrys.evidence.mail_pst.read import MISSING, read
from labrys.evidence.mail_pst.samples import make
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "cut.pst"
TICKS = int(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp() + 11_644_473_600) * 10_000_000


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


@dataclass
class Entry:
    """A property, as `pypff` shows it."""

    entry_type: int
    value_type: int
    data: bytes | None


@dataclass
class Item:
    """A message, an attachment, a recipient or a folder, as `pypff` shows it."""

    entries: list[Entry]
    attached: list["Item"] = field(default_factory=list)
    people: list["Item"] = field(default_factory=list)
    inner: list["Item"] = field(default_factory=list)
    broken: bool = False

    @property
    def number_of_record_sets(self) -> int:
        if self.broken:
            raise OSError("broken")
        return 1

    def get_record_set(self, _: int) -> "Item":
        return self

    number_of_entries = property(lambda self: len(self.entries))
    number_of_attachments = property(lambda self: len(self.attached))
    number_of_sub_items = property(lambda self: len(self.inner))

    def get_entry(self, at: int) -> Entry:
        return self.entries[at]

    def get_attachment(self, at: int) -> "Item":
        return self.attached[at]

    def get_sub_item(self, at: int) -> "Item":
        return self.inner[at]

    @property
    def recipients(self) -> Any:
        return SimpleNamespace(
            number_of_record_sets=len(self.people), get_record_set=lambda at: self.people[at]
        )


@dataclass
class Folder:
    """A folder, as `pypff` shows it."""

    identifier: int
    messages: list[Item]
    folders: list["Folder"] = field(default_factory=list)

    number_of_sub_folders = property(lambda self: len(self.folders))
    number_of_sub_messages = property(lambda self: len(self.messages))

    def get_sub_folder(self, at: int) -> "Folder":
        return self.folders[at]

    def get_sub_message(self, at: int) -> Item:
        return self.messages[at]


def wide(uid: int, text: str) -> Entry:
    return Entry(uid, 0x1F, text.encode("utf-16-le") + b"\0\0")


def number(uid: int, value: int) -> Entry:
    return Entry(uid, 3, value.to_bytes(4, "little"))


def mail(subject: str, **more: Any) -> Item:
    return Item(
        [
            wide(0x001A, "IPM.Note"),
            wide(0x0037, "\x01\x05" + subject),
            wide(0x0C1A, "Ann Example"),
            wide(0x5D01, "ann@firm.example"),
            wide(0x1000, "At noon? http://shop.example/a"),
            Entry(0x0039, 0x40, TICKS.to_bytes(8, "little")),
        ],
        people=[
            Item([wide(0x3001, "Bob"), wide(0x39FE, "bob@corp.example"), number(0x0C15, 1)]),
            Item([wide(0x3001, "Eve"), wide(0x39FE, "eve@corp.example"), number(0x0C15, 2)]),
        ],
        **more,
    )


def mailbox(root: Folder, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    def library() -> Any:
        return SimpleNamespace(open_file_object=lambda _: None, get_root_folder=lambda: root)

    monkeypatch.setitem(sys.modules, "pypff", SimpleNamespace(file=library))  # type: ignore[arg-type]
    return rows(SAMPLE)


def test_mails_of_all_folders_come_out_with_what_is_attached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = Item([number(0x3705, 1), wide(0x3707, "a.exe"), Entry(0x3701, 0x102, b"MZ" + bytes(70))])
    held = Item([number(0x3705, 5), wide(0x3707, "inner")], inner=[mail("Inside")])
    contact = Item([wide(0x001A, "IPM.Contact")])
    root = Folder(
        1, [], [Folder(2, [mail("Re: lunch", attached=[file, held]), contact]), Folder(3, [])]
    )
    root.folders[1].messages.append(mail("Last"))
    root.folders[1].folders.append(root)  # a damaged mailbox may go round in circles
    found = mailbox(root, monkeypatch)
    mails = [row for row in found if row["shape"] == "mail.message"]
    assert [(row["subject"], row["_offset"]) for row in mails] == [
        *(("Re: lunch", 0), ("Inside", 0), ("Last", 2)),
    ]
    assert {row["from_address"] for row in mails} == {"ann@firm.example"}
    assert mails[0]["to"] == "bob@corp.example"
    assert mails[0]["cc"] == "eve@corp.example"
    assert mails[0]["_time"] == 1_772_600_767_000
    attached = [row for row in found if row["shape"] == "mail.attachment"]
    assert any(row.get("filename", row.get("name")) == "a.exe" for row in attached)


def test_what_cannot_be_read_costs_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    found = mailbox(Folder(1, [Item([], broken=True), mail("Whole")]), monkeypatch)
    assert [row["reason"] for row in found if row["shape"] == "unparsed"] == [
        "an item that cannot be read"
    ]
    assert [row["subject"] for row in found if row["shape"] == "mail.message"] == ["Whole"]


@pytest.mark.parametrize("there", [None, SimpleNamespace()])
def test_without_the_library_it_says_what_to_install(
    there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pypff", there)
    (row,) = rows(SAMPLE)
    assert row["reason"] == f"an Outlook mailbox: {MISSING}"


needs_library = pytest.mark.skipif(
    find_spec("pypff") is None, reason="the extra `pst` is not installed"
)


@needs_library
def test_a_mailbox_as_outlook_lays_it_out() -> None:
    path = HERE / "samples" / "two.pst"
    assert path.read_bytes() == make.sample()
    (mail,) = [row for row in rows(path) if row["shape"] == "mail.message"]
    assert (mail["from_address"], mail["to"]) == ("ann@firm.example", "bob@corp.example")
    assert (mail["subject"], mail["_offset"]) == ("Re: lunch", 0)
    (link,) = [row for row in rows(path) if row["shape"] == "mail.link"]
    assert link["host"] == "shop.example"


@needs_library
def test_no_damage_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "some.pst"
    for seed in range(60):
        chance = random.Random(seed)
        raw = bytearray(make.sample())
        for _ in range(chance.choice((1, 9, 90))):
            raw[chance.randrange(4, len(raw))] = chance.randrange(256)
        path.write_bytes(raw[: chance.choice((len(raw), chance.randrange(len(raw))))])
        assert rows(path) == rows(path)

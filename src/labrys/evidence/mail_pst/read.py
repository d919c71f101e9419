"""Reads Outlook's mailboxes (.pst, .ost) with libpff, where the extra `pst` is installed.

Source: MS-PST. Mail and invitations come out; contacts, tasks and settings are no mail.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

from labrys.evidence.mail.rows import add
from labrys.evidence.mail_outlook.item import message_of
from labrys.evidence.mail_pst.item import FAULTS, Mail
from labrys.evidence.records import Records, Shaped, Source

_MAGIC: Final = b"!BDN"
_DEEPEST: Final = 64
_CLASSES: Final = ("ipm.note", "ipm.schedule", "ipm.post", "report.", "ipm.outlook", "ipm.recall")
MISSING: Final = "install labrys[pst], or export it to mbox (`readpst -o DIR FILE`) and scan that"


def sniff(head: bytes, name: str) -> float:
    """Whether the file begins as all Outlook mailboxes do."""
    return 1.0 if head.startswith(_MAGIC) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Each message, and all messages inside it; `_offset` is its number in the mailbox."""
    records = Records(source)
    pypff = _library()
    if pypff is None:
        records.unparsed(0, f"an Outlook mailbox: {MISSING}")
        yield from records.drain()
        return
    with source.open() as stream:
        file = pypff.file()
        try:
            file.open_file_object(stream)
            root = file.get_root_folder()
        except FAULTS:  # what the library says of it is of its insides
            records.unparsed(0, "not a readable Outlook mailbox")
            root = None
        for number, item in enumerate(_items(records, root)):
            _add(records, item, number)
            if records.full:
                yield from records.drain()
    yield from records.drain()


def _library() -> Any:
    """libpff's `pypff`; None without it (another package has the same name)."""
    try:
        found = import_module("pypff")
    except ImportError:
        return None
    return found if hasattr(found, "file") else None


def _add(records: Records, item: Any, number: int) -> None:
    try:
        mail = Mail(item)
        kind = mail.text(0x001A).lower()
        if kind and not kind.startswith(_CLASSES):
            return
        outer, inner = message_of(mail)
    except FAULTS:
        records.unparsed(number, "an item that cannot be read")
        return
    uid = records.next_id
    add(records, outer, number)
    for message in inner:
        add(records, message, number, parent=uid, depth=1)


def _items(records: Records, root: Any) -> Iterator[Any]:
    """Every item of all folders, each folder once; what cannot be listed is said."""
    waiting, seen = [(root, 0)] if root is not None else [], set[int]()
    while waiting:
        folder, depth = waiting.pop()
        try:
            if depth > _DEEPEST or folder.identifier in seen:
                continue
            seen.add(folder.identifier)
            below = folder.number_of_sub_folders
            count = folder.number_of_sub_messages
        except FAULTS:
            records.unparsed(0, "a folder that cannot be read")
            continue
        for at in range(count):
            try:
                item = folder.get_sub_message(at)
            except FAULTS:
                records.unparsed(0, "an item that cannot be read")
                continue
            yield item
        for at in reversed(range(below)):
            try:
                waiting.append((folder.get_sub_folder(at), depth + 1))
            except FAULTS:
                records.unparsed(0, "a folder that cannot be read")

"""Reads mail messages as Outlook stores them in `.msg` files (MS-OXMSG, MS-CFB)."""

from collections.abc import Iterator
from typing import Final

from labrys.evidence.enclosed_file import read as enclosed_file
from labrys.evidence.mail.read import LARGEST
from labrys.evidence.mail.rows import add
from labrys.evidence.mail_outlook.item import message_of
from labrys.evidence.mail_outlook.properties import Compound, Store
from labrys.evidence.records import Records, Shaped, Source

_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_NAMES: Final = tuple(
    name.encode("utf-16-le")
    for name in ("__properties_version1.0", "__nameid_version1.0", "__substg1.0_")
)


def sniff(head: bytes, name: str) -> float:
    """Whether this is a compound file with an Outlook item's storages in its directory."""
    if not head.startswith(_MAGIC):
        return 0.0
    if any(one in head for one in _NAMES):
        return 0.95
    return 0.0 if _directory_begins(head) else 0.1


def _directory_begins(head: bytes) -> bool:
    """Whether the directory's first sector is there; of an item it holds one of the names."""
    if len(head) < 512:
        return False
    shift, first = int.from_bytes(head[30:32], "little"), int.from_bytes(head[48:52], "little")
    return shift in (9, 12) and (first + 2) << shift <= len(head)


def read(source: Source) -> Iterator[Shaped]:
    """The message and all messages inside it; `_offset` is 0."""
    records = Records(source)
    try:
        if not _read(records, source) and source.enclosed:
            yield from enclosed_file.read(source)  # a document in a mail is no trouble
            return
    except MemoryError:
        raise
    except Exception as error:  # the compound file's library raises whatever broken files make it
        records.unparsed(0, f"not a readable Outlook item: {type(error).__name__}: {error}"[:300])
    yield from records.drain()


def _read(records: Records, source: Source) -> bool:
    """Read the item; False where the file is none, which is said unless it came in a mail."""
    with source.open() as stream:
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        records.unparsed(0, f"an item of more than {LARGEST} bytes: not read")
        return True
    file = Compound(data)
    if file.stream(("__properties_version1.0",)) is None:
        if not source.enclosed:
            records.unparsed(0, "a document or another compound file, and no Outlook item")
        return False
    outer, inner = message_of(Store(file))
    uid = records.next_id
    add(records, outer, 0)
    for message in inner:
        add(records, message, 0, parent=uid, depth=1)
    return True

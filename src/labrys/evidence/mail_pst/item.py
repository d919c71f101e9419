"""The items of an Outlook mailbox as `mail_outlook.item` reads them, over libpff's `pypff`.

Source: MS-PST, MS-OXPROPS. Whatever `pypff` cannot read of a property is as if it were not there.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from labrys.evidence.mail.read import LARGEST

_TEXT, _WIDE, _BINARY, _TIME = 0x1E, 0x1F, 0x102, 0x40
_NUMBERS: Final = frozenset((0x02, 0x03, 0x0B))
_FILETIME_EPOCH: Final = 11_644_473_600_000
_MOST: Final = 4096
FAULTS: Final = (OSError, MemoryError)
"""What `pypff` raises: the second, too, where no object comes of what is damaged."""


class Properties:
    """The properties in one record set: of an item, a recipient or an attachment."""

    def __init__(self, record_set: Any) -> None:
        self._entries: dict[int, Any] = {}
        self._kinds: dict[int, int] = {}
        for at in range(min(record_set.number_of_entries, _MOST) if record_set else 0):
            with suppress(*FAULTS):
                entry = record_set.get_entry(at)
                self._entries[entry.entry_type] = entry
                self._kinds[entry.entry_type] = entry.value_type

    def text(self, uid: int, code_page: str = "cp1252") -> str:
        """A property of text; "" where there is none."""
        kind = self._kinds.get(uid)
        raw = self._data(uid) if kind in (_TEXT, _WIDE) else None
        if raw is None:
            return ""
        said = raw.decode("utf-16-le" if kind == _WIDE else code_page, "replace").rstrip("\0")
        # How long the subject's "Re: " is stands before it.
        return said[2:] if said[:1] == "\x01" else said

    def binary(self, uid: int) -> bytes | None:
        """A property of bytes; None where there is none."""
        return self._data(uid) if self._kinds.get(uid) == _BINARY else None

    def number(self, uid: int) -> int | None:
        """A property that is a number or a truth value."""
        raw = self._data(uid) if self._kinds.get(uid) in _NUMBERS else None
        return int.from_bytes(raw[:4], "little", signed=len(raw) >= 4) if raw else None

    def time(self, uid: int) -> int | None:
        """A property that is a time, as epoch milliseconds."""
        raw = self._data(uid) if self._kinds.get(uid) == _TIME else None
        if not raw or len(raw) < 8:
            return None
        made = int.from_bytes(raw[:8], "little") // 10_000 - _FILETIME_EPOCH
        return made if 0 < made < 4_133_980_800_000 else None

    def recipients(self) -> Iterator["Properties"]:
        """None: only an item has some."""
        return iter(())

    def attachments(self) -> Iterator["Properties"]:
        """None: only an item has some."""
        return iter(())

    def embedded(self) -> "Properties | None":
        """None: only an attachment can be an item."""
        return None

    def _data(self, uid: int) -> bytes | None:
        with suppress(*FAULTS):
            data = self._entries[uid].data
            return None if data is None else bytes(data[:LARGEST])
        return None


class Mail(Properties):
    """A message of `pypff`."""

    def __init__(self, message: Any) -> None:
        super().__init__(_first(message))
        self._message = message

    def recipients(self) -> Iterator[Properties]:
        """Whom the message is for."""
        with suppress(*FAULTS):
            sets = self._message.recipients
            for at in range(sets.number_of_record_sets if sets else 0):
                with suppress(*FAULTS):
                    yield Properties(sets.get_record_set(at))

    def attachments(self) -> Iterator[Properties]:
        """What is attached to the message."""
        with suppress(*FAULTS):
            for at in range(self._message.number_of_attachments):
                with suppress(*FAULTS):
                    yield _Attached(self._message.get_attachment(at))


class _Attached(Properties):
    """An attachment of `pypff`."""

    def __init__(self, attachment: Any) -> None:
        super().__init__(_first(attachment))
        self._attachment = attachment

    def embedded(self) -> Properties | None:
        """The message that this attachment is; None where it cannot be opened."""
        with suppress(*FAULTS):
            if self._attachment.number_of_sub_items:
                inner = self._attachment.get_sub_item(0)
                return Mail(inner) if hasattr(inner, "number_of_attachments") else None
        return None


def _first(item: Any) -> Any:
    return item.get_record_set(0) if item.number_of_record_sets else None

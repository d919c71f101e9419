"""Hands on attachments that are evidence themselves: archives, logs, models, tables, other mails.

Most of what is attached is nothing that a reader takes, and is told by its type, before anything
else is asked.
"""

from typing import Final

from labrys.evidence.mail.mime import Part
from labrys.evidence.mail.transfer import Decoder
from labrys.evidence.records import Inside
from labrys.evidence.registry import SNIFF_BYTES, choose

_OPENED: Final = frozenset(
    (
        *("application/zip", "application/gzip", "application/x-bzip2", "application/x-xz"),
        *("application/zstd", "application/x-7z-compressed", "application/x-tar"),
    )
)
_READ_HERE: Final = ("image/", "audio/", "video/", "text/html", "text/calendar", "message/")
_TOLD: Final = frozenset(("application/pgp-signature", "application/pkcs7-signature"))
_TABLES: Final = (".csv", ".tsv", ".tab")
_ANYTHING: Final = "text"
"""The format of any text: a note that is attached is part of the mail."""
_HEAD: Final = 2_048
"""Bytes that are looked at of what is no object of one long line: notes and patches are many."""
_SMALLEST: Final = 16


def leave(
    inside: Inside, part: Part, kind: str, size: int, content: bytes, *, number: int, offset: int
) -> None:
    """Hand on an attachment of that sniffed type, if something reads it; `content` may be its
    beginning only. Its name is that of the part, with the message's number in a mailbox before."""
    if size < _SMALLEST or not _wanted(part, kind, content):
        return
    whole = len(content) == size
    decoder = Decoder(part.buffer, part.start, part.end, part.encoding)
    name = part.name.replace("\x00", "") or f"part {number}"
    inside.leave(f"{offset}/{name}" if offset else name, (content,) if whole else decoder.pieces())


def _wanted(part: Part, kind: str, content: bytes) -> bool:
    if kind in _OPENED:
        return True
    if kind.startswith(_READ_HERE) or part.kind in _TOLD:
        return False
    if kind and kind not in _PERHAPS:
        return False
    if not kind and part.kind.startswith(_READ_HERE):
        return False
    # What is a table shows late: only those that say so are looked at for it.
    table = "csv" in part.kind or part.name.lower().endswith(_TABLES)
    nested = content[:64].lstrip()[:1] in (b"{", b"[", b"<")
    head = content[: SNIFF_BYTES if table or nested else _HEAD]
    chosen = choose(head, part.name, generic=table)
    return chosen is not None and chosen.id != _ANYTHING


_PERHAPS: Final = frozenset(("application/xml", "application/x-ole-storage"))
"""Types of which some are evidence."""

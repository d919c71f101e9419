"""Reads a mail message as it was sent or stored: `.eml` files, Maildir (RFC 5322, RFC 2045-2049)."""

import re
from collections.abc import Iterator
from typing import Final

from labrys.evidence.mail.lists import words
from labrys.evidence.mail.mime import parse
from labrys.evidence.mail.rows import add
from labrys.evidence.records import Records, Shaped, Source

LARGEST: Final = 128 << 20
"""Bytes of one message that are read."""
_LINE: Final = re.compile(rb"([!-9;-~]{1,76})[ \t]?:([^\n]*)\n|([ \t]+\S[^\n]*)\n|(\r?\n)")
_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t]*\r?\n){0,5}(?:>?From [^\n]{1,300}\n)?")
_OF_MAIL: Final = words("header_names")
_SURE: Final = words("header_names_sure")
_BY_PEOPLE: Final = words("header_names_of_people")
_MAILBOX: Final = re.compile(rb"[^\s@<>]@[^\s@<>]")
_ENOUGH: Final = 80
_MOST_STRAY: Final = 3


def sniff(head: bytes, name: str) -> float:
    """How surely this is one message: by the names and values of its first header fields."""
    return 0.0 if head.startswith(b"From ") else header_score(head)


def header_score(head: bytes) -> float:
    """How surely `head` begins with the header of a mail message, 0 to 0.95.

    A line that is no header field is forgiven, as mail programs do, where enough others are.
    """
    start = _START.match(head)
    at = start.end() if start else 0
    known: set[str] = set()
    people = sure = False
    fields = stray = 0
    for _ in range(_ENOUGH):
        line = _LINE.match(head, at)
        if line is None:
            if (end := head.find(b"\n", at) + 1) == 0 or (stray := stray + 1) > _MOST_STRAY:
                break
            at = end
            continue
        at = line.end()
        if line[4] is not None:
            break
        if line[1] is None:
            if not fields:
                return 0.0
            continue
        fields += 1
        field = line[1].decode("ascii").lower()
        if field in _OF_MAIL:
            known.add(field)
            people = people or (field in _BY_PEOPLE and _MAILBOX.search(line[2]) is not None)
            sure = sure or (field in _SURE and bool(line[2].strip()))
    if len(known) < 2 + 2 * stray or not (people or sure) or len(known) * 8 < fields:
        return 0.0
    return min(0.6 + 0.05 * len(known) + 0.05 * sure, 0.95)


def read(source: Source) -> Iterator[Shaped]:
    """The message and all messages inside it; `_offset` is 0.

    Shapes: `mail.message`, `mail.link`, `mail.attachment`, `mail.hop`.
    """
    records = Records(source)
    with source.open() as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        records.unparsed(0, f"a message of more than {LARGEST} bytes: the rest of it is left out")
        content = content[:LARGEST]
    add(records, parse(content, 0, len(content)), 0)
    yield from records.drain()

"""Reads a `winmail.dat` that lies there by itself: the message in it, with what it tells of itself.

Source: MS-OXTNEF.
"""

from collections.abc import Iterator

from labrys.evidence.mail import tnef
from labrys.evidence.mail.mime import Message, Part, headers_of
from labrys.evidence.mail.read import LARGEST
from labrys.evidence.mail.rows import add
from labrys.evidence.records import Records, Shaped, Source


def sniff(head: bytes, name: str) -> float:
    """Whether the file begins with TNEF's signature, and an attribute of a message or attachment."""
    return 0.95 if head.startswith(tnef.SIGNATURE) and head[6:7] in (b"\1", b"\2") else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """The message and all messages inside it; `_offset` is 0."""
    records = Records(source)
    with source.open() as stream:
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        records.unparsed(0, f"more than {LARGEST} bytes: cut there")
        data = data[:LARGEST]
    block = tnef.header(data)
    packed = Part(
        kind="application/ms-tnef",
        parameters={},
        disposition="attachment",
        name="winmail.dat",
        encoding="",
        content_id="",
        buffer=data,
        start=0,
        end=len(data),
    )
    message = Message(headers_of(block), [packed], len(block))
    message.kind, message.size = "application/ms-tnef", len(block) + len(data)
    add(records, message, 0)
    yield from records.drain()

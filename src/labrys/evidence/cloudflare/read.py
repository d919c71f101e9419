"""Reads Cloudflare's logs of requests and of firewall events."""

from collections.abc import Iterator
from typing import Final

from labrys.evidence import cloud_event
from labrys.evidence.cloudflare.events import recognise
from labrys.evidence.records import Shaped, Source

_MARKS: Final = (b'"rayid"', b'"clientip"')


def sniff(head: bytes, name: str) -> float:
    """How surely these first bytes are this log; the name says nothing."""
    return cloud_event.sniff(head, recognise, _MARKS)


def read(source: Source) -> Iterator[Shaped]:
    """Each request, a row; what else is in the file is kept under its own shape."""
    return cloud_event.read(source, recognise)

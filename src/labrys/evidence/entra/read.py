"""Reads Microsoft Entra ID logs: Graph, diagnostic settings, table exports, the portal's JSON and CSV."""

from collections.abc import Iterator
from typing import Final

from labrys.evidence import cloud_event
from labrys.evidence.entra.events import recognise
from labrys.evidence.records import Shaped, Source

_MARKS: Final = (b'"createddatetime"', b'"conditionalaccessstatus"')


def sniff(head: bytes, name: str) -> float:
    """How surely these first bytes are this log; the name says nothing."""
    return cloud_event.sniff(head, recognise, _MARKS)


def read(source: Source) -> Iterator[Shaped]:
    """The log's events, a row each; what else is in the file is kept under its own shape."""
    return cloud_event.read(source, recognise)

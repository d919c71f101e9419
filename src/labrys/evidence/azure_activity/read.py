"""Reads Azure Activity logs: diagnostic settings, the lists of `az` and the SDKs, table exports."""

from collections.abc import Iterator
from typing import Final

from labrys.evidence import cloud_event
from labrys.evidence.azure_activity.events import recognise
from labrys.evidence.records import Shaped, Source

_MARKS: Final = (b'"operationname"', b'"operation_name"', b'"resourceid"', b'"correlationid"')


def sniff(head: bytes, name: str) -> float:
    """How surely these first bytes are this log; the name says nothing."""
    return cloud_event.sniff(head, recognise, _MARKS)


def read(source: Source) -> Iterator[Shaped]:
    """The log's events, a row each; what else is in the file is kept under its own shape."""
    return cloud_event.read(source, recognise)

"""Reads audit logs of software services: Slack, Databricks, Duo, Snowflake and their like."""

from collections.abc import Iterator
from typing import Final

from labrys.evidence import cloud_event
from labrys.evidence.records import Shaped, Source
from labrys.evidence.saas_audit.events import recognise

_NO_MARKS: Final = (b"\0",)
"""Names that all of these logs had, if there were any."""


def sniff(head: bytes, name: str) -> float:
    """How surely these first bytes are this log; the name says nothing."""
    return cloud_event.sniff(head, recognise, _NO_MARKS)


def read(source: Source) -> Iterator[Shaped]:
    """Each event, a row of `saas.<service>`; what else is in the file is kept under its own shape."""
    return cloud_event.read(source, recognise)

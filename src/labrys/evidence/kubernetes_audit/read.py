"""Reads the Kubernetes API server's audit log: its file, webhook batches, cloud providers' copies."""

from collections.abc import Iterator
from typing import Final

from labrys.evidence import cloud_event
from labrys.evidence.kubernetes_audit.events import recognise
from labrys.evidence.records import Shaped, Source

_MARKS: Final = (b'"auditid"', b'"requestreceivedtimestamp"')


def sniff(head: bytes, name: str) -> float:
    """How surely these first bytes are this log; the name says nothing."""
    return cloud_event.sniff(head, recognise, _MARKS)


def read(source: Source) -> Iterator[Shaped]:
    """The log's events, a row each; what else is in the file is kept under its own shape."""
    return cloud_event.read(source, recognise)

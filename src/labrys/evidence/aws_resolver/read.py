"""Reads Amazon Route 53 Resolver query logs, as files of S3, Firehose or CloudWatch."""

from collections.abc import Iterator
from typing import Final

from labrys.evidence import cloud_event
from labrys.evidence.aws_resolver.events import recognise
from labrys.evidence.records import Shaped, Source

_MARKS: Final = (b'"query_timestamp"', b'"query_name"', b'"rcode"')


def sniff(head: bytes, name: str) -> float:
    """How surely these first bytes are this log; the name says nothing."""
    return cloud_event.sniff(head, recognise, _MARKS)


def read(source: Source) -> Iterator[Shaped]:
    """Each question, a row; what else is in the file is kept under its own shape."""
    return cloud_event.read(source, recognise)

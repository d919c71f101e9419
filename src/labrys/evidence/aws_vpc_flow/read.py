"""Reads AWS flow logs: text of S3 or CloudWatch, and the same as JSON or a table."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from labrys.evidence import cloud_event
from labrys.evidence.aws_vpc_flow import text
from labrys.evidence.aws_vpc_flow.columns import SHAPE, flows
from labrys.evidence.aws_vpc_flow.events import recognise
from labrys.evidence.records import Shaped, Source

_MARKS: Final = (b'"srcaddr"', b'"dstaddr"', b'"interface')
_PEEK: Final = 64 << 10


def sniff(head: bytes, name: str) -> float:
    """How surely these first bytes are this log; the name says nothing."""
    return text.sniff(head) or cloud_event.sniff(head, recognise, _MARKS)


def read(source: Source) -> Iterator[Shaped]:
    """Each record as a row of `aws.vpc_flow`, with who asked whom; what is none is kept as it is."""
    with source.open() as stream:
        head = stream.read(_PEEK)
    if text.sniff(head):
        yield from text.read(source)
        return
    for shape, batch in cloud_event.read(replace(source, loose=False), recognise):
        yield shape, flows(batch) if shape == SHAPE else batch

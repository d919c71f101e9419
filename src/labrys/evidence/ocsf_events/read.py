"""Reads events in OCSF, as Amazon Security Lake and others export them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from labrys.evidence import cloud_event
from labrys.evidence.flow_sides import with_sides
from labrys.evidence.ocsf_events.events import FLOW, NAMES, recognise
from labrys.evidence.records import Shaped, Source

_MARKS: Final = (b'"class_uid"', b'"activity_id"', b'"metadata"')


def sniff(head: bytes, name: str) -> float:
    """How surely these first bytes are such events; the name says nothing."""
    return cloud_event.sniff(head, recognise, _MARKS)


def read(source: Source) -> Iterator[Shaped]:
    """Each activity, a row of `ocsf.<class>`; what else is there under its own shape."""
    for shape, batch in cloud_event.read(replace(source, loose=False), recognise):
        yield shape, with_sides(batch, NAMES) if shape == FLOW else batch

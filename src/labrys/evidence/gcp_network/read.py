"""Reads Google Cloud's network logs: flows, firewalls, names, load balancers."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from labrys.evidence import cloud_event
from labrys.evidence.flow_sides import Names, with_sides
from labrys.evidence.gcp_network.events import FLOW, recognise
from labrys.evidence.records import Shaped, Source

_MARKS: Final = (b'"jsonpayload"', b'"logname"', b'"connection"')
_PLACE: Final = "jsonPayload.connection."
_NAMES: Final = Names(
    src=f"{_PLACE}src_ip",
    dst=f"{_PLACE}dest_ip",
    src_port=f"{_PLACE}src_port",
    dst_port=f"{_PLACE}dest_port",
    protocol=f"{_PLACE}protocol",
    size="jsonPayload.bytes_sent",
    packets="jsonPayload.packets_sent",
    scope=("jsonPayload.reporter",),
)


def sniff(head: bytes, name: str) -> float:
    """How surely these first bytes are this log; the name says nothing."""
    return cloud_event.sniff(head, recognise, _MARKS)


def read(source: Source) -> Iterator[Shaped]:
    """Each entry, a row, flows with who asked whom; what else is there under its own shape."""
    for shape, batch in cloud_event.read(replace(source, loose=False), recognise):
        yield shape, with_sides(batch, _NAMES) if shape == FLOW else batch

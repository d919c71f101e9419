"""Reads the description of an OpenVINO model: its operations, and those that need an extension.

The XML is searched for tags, never parsed as XML, so that entities are not resolved; that there are
any is told. Source: OpenVINO "Operation Sets", "Model Representation" (IR versions 10 and 11).
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from labrys.evidence.records import Records, Shaped, Source

_NET: Final = re.compile(rb"<net\s[^<>]{0,2000}\bversion=[\"'](\d{1,3})[\"']")
_LAYER: Final = re.compile(rb"<layer\s([^<>]{1,4000})>")
_GIVEN: Final = re.compile(rb"\b(type|version)=[\"']([^\"'<>]{1,200})[\"']")
_SET: Final = re.compile(rb"opset\d{1,3}\Z")
_LARGEST: Final = 256 << 20
_MOST: Final = 5_000


def sniff(head: bytes, name: str) -> float:
    """XML whose root is a net with a version, and layers below."""
    return 0.95 if b"<layer" in head and _NET.search(head) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.file`."""
    records = Records(source)
    with source.open() as stream:
        content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        records.unparsed(_LARGEST, "only the first 256 MiB of its description are read")
    elif b"</net>" not in content[-4096:]:
        records.unparsed(len(content), "its description ends too early")
    records.add("model.file", _row(content[:_LARGEST]), time=None, offset=0)
    yield from records.drain()


def _row(content: bytes) -> dict[str, Any]:
    operations: dict[str, None] = {}
    custom: dict[str, None] = {}
    for found in _LAYER.finditer(content):
        given = dict(_GIVEN.findall(found[1]))
        name = given.get(b"type", b"").decode("utf-8", "replace")
        version = given.get(b"version", b"opset1")
        if len(operations) < _MOST:
            operations[name] = None
        if not _SET.match(version) and len(custom) < _MOST:
            custom[f"{version.decode('utf-8', 'replace')}.{name}"] = None
    net = _NET.search(content)
    return {
        "format": "openvino",
        "format_version": int(net[1]) if net else None,
        "classes": list(operations),
        "custom_code": list(custom),
        "oddities": ["entities of its own"] if b"<!ENTITY" in content else None,
    }

"""Reads JSON documents of any kind: arrays, pretty-printed objects, exports (RFC 8259)."""

import codecs
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from labrys.evidence.ndjson.rows import records_of
from labrys.evidence.records import Shaped, Source

_ENVELOPE: Final = "envelope"
_OPENS: Final = re.compile(rb'\s*(?:\[\s*(?:[{\[\]]|$)|\{\s*(?:"|\}|$))')
_LEAST_SHARE: Final = 0.8
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def sniff(head: bytes, name: str) -> float:
    """Whether it opens as an object or an array of objects does."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    if head.startswith(_WIDE):
        text = head[2:].replace(b"\x00", b"")
    return 0.2 if _OPENS.match(text) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """Each object as a row of `json.record`, nested names dotted; `_offset` in bytes.

    A document that is little more than a list of objects gives a row for each of them, with what
    surrounds the list under `envelope.`.
    """
    return records_of(source, carried)


def carried(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects that a document consists of; itself when it is more than their envelope."""
    lists = [
        (keys, value)
        for keys, value in _values(record)
        if isinstance(value, list) and len(value) > 1 and all(map(_is_object, value))
    ]
    if len(lists) != 1:
        return [record]
    keys, items = lists[0]
    if len(orjson.dumps(items)) < _LEAST_SHARE * len(orjson.dumps(record)):
        return [record]
    rest = _without(record, keys)
    if not rest or any(_ENVELOPE in item for item in items):
        return items if not rest else [record]
    return [{**item, _ENVELOPE: rest} for item in items]


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _values(record: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of an object and of the objects in it, with the names that lead there."""
    for name, value in record.items():
        yield (name,), value
        if isinstance(value, dict):
            yield from (((name, inner), below) for inner, below in value.items())


def _without(record: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    first, *below = keys
    if not below:
        return {name: value for name, value in record.items() if name != first}
    inner = _without(record[first], tuple(below))
    return {
        name: inner if name == first else value
        for name, value in record.items()
        if name != first or inner
    }

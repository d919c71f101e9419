"""Makes rows of JSON records, whatever they call their fields."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from io import BytesIO
from typing import Any, BinaryIO, Final

import orjson

from labrys.evidence import logons
from labrys.evidence.json_stream import BadRecord, objects
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.timestamps import of_record
from labrys.evidence.values import flatten

RECORD: Final = "json.record"


def loaded(stream: BinaryIO) -> Iterator[tuple[int, int, dict[str, Any] | BadRecord]]:
    """Every JSON object in the stream: its offset, its length, and itself or what is wrong."""
    for offset, item in objects(stream):
        if isinstance(item, BadRecord):
            yield offset, len(item.raw), item
            continue
        try:
            yield offset, len(item), orjson.loads(item)
        except orjson.JSONDecodeError as error:
            yield offset, len(item), BadRecord(str(error), item[: 4 << 10])


def sample(head: bytes, most: int = 20) -> list[dict[str, Any]]:
    """The first whole JSON objects in the beginning of a file."""
    found: list[dict[str, Any]] = []
    for _, _, record in loaded(BytesIO(head)):
        if isinstance(record, dict):
            found.append(record)
        if len(found) == most:
            break
    return found


def records_of(
    source: Source, unfold: Callable[[dict[str, Any]], list[dict[str, Any]]] | None = None
) -> Iterator[Shaped]:
    """Every object in a source as rows of `json.record`, by way of `unfold` when it is given."""
    records = Records(source)
    with source.open() as stream:
        for offset, size, record in loaded(stream):
            if isinstance(record, BadRecord):
                records.unparsed(offset, record.reason, record.raw)
            else:
                parts = [record] if unfold is None else unfold(record)
                for part in parts:
                    fields = flat(part)
                    for name, value in (logons.of_record(fields) or {}).items():
                        fields.setdefault(name, value)
                    time = of_record(fields, near=source.modified)
                    records.add(RECORD, fields, time=time, offset=offset, size=size // len(parts))
            if records.full:
                yield from records.drain()
    yield from records.drain()


class _Tricky(Exception):
    """Nothing for the short way."""


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """A record of `orjson` as columns: what `values.flatten` makes, its numbers text already.

    Most records hold nothing but text, numbers and a little nesting; for those this is several
    times faster, and columns of text alone are made much faster too.
    """
    made: dict[str, Any] = {}
    try:
        _into(made, "", record, 6)
    except _Tricky:
        return flatten(record)
    return made


def _into(made: dict[str, Any], prefix: str, record: dict[str, Any], depth: int) -> None:
    for name, value in record.items():
        key = prefix + name if prefix else name
        kind = value.__class__
        if key in made:
            raise _Tricky
        if kind is str or value is None:
            made[key] = value
        elif kind is int or kind is float:
            made[key] = str(value)
        elif kind is bool:
            made[key] = "true" if value else "false"
        elif kind is dict and value and depth:
            _into(made, key + ".", value, depth - 1)
        elif kind is list and not any(part.__class__ in _NESTED for part in value):
            made[key] = value
        else:
            raise _Tricky


_NESTED: Final = (dict, list)


@lru_cache(maxsize=4096)
def shape_of(prefix: str, kind: str | None) -> str:
    """The shape for what a record says it is: `prefix.kind`, if `kind` is a plain name at all."""
    kind = (kind or "").lower()
    plain = _NOT_PLAIN.sub("_", kind).strip("_") if _PLAIN.fullmatch(kind) else ""
    return f"{prefix}.{plain or 'unknown'}"


_PLAIN: Final = re.compile(r"[a-z0-9_-]{1,64}")
_NOT_PLAIN: Final = re.compile(r"[^a-z0-9]+")

"""Makes rows of JSON records whose names come from the evidence, in bounded space."""

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, BinaryIO, Final

import orjson

from labrys.evidence.json_stream import BadRecord, objects
from labrys.evidence.records import LEADING, Records, Shaped, Source, flatten
from labrys.evidence.timestamps import of_record

RECORD: Final = "json.record"
REST: Final = "unmapped"
"""Column with the fields, as JSON, for which there was no room."""
MAX_NAMES: Final = 1_500
_MAX_NAME: Final = 256
_RESERVED: Final = frozenset([*LEADING.names, "_shape"])


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
    records, names = Records(source), Names()
    with source.open() as stream:
        for offset, size, record in loaded(stream):
            if isinstance(record, BadRecord):
                records.unparsed(offset, record.reason, record.raw)
            else:
                parts = [record] if unfold is None else unfold(record)
                for part in parts:
                    fields = flat(part)
                    time = of_record(fields, near=source.modified)
                    fields = names.bound(RECORD, fields)
                    records.add(RECORD, fields, time=time, offset=offset, size=size // len(parts))
            if records.full:
                yield from records.drain()
    yield from records.drain()


class _Tricky(Exception):
    """Nothing for the short way."""


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """A record of `orjson` as columns: what `records.flatten` makes, its numbers text already.

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


class Names:
    """Bounds how many columns a shape gets from one source: an attacker may choose the names."""

    def __init__(self, most: int = MAX_NAMES) -> None:
        self._most = most
        self._seen: dict[str, set[str]] = {}

    def bound(self, shape: str, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields, none under a name of ours, those past the bound together in `REST`."""
        seen = self._seen.setdefault(shape, {REST})
        if fields.keys() <= seen:
            return fields
        kept: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for name, value in fields.items():
            if name not in seen:
                if name in _RESERVED:
                    kept[f"source.{name}"] = value
                    continue
                if len(seen) >= self._most or len(name) > _MAX_NAME or not name:
                    rest[name] = value
                    continue
                seen.add(name)
            kept[name] = value
        if rest:
            kept[REST] = orjson.dumps(rest, default=str).decode()
        return kept


class Shapes:
    """Names shapes after what records say they are, and bounds how many a source can make."""

    def __init__(self, prefix: str, most: int = 250) -> None:
        self._unknown = f"{prefix}.unknown"
        self._prefix = prefix
        self._most = most
        self._known: dict[str, str] = {}

    def of(self, kind: str | None) -> str:
        """The shape of `kind`: `prefix.kind`, or `prefix.unknown` when it is no plain name."""
        if kind is None:
            return self._unknown
        made = self._known.get(kind)
        if made is None:
            if len(self._known) >= self._most:
                return self._unknown
            plain = _PLAIN.fullmatch(kind.lower())
            part = _NOT_PLAIN.sub("_", kind.lower()).strip("_") if plain else ""
            made = self._known[kind] = f"{self._prefix}.{part}" if part else self._unknown
        return made


_PLAIN: Final = re.compile(r"[a-z0-9_-]{1,64}")
_NOT_PLAIN: Final = re.compile(r"[^a-z0-9]+")

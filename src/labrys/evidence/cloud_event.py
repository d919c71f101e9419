"""Reads cloud and SaaS audit logs: what all their formats share.

Such a log is a stream of JSON objects (or a table), often still inside what carried them here: an
event bus, a log group, a search index, a message of a queue. The `events.py` of a format says
which objects are its events and what rows they give; a file that mixes formats is read by all of
them, and what none of them knows is kept as it is.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import import_module
from importlib.resources import files
from io import BytesIO
from itertools import islice
from typing import Any, Final

import orjson

from labrys.evidence.cloud_array import cloud_objects
from labrys.evidence.cloud_table import looks_like_table, table_rows
from labrys.evidence.json_stream import BadRecord, objects
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.timestamps import of_record, parse
from labrys.evidence.values import flatten

Row = tuple[str, dict[str, Any], int | None]
"""Shape, columns, and time in epoch milliseconds."""
Recognise = Callable[[dict[str, Any]], list[Row] | None]
"""The rows of one object, or None when it is no event of the format. Never raises."""

ENVELOPE: Final = "envelope."
"""Before the names of what surrounded an event."""
_SHORT: Final = 256
_PEEK: Final = 64 << 10
_SAMPLE: Final = 24
_DEPTH: Final = 4
_MAX_CARRIED: Final = 50_000


def sniff(head: bytes, recognise: Recognise, marks: Iterable[bytes]) -> float:
    """How surely the first bytes of a file are a format's: by reading its first records.

    `marks` decide when not even one record fits into `head`: names in lower case, all of them in it.
    """
    lowered = _lowered(head)
    if lowered is None:
        return 0.0
    sample = _sample(head)
    if not sample:
        return 0.6 if all(mark in lowered for mark in marks) else 0.0
    known = sum(_open(record, (recognise,), _DEPTH) is not None for record in sample)
    return 0.5 + 0.45 * known / len(sample) if known else 0.0


def read(source: Source, recognise: Recognise) -> Iterator[Shaped]:
    """The rows of a source whose events are mostly those that `recognise` knows."""
    records = Records(source)
    order = (recognise, *(other for other in recognisers() if other is not recognise))
    with source.open() as stream:
        table = looks_like_table(stream.read(_PEEK))
        stream.seek(0)
        unknown = "csv.record" if table else "json.record"
        for offset, item in table_rows(stream) if table else cloud_objects(stream):
            rows = _rows(records, offset, item, order, unknown)
            size = max(400, (len(item) if isinstance(item, bytes) else 1000) // max(1, len(rows)))
            for shape, fields, time in rows:
                records.add(shape, fields, time=time, offset=offset, size=size)
                if records.full:
                    yield from records.drain()
            if records.full:
                yield from records.drain()
    yield from records.drain()


@cache
def recognisers() -> tuple[Recognise, ...]:
    """Every cloud format's `recognise`, in the order of their folders' names."""
    folders = sorted(
        folder.name
        for folder in files("labrys.evidence").iterdir()
        if folder.joinpath("events.py").is_file()
    )
    return tuple(import_module(f"labrys.evidence.{name}.events").recognise for name in folders)


def rows_of(record: dict[str, Any], order: tuple[Recognise, ...], unknown: str) -> list[Row]:
    """The rows of one object, whatever it is: of the first format that knows it, or `unknown`."""
    rows = _open(record, order, _DEPTH)
    return [_unknown(record, unknown)] if rows is None else rows


def _rows(
    records: Records,
    offset: int,
    item: bytes | dict[str, Any] | BadRecord,
    order: tuple[Recognise, ...],
    unknown: str,
) -> list[Row]:
    if isinstance(item, BadRecord):
        records.unparsed(offset, item.reason, item.raw)
        return []
    try:
        return rows_of(orjson.loads(item) if isinstance(item, bytes) else item, order, unknown)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as reason:
        raw = item if isinstance(item, bytes) else repr(item)
        records.unparsed(offset, str(reason), raw)
        return []


# ---- what carried the events here

_CARRIERS: Final = (
    *("detail", "_source", "data", "result", "event.original", "properties.log"),
    *("CloudTrailEvent", "message", "Message", "@message", "_raw", "body", "Body", "log"),
    *("Records", "records", "value", "items", "entries", "Events", "events", "logEvents"),
    *("hits", "results"),
)
"""Where envelopes keep what they carry: an object, a list of objects, or JSON as text."""


def _open(record: dict[str, Any], order: tuple[Recognise, ...], depth: int) -> list[Row] | None:
    """The rows of an object or of what it carries; None when no format knows any of it."""
    for recognise in order:
        if (rows := recognise(record)) is not None:
            return rows
    if depth:
        for carrier in _CARRIERS:
            inside = _carried(record, carrier)
            if inside and (rows := _open_all(inside, order, depth - 1)) is not None:
                return _with_envelope(rows, record, carrier)
    return None


def _open_all(
    inside: list[dict[str, Any]], order: tuple[Recognise, ...], depth: int
) -> list[Row] | None:
    opened = [(item, _open(item, order, depth)) for item in inside]
    if all(rows is None for _, rows in opened):
        return None
    found: list[Row] = []
    for item, rows in opened:
        found.extend([_unknown(item, "json.record")] if rows is None else rows)
    return found


def _carried(record: dict[str, Any], carrier: str) -> list[dict[str, Any]]:
    """The objects that `carrier` holds; what else is in its list comes wrapped under its name."""
    value = record.get(carrier)
    if value is None and "." in carrier:
        outer, _, inner = carrier.partition(".")
        value = holder.get(inner) if isinstance(holder := record.get(outer), dict) else None
    value = _json_in(value)
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_CARRIED:
        return []
    items = [_json_in(item) for item in value]
    if not any(isinstance(item, dict) for item in items):
        return []
    return [item if isinstance(item, dict) else {carrier: item} for item in items]


def _json_in(value: Any) -> Any:
    """What a text holds when it is a JSON object or array; anything else as it is."""
    if not isinstance(value, str) or not _JSON_TEXT.match(value):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


_JSON_TEXT: Final = re.compile(r"\s*+[{\[]\s*+[\"{]")


def _with_envelope(rows: list[Row], record: dict[str, Any], carrier: str) -> list[Row]:
    """The rows with what surrounded them; only its short fields when it carried several."""
    outer, _, inner = carrier.partition(".")
    around = {name: value for name, value in record.items() if name != outer}
    if inner and isinstance(holder := record.get(outer), dict):
        around[outer] = {name: value for name, value in holder.items() if name != inner}
    whole = flatten(around)
    short = {name: value for name, value in islice(whole.items(), 16) if _is_short(value)}
    for number, (_, fields, _) in enumerate(rows):
        for name, value in (short if number else whole).items():
            name = ENVELOPE + name
            while name in fields:
                name = ENVELOPE + name
            fields[name] = value
    return rows


def _is_short(value: Any) -> bool:
    return len(value) <= _SHORT if isinstance(value, str) else not isinstance(value, list)


def _unknown(record: dict[str, Any], shape: str) -> Row:
    fields = flatten(record)
    return shape, fields, of_record(fields)


# ---- what several formats need to read their events


def spelling(*names: str) -> dict[str, str]:
    """Documented names by their lower case, for `respell`."""
    return {name.lower(): name for name in names}


def respell(record: dict[str, Any], documented: Mapping[str, str]) -> dict[str, Any]:
    """The object with its own names spelt as documented where only their case differs.

    Warehouses (Athena, Hive, Snowflake) lose the case of column names; rules need it.
    """
    spelt: dict[str, Any] = {}
    for name, value in record.items():
        proper = documented.get(name.lower(), name)
        taken = proper != name and (proper in record or proper in spelt)
        spelt[name if taken else proper] = value
    return spelt


def named_values(items: Any, keys: tuple[str, ...], value: str) -> Iterator[tuple[str, Any]]:
    """Name and value of each object in a list of pairs such as `[{"Name": …, "Value": …}]`.

    `keys` are the names, in lower case, that the name may go by, `value` the value's.
    """
    if not isinstance(items, list):
        return
    for item in items:
        if not isinstance(item, dict):
            continue
        lowered = {str(key).lower(): held for key, held in item.items()}
        name = next((lowered[key] for key in keys if key in lowered), None)
        if isinstance(name, str) and name and value in lowered:
            yield name, lowered[value]


def put(fields: dict[str, Any], name: str, value: Any) -> None:
    """Add a value to a column of a row, beside what it already holds; an object as JSON."""
    if value is None or value == []:
        return
    if isinstance(value, dict):
        value = orjson.dumps(value).decode()
    elif isinstance(value, list):
        value = [orjson.dumps(v).decode() if isinstance(v, dict | list) else v for v in value]
    have = fields.get(name)
    if have is None:
        fields[name] = value
    elif isinstance(have, list):
        have.extend(value if isinstance(value, list) else [value])
    else:
        fields[name] = [have, *value] if isinstance(value, list) else [have, value]


def put_json(fields: dict[str, Any], name: str, value: Any) -> None:
    """Keep an object or list also whole, as JSON text, in a column of its own name."""
    if isinstance(value, dict | list) and value:
        fields[name] = orjson.dumps(value).decode()


def dig(record: Any, path: str) -> Any:
    """The value at a dotted path of nested objects; None where there is none."""
    for name in path.split("."):
        if not isinstance(record, dict):
            return None
        record = record.get(name)
    return record


def time_of(record: dict[str, Any], *paths: str) -> int | None:
    """The first of the values at `paths` that is a time, in epoch milliseconds."""
    for path in paths:
        value = dig(record, path) if "." in path else record.get(path)
        if value is None:
            continue
        made = _parse_text(value) if isinstance(value, str) and len(value) <= 40 else parse(value)
        if made is not None:
            return made
    return None


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> int | None:
    """`parse`, for logs in which many events share a second."""
    return parse(text)


_PORT: Final = re.compile(
    r"\[([0-9A-Fa-f:.%]{2,60})\](?::\d{1,5})?|(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}"
)


def address(value: Any) -> str | None:
    """The IP address in `address:port` or `[address]:port`; another text as it is."""
    if not isinstance(value, str) or not value:
        return None
    match = _PORT.fullmatch(value) if len(value) < 80 else None
    return (match[1] or match[2]) if match else value


# ---- looking at the beginning of a file


@lru_cache(maxsize=2)
def _lowered(head: bytes) -> bytes | None:
    """The head in lower case; None when it begins neither like JSON nor like a table."""
    text = head.replace(b"\0", b"") if head[:2] in (b"\xff\xfe", b"\xfe\xff") else head
    start = text.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1]
    return text.lower() if start in (b"{", b"[") or looks_like_table(head) else None


@lru_cache(maxsize=2)
def _sample(head: bytes) -> tuple[dict[str, Any], ...]:
    """The first whole records in the head of a file."""
    found = table_rows(BytesIO(head)) if looks_like_table(head) else objects(BytesIO(head))
    made: list[dict[str, Any]] = []
    for _, item in islice(found, _SAMPLE):
        if not isinstance(item, BadRecord):
            made.append(orjson.loads(item) if isinstance(item, bytes) else item)
    return tuple(made)

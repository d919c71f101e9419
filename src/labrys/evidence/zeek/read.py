"""Reads Zeek's logs, tab-separated or JSON (Zeek manual, Log Formats)."""

from collections.abc import Iterator
from typing import Any, Final

from labrys.evidence.json_stream import BadRecord
from labrys.evidence.ndjson.rows import flat, loaded, sample, shape_of
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.timestamps import ROUNDING, parse
from labrys.evidence.zeek import paths, tsv

_PEEK: Final = 4096
_SCOPED: Final = {f"id_{part}": f"id.{part}" for part in ("orig_h", "orig_p", "resp_h", "resp_p")}
_PATHS: Final = ("_path", "@stream", "@path")
_TIMES: Final = ("ts", "_write_ts", "@timestamp", "timestamp")
_SYSTEMS: Final = ("_system_name", "@system")


def sniff(head: bytes, name: str) -> float:
    """How surely this is a Zeek log: by its header lines, or by the fields of its objects."""
    if _is_tsv(head):
        return 0.99
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return 0.0
    records = sample(head)
    return max((_likeness(record) for record in records[:3]), default=0.0)


def _is_tsv(head: bytes) -> bool:
    lines = head[:_PEEK].removeprefix(b"\xef\xbb\xbf").split(b"\n")
    first = lines[0]
    if not first.startswith(b"#"):
        return False
    return first.startswith((b"#separator ", b"#fields\t")) or any(
        line.startswith(b"#fields\t") for line in lines
    )


def _likeness(record: dict[str, Any]) -> float:
    if record.keys().isdisjoint(_TIMES[:2]):
        return 0.0
    names = _plain_names(record)
    if "uid" in names and "id.orig_h" in names:
        return 0.95
    if any(isinstance(record.get(key), str) for key in _PATHS):
        return 0.95 if "_write_ts" in record or paths.of_fields(names) else 0.6
    return 0.7 if paths.of_fields(names) else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """The source's rows, `zeek.<log>`; `_offset` in bytes."""
    with source.open() as stream:
        head = stream.read(_PEEK)
    return tsv.read(source) if _is_tsv(head) else _read_json(source)


def _read_json(source: Source) -> Iterator[Shaped]:
    records = Records(source)
    by_name = paths.of_name(source.name)
    with source.open() as stream:
        for offset, size, record in loaded(stream):
            if isinstance(record, BadRecord):
                records.unparsed(offset, record.reason, record.raw)
            else:
                fields = flat(record)
                if "id_orig_h" in fields:
                    fields = {_SCOPED.get(name, name): value for name, value in fields.items()}
                records.add(
                    shape_of("zeek", _path(fields) or by_name),
                    fields,
                    time=_time(record),
                    offset=offset,
                    host=_text(fields, _SYSTEMS),
                    size=size,
                )
            if records.full:
                yield from records.drain()
    yield from records.drain()


def _path(fields: dict[str, Any]) -> str | None:
    return _text(fields, _PATHS) or paths.of_fields(tuple(fields))


def _text(fields: dict[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def _time(fields: dict[str, Any]) -> int | None:
    """Zeek counts in seconds, also from a start near zero; its ISO 8601 and milliseconds too."""
    for name in _TIMES:
        value = fields.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e10:
            return int(value * 1000 + ROUNDING)
        if (made := parse(value)) is not None:
            return made
    return None


def _plain_names(record: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_SCOPED.get(name, name) for name in flat(record))

"""Reads what containers wrote, out of the envelope that Docker or Kubernetes puts each line into.

Sources: Docker's json-file driver, Kubernetes' CRI log format. A message that is a request of a web
server or a JSON object is a row of that; any other is a line of text.
"""

import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO, Final, NamedTuple

import orjson

from labrys.evidence import logons, timestamps
from labrys.evidence.json_stream import BadRecord, objects
from labrys.evidence.ndjson.rows import flat
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.text_lines import LIMIT, decode, lines
from labrys.evidence.web_access import common, json_record

_CRI: Final = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) "
    rb"([FP])(?::\S{0,100})? ?(.*)",
    re.DOTALL,
)
_POD: Final = re.compile(
    r"(?:.*/)?(?:(?P<pod>[a-z0-9.-]{1,253})_(?P<namespace>[a-z0-9-]{1,63})_"
    r"(?P<container>[a-z0-9-]{1,253})-(?P<id>[0-9a-f]{64})\.log"
    r"|(?P<namespace2>[a-z0-9-]{1,63})_(?P<pod2>[a-z0-9.-]{1,253})_[0-9a-f-]{8,36}/"
    r"(?P<container2>[a-z0-9-]{1,253})/\d+\.log|(?P<id2>[0-9a-f]{64})-json\.log)(?:[.-][\w.-]*)?",
    re.DOTALL,
)


class Written(NamedTuple):
    """A piece of a message: where it begins, when and to which stream, and whether more follows."""

    offset: int
    time: str
    stream: str
    text: str
    goes_on: bool


def sniff(head: bytes, name: str) -> float:
    """Sure when the first lines are all in one of the envelopes."""
    if _is_json(head):
        seen = list(islice(objects(io.BytesIO(head)), 5))
        good = sum(
            not isinstance(raw, BadRecord) and _docker(0, raw) is not None for _, raw in seen
        )
        return 0.95 if good and good >= len(seen) - 1 else 0.0
    seen_lines = [raw for _, raw, _ in islice(lines(io.BytesIO(head)), 20) if raw]
    if len(seen_lines) > 1 and not head.endswith(b"\n"):
        seen_lines.pop()
    good = sum(_CRI.match(raw) is not None for raw in seen_lines)
    return 0.95 if good and good * 5 >= len(seen_lines) * 4 else 0.0


def read(source: Source) -> Iterator[Shaped]:
    """One row for each message; one that was written in parts is whole again, up to 1 MiB."""
    records = Records(source)
    common_fields = _where(source.name)
    open_parts: dict[str, list[Written]] = {}
    with source.open() as stream:
        for found in _written(stream):
            if isinstance(found, tuple) and not isinstance(found, Written):
                records.unparsed(*found)
            else:
                parts = open_parts.setdefault(found.stream, [])
                parts.append(found)
                if not found.goes_on or sum(len(part.text) for part in parts) > LIMIT:
                    _add(records, open_parts.pop(found.stream), common_fields)
            if records.full:
                yield from records.drain()
    for parts in open_parts.values():
        _add(records, parts, common_fields)
    yield from records.drain()


def _is_json(head: bytes) -> bool:
    return head[:8].lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{")


def _where(name: str) -> dict[str, str]:
    """Pod, namespace and container, which the file's path tells."""
    found = _POD.fullmatch(name.replace("\\", "/"))
    if found is None:
        return {}
    told = {
        "k8s.pod": found["pod"] or found["pod2"],
        "k8s.namespace": found["namespace"] or found["namespace2"],
        "container": found["container"] or found["container2"],
        "container.id": found["id"] or found["id2"],
    }
    return {key: value for key, value in told.items() if value}


def _written(stream: BinaryIO) -> Iterator[Written | tuple[int, str, bytes]]:
    """Every piece; what is in neither envelope with its place and why."""
    head = stream.read(256)
    stream.seek(0)
    if _is_json(head):
        for offset, raw in objects(stream):
            if isinstance(raw, BadRecord):
                yield offset, raw.reason, raw.raw
            else:
                yield _docker(offset, raw) or (offset, "not a message of a container", raw[:4096])
        return
    for offset, raw, _ in lines(stream):
        if found := _CRI.match(raw):
            time, kind, flag = (found[number].decode() for number in (1, 2, 3))
            yield Written(offset, time, kind, decode(found[4]), flag == "P")
        elif raw.strip():
            yield offset, "not a message of a container", raw


def _docker(offset: int, raw: bytes) -> Written | None:
    record: dict[str, Any] = orjson.loads(raw)
    text, kind, time = (record.get(name) for name in ("log", "stream", "time"))
    if not isinstance(text, str) or not isinstance(time, str) or len(record) > 4:
        return None
    if not isinstance(kind, str) and record.keys() != {"log", "time"}:
        return None
    return Written(offset, time, str(kind or ""), text.rstrip("\r\n"), not text.endswith("\n"))


def _add(records: Records, parts: list[Written], where: dict[str, str]) -> None:
    first = parts[0]
    text = "".join(part.text for part in parts)
    if not text:
        return
    time = timestamps.parse(first.time)
    shape, fields, own_time = _inner(text)
    envelope = {"stream": first.stream, "container_time": first.time, **where}
    fields = {name: value for name, value in envelope.items() if name not in fields} | fields
    when = own_time if own_time is not None else time
    records.add(shape, fields, time=when, offset=first.offset, size=len(text) * 2 + 300)


def _inner(text: str) -> tuple[str, dict[str, Any], int | None]:
    """The shape, fields and own time of a message."""
    if found := common.parse(text):
        return "web.access", dict(found[0]), found[1]
    if text.startswith("{") and text.endswith("}"):
        for _, raw in objects(io.BytesIO(text.encode("utf-8", "replace"))):
            if isinstance(raw, BadRecord):
                break
            record = orjson.loads(raw)
            if request := json_record.parse(record):
                return "web.access", request[0], request[1]
            fields = flat(record)
            return "json.record", fields, timestamps.of_record(fields)
    return "text.line", {"line": text, **(logons.told(text) or {})}, None

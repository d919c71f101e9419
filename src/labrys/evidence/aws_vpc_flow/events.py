"""Says which objects are AWS flow log records: of Firehose, CloudWatch, or a table as JSON."""

from typing import Any, Final

from labrys.evidence.aws_vpc_flow.columns import SHAPE, is_flow, names_in, numbered, proper
from labrys.evidence.aws_vpc_flow.text import is_default
from labrys.evidence.cloud_event import ENVELOPE, Row, time_of
from labrys.evidence.flow_sides import unturned
from labrys.evidence.values import flatten

_TEXTS: Final = ("message", "@message", "Message")


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of a flow; None for anything else."""
    for name in _TEXTS:
        line = record.get(name)
        if isinstance(line, str) and len(line) < 400 and is_default(line):
            return [_logged(record, name, line)]
    if not is_flow(record):
        return None
    fields = {proper(name): value for name, value in flatten(record).items()}
    return [(SHAPE, unturned(fields, names_in(fields)), _time(fields))]


def _logged(record: dict[str, Any], name: str, line: str) -> Row:
    around = {f"{ENVELOPE}{key}": value for key, value in record.items() if key != name}
    fields = numbered(line.split()[-14:])
    return SHAPE, unturned(fields, names_in(fields)) | flatten(around), _time(fields)


def _time(fields: dict[str, Any]) -> int | None:
    for name in ("start", "end"):
        value = str(fields.get(name))
        if value.isdecimal() and len(value) < 12:
            return int(value) * 1000
    return time_of(fields, "start", "end", "timestamp", "@timestamp")

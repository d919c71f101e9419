"""Says which objects are rows of S3 server access logs, as queries over a table give them."""

from typing import Any, Final

from labrys.evidence.aws_s3_access.line import OPERATION, SHAPE, completed, parse, proper
from labrys.evidence.cloud_event import Row, time_of
from labrys.evidence.values import flatten

_NEEDED: Final = frozenset(["remoteip", "operation"])
_ONE_OF: Final = frozenset(["bucket_name", "bucketowner", "requester", "request_uri"])


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of a request; None for anything else."""
    line = record.get("message")
    if isinstance(line, str) and "[" in line[:200] and (found := parse(line)) is not None:
        around = {f"envelope.{name}": value for name, value in record.items() if name != "message"}
        return [(SHAPE, {**found[0], **flatten(around)}, found[1])]
    names = {proper(name) for name in record}
    if not names >= _NEEDED or names.isdisjoint(_ONE_OF):
        return None
    fields = {proper(name): value for name, value in flatten(record).items()}
    operation = fields.get("operation")
    if not isinstance(operation, str) or not OPERATION.fullmatch(operation):
        return None
    return [(SHAPE, completed(fields), time_of(fields, "requestdatetime", "timestamp"))]

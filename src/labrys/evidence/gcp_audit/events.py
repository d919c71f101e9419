"""Says which objects are Google Cloud audit log entries, and what rows they give.

Source: Google Cloud Logging, LogEntry and AuditLog. The BigQuery export's name
`protopayload_auditlog` is given as `protoPayload`. Ours: `status` (success or failure).
"""

from typing import Any, Final

from labrys.evidence.cloud_event import Row, dig, respell, spelling, time_of
from labrys.evidence.values import flatten

SHAPE: Final = "gcp.audit"

_DOCUMENTED: Final = {
    "protopayload_auditlog": "protoPayload",
    **spelling(
        *("protoPayload", "insertId", "logName", "receiveTimestamp", "resource", "severity"),
        *("timestamp", "operation"),
    ),
}
_OWN: Final = frozenset({"methodName", "serviceName", "authenticationInfo", "authorizationInfo"})


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of an audit log entry; None for anything else, Workspace's entries included."""
    if "protoPayload" not in record:
        record = respell(record, _DOCUMENTED)
    payload = record.get("protoPayload")
    if not isinstance(payload, dict):
        return None
    metadata = payload.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("event"), list):
        return None  # google_workspace
    kind = payload.get("@type")
    if not (isinstance(kind, str) and kind.endswith("AuditLog")) and _OWN.isdisjoint(payload):
        return None
    fields = flatten(record)
    fields.setdefault("status", "failure" if dig(payload, "status.code") else "success")
    return [(SHAPE, fields, time_of(record, "timestamp", "receiveTimestamp"))]

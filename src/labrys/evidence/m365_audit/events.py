"""Says which objects are Microsoft 365 unified audit log records, and what rows they give.

Source: Office 365 Management Activity API schema; Search-UnifiedAuditLog and the Purview audit
export, whose `AuditData` cell or member holds the record as JSON. Ours: the members of the lists of
name and value as columns `Parameters.<Name>`, `ExtendedProperties.<Name>`,
`ModifiedProperties.<Name>` (the new value; the old one under `.OldValue`) …, those lists also
whole, as JSON; `status` (success or failure); and `ClientAddress`, the client's IP address without
its port.
"""

from typing import Any, Final

import orjson

from labrys.evidence.cloud_event import (
    ENVELOPE,
    Row,
    address,
    named_values,
    put,
    put_json,
    respell,
    spelling,
    time_of,
)
from labrys.evidence.values import flatten

SHAPE: Final = "m365.audit"

_DOCUMENTED: Final = spelling(
    *("CreationTime", "Id", "Operation", "OrganizationId", "RecordType", "ResultStatus", "UserKey"),
    *("UserType", "Version", "Workload", "ClientIP", "ObjectId", "UserId", "Parameters", "Actor"),
    *("ExtendedProperties", "ModifiedProperties", "ExternalAccess", "OrganizationName", "Target"),
    *("OriginatingServer", "AzureActiveDirectoryEventType", "LogonError", "ApplicationId"),
    *("ActorIpAddress", "SiteUrl", "SourceFileName", "UserAgent", "OperationProperties"),
    *("ClientIPAddress", "ClientInfoString", "AppId", "MailboxOwnerUPN", "EventSource", "ItemType"),
)
_PAIRS: Final = (
    "Parameters",
    "ExtendedProperties",
    "ModifiedProperties",
    "OperationProperties",
    "DeviceProperties",
    "NonPIIParameters",
)
_GOOD: Final = frozenset({"true", "success", "succeeded", "partiallysucceeded"})
_BAD: Final = frozenset({"false", "failed", "failure"})


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of an audit record, alone or in an export's `AuditData`; None for anything else."""
    for name in ("AuditData", "auditData"):
        if name in record:
            return _exported(record, name)
    if not ("CreationTime" in record and "Operation" in record):
        record = respell(record, _DOCUMENTED)
    return [_row(record)] if _is_event(record) else None


def _is_event(record: dict[str, Any]) -> bool:
    if not isinstance(record.get("Operation"), str):
        return False
    if "OfficeWorkload" in record:  # the OfficeActivity table
        return True
    return "CreationTime" in record and ("RecordType" in record or "Workload" in record)


def _row(record: dict[str, Any]) -> Row:
    fields = flatten(record)
    for name in _PAIRS:
        items = record.get(name)
        for key, value in named_values(items, ("name",), "value"):
            put(fields, f"{name}.{key}", value)
        for key, value in named_values(items, ("name",), "newvalue"):
            put(fields, f"{name}.{key}", value)
        for key, value in named_values(items, ("name",), "oldvalue"):
            put(fields, f"{name}.{key}.OldValue", value)
        put_json(fields, name, items)
    if status := _status(record):
        fields.setdefault("status", status)
    client = next((record[name] for name in _CLIENTS if record.get(name)), None)
    fields.setdefault("ClientAddress", address(client))
    return SHAPE, fields, time_of(record, "CreationTime", "TimeGenerated", "CreationDate")


_CLIENTS: Final = ("ClientIP", "ClientIPAddress", "ActorIpAddress", "Client_IPAddress")


def _status(record: dict[str, Any]) -> str | None:
    """The result in one word; an alert has no result, that it was raised is its success."""
    result = str(record.get("ResultStatus") or "").lower()
    if record.get("Operation") == "UserLoginFailed" or result in _BAD:
        return "failure"
    if result in _GOOD or (not result and record.get("Operation") == "AlertTriggered"):
        return "success"
    return None


def _exported(record: dict[str, Any], name: str) -> list[Row] | None:
    """A row of an export: the record inside, and what the row says besides."""
    inner = record[name]
    if isinstance(inner, str):
        try:
            inner = orjson.loads(inner)
        except orjson.JSONDecodeError:
            return None
    if not isinstance(inner, dict) or not inner:
        return None
    shape, fields, time = _row(respell(inner, _DOCUMENTED))
    outer = {key: value for key, value in record.items() if key != name}
    if time is None:
        time = time_of(outer, "CreationDate", "createdDateTime")
    for key, value in flatten(outer).items():
        said = fields.get(_REPEATS.get(key.lower(), key))
        repeated = said is not None and str(said).lower() == str(value).lower()
        if repeated or (key in _DATES and time_of(outer, key) == time):
            continue
        put(fields, ENVELOPE + key if key in fields else key, value)
    return [(shape, fields, time)]


_DATES: Final = ("CreationDate", "createdDateTime")
_REPEATS: Final = {
    "userids": "UserId",
    "userid": "UserId",
    "operations": "Operation",
    "operation": "Operation",
    "identity": "Id",
    "recordid": "Id",
    "id": "Id",
    "clientip": "ClientIP",
    "objectid": "ObjectId",
    "organizationid": "OrganizationId",
    "service": "Workload",
}
"""What an export's own columns repeat of the record inside."""

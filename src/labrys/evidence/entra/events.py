"""Says which objects are Microsoft Entra ID's logs, and what rows they give.

Four shapes: sign-ins, directory audits, risk (detections, risky users) and Privileged Identity
Management. Each comes in four forms, and a row keeps the names of the form it came in: Microsoft
Graph (`createdDateTime`, `status.errorCode`), diagnostic settings (`properties.…` inside an Azure
Monitor record), Log Analytics tables (`TimeGenerated`, `ResultType`) and the portal's CSV
(`Date (UTC)`, `Sign-in error code`). Source: Microsoft Graph auditLogs and identityProtection
resources, Azure Monitor table reference (Microsoft Learn). What is ours is in `derived.py`.
"""

from typing import Any, Final

from labrys.evidence.cloud_event import Row, put_json, time_of
from labrys.evidence.entra.derived import add_audit, add_pim, add_sign_in
from labrys.evidence.values import flatten

SIGN_IN: Final = "entra.signin"
AUDIT: Final = "entra.audit"
RISK: Final = "entra.risk"
PIM: Final = "entra.pim"

_CATEGORIES: Final = {
    "signinlogs": SIGN_IN,
    "noninteractiveusersigninlogs": SIGN_IN,
    "serviceprincipalsigninlogs": SIGN_IN,
    "managedidentitysigninlogs": SIGN_IN,
    "microsoftserviceprincipalsigninlogs": SIGN_IN,
    "adfssigninlogs": SIGN_IN,
    "aadnoninteractiveusersigninlogs": SIGN_IN,
    "aadserviceprincipalsigninlogs": SIGN_IN,
    "aadmanagedidentitysigninlogs": SIGN_IN,
    "auditlogs": AUDIT,
    "userriskevents": RISK,
    "riskyusers": RISK,
    "riskyserviceprincipals": RISK,
    "serviceprincipalriskevents": RISK,
    "aaduserriskevents": RISK,
    "aadriskyusers": RISK,
    "aadriskyserviceprincipals": RISK,
    "aadserviceprincipalriskevents": RISK,
}
"""Diagnostic-settings categories and Log Analytics table names, in lower case."""

_MEMBERS: Final = (
    (SIGN_IN, {"createddatetime", "conditionalaccessstatus", "appdisplayname"}),
    (SIGN_IN, {"createddatetime", "signineventtypes", "appdisplayname"}),
    (SIGN_IN, {"createddatetime", "clientappused", "status"}),
    (AUDIT, {"activitydatetime", "activitydisplayname"}),
    (RISK, {"riskeventtype", "risklevel"}),
    (RISK, {"riskeventtype", "detecteddatetime"}),
    (RISK, {"riskstate", "risklastupdateddatetime"}),
    (PIM, {"alertdefinitionid", "isactive"}),
    (PIM, {"roledefinitionid", "principalid", "action"}),
    (PIM, {"roledefinitionid", "principalid", "createddatetime"}),
    (SIGN_IN, {"date (utc)", "request id", "application", "ip address"}),
    (SIGN_IN, {"date", "request id", "application", "ip address"}),
    (AUDIT, {"date (utc)", "correlationid", "activity", "result"}),
    (AUDIT, {"date (utc)", "correlation id", "activity", "result"}),
)
"""Names, in lower case, that an object of a shape has; the first that fits wins."""
_TELLING: Final = frozenset().union(*(names for _, names in _MEMBERS))

_TIMES: Final = {
    SIGN_IN: ("createdDateTime", "CreatedDateTime", "properties.createdDateTime"),
    AUDIT: ("activityDateTime", "ActivityDateTime", "properties.activityDateTime"),
    RISK: (
        *("activityDateTime", "properties.activityDateTime", "ActivityDateTime"),
        *("detectedDateTime", "properties.detectedDateTime", "DetectedDateTime"),
        *("riskLastUpdatedDateTime", "properties.riskLastUpdatedDateTime"),
    ),
    PIM: ("createdDateTime", "assignmentDateTime", "lastModifiedDateTime", "lastScannedDateTime"),
}
_ANY_TIME: Final = ("time", "TimeGenerated", "Date (UTC)", "Date", "detectedDateTime")
_WHOLE: Final = frozenset(
    {"initiatedby", "targetresources", "additionaldetails", "networklocationdetails"}
)
"""Lists and objects kept also whole, as JSON text."""


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of a sign-in, audit, risk or PIM record; None for anything else."""
    shape = shape_of(record)
    if shape is None:
        return None
    fields = flatten(record)
    properties = record.get("properties")
    inner = properties if isinstance(properties, dict) else {}
    for prefix, holder in (("", record), ("properties.", inner)):
        for name, value in holder.items():
            if name.lower() in _WHOLE:
                put_json(fields, prefix + name, value)
                if value == []:
                    fields[prefix + name] = "[]"  # rules ask for a sign-in from no known network
    if shape == SIGN_IN:
        add_sign_in(fields, record, inner)
    elif shape == AUDIT:
        add_audit(fields, record, inner)
    elif shape == PIM:
        add_pim(fields, record)
    return [(shape, fields, time_of(record, *_TIMES[shape], *_ANY_TIME))]


def shape_of(record: dict[str, Any]) -> str | None:
    """Which of Entra's logs an object belongs to; None when to none."""
    for name in ("category", "Category", "Type", "type"):
        category = record.get(name)
        if isinstance(category, str) and (shape := _CATEGORIES.get(category.lower())):
            timed = any(name in record for name in _ANY_TIME)
            return shape if timed and not _is_of_another(record) else None
    if _is_alert(record):
        return PIM
    names = {name.lower() for name in record} & _TELLING
    return next((shape for shape, wanted in _MEMBERS if wanted <= names), None)


def _is_of_another(record: dict[str, Any]) -> bool:
    """Whether another service (Intune) sent it: they share the category's name AuditLogs."""
    properties = record.get("properties")
    if not isinstance(properties, dict) or "activityDisplayName" in properties:
        return False
    return "ActivityResultStatus" in properties or "ActivityDate" in properties


def _is_alert(record: dict[str, Any]) -> bool:
    """Whether it is one of PIM's security alerts, which are named after their Graph type."""
    return any(
        isinstance(kind := record.get(name), str)
        and len(kind) < 200
        and kind.endswith(("AlertIncident", "AlertConfiguration"))
        for name in ("riskEventType", "@odata.type")
    )

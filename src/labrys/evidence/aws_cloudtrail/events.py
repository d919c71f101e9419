"""Says which objects are AWS CloudTrail's, and what rows they give.

Source: CloudTrail record contents, Insights event and digest file structure (AWS CloudTrail User
Guide). Ours: `status` (success or failure), and `requestParameters`, `responseElements`,
`additionalEventData` and `serviceEventDetails` also whole, as JSON, beside their dotted parts.
"""

from typing import Any, Final

from labrys.evidence.cloud_event import Row, dig, put_json, respell, spelling, time_of
from labrys.evidence.values import flatten

SHAPE: Final = "aws.cloudtrail"
DIGEST: Final = "aws.cloudtrail_digest"

_DOCUMENTED: Final = spelling(
    *("eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion"),
    *("sourceIPAddress", "userAgent", "errorCode", "errorMessage", "requestParameters"),
    *("responseElements", "additionalEventData", "requestID", "eventID", "eventType", "apiVersion"),
    *("managementEvent", "readOnly", "resources", "recipientAccountId", "serviceEventDetails"),
    *("sharedEventID", "vpcEndpointId", "vpcEndpointAccountId", "eventCategory", "addendum"),
    *("sessionCredentialFromConsole", "eventContext", "edgeDeviceDetails", "tlsDetails"),
    *("insightDetails",),
)
_OWN: Final = frozenset(_DOCUMENTED.values())
_WHOLE: Final = (
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "serviceEventDetails",
)


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of a CloudTrail event, Insights event or digest; None for anything else."""
    if not ("eventName" in record and "eventSource" in record and "eventVersion" in record):
        if isinstance(record.get("logFiles"), list) and "digestEndTime" in record:
            return [_digest(record)]
        record = respell(record, _DOCUMENTED)
        if not _is_event(record):
            return None
    return [_event(record)]


def _is_event(record: dict[str, Any]) -> bool:
    """Whether enough of the documented names are there, for exports that leave some out."""
    if "insightDetails" in record:
        return "eventType" in record or "eventVersion" in record
    return (
        "eventName" in record
        and ("eventSource" in record or "awsRegion" in record)
        and len(_OWN & record.keys()) >= 3
        and "CloudTrailEvent" not in record  # a LookupEvents summary: the event is inside
    )


def _event(record: dict[str, Any]) -> Row:
    fields = flatten(record)
    for name in _WHOLE:
        put_json(fields, name, record.get(name))
    fields.setdefault("status", _status(record))
    return SHAPE, fields, time_of(record, "eventTime", "insightDetails.insightContext.startTime")


def _status(record: dict[str, Any]) -> str:
    if record.get("errorCode") or record.get("errorMessage"):
        return "failure"
    outcome = dig(record, "responseElements.ConsoleLogin")
    return "failure" if outcome == "Failure" else "success"


def _digest(record: dict[str, Any]) -> Row:
    return DIGEST, flatten(record), time_of(record, "digestEndTime", "digestStartTime")

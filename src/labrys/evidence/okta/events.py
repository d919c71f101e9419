"""Says which objects are Okta System Log events, and what rows they give.

Source: Okta System Log API, LogEvent object.
"""

from typing import Any, Final

from labrys.evidence.cloud_event import Row, respell, spelling, time_of
from labrys.evidence.values import flatten

SHAPE: Final = "okta.system"

_DOCUMENTED: Final = spelling(
    *("uuid", "published", "eventType", "version", "severity", "legacyEventType"),
    *("displayMessage", "actor", "client", "request", "outcome", "target", "transaction"),
    *("debugContext", "authenticationContext", "securityContext", "device"),
)
_OWN: Final = frozenset(
    {"legacyEventType", "displayMessage", "debugContext", "authenticationContext", "client"}
    | {"securityContext", "published", "outcome", "transaction", "uuid", "actor"}
)


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of a System Log event; None for anything else."""
    if "eventType" not in record or "displayMessage" not in record:
        record = respell(record, _DOCUMENTED)
    kind = record.get("eventType")
    if not isinstance(kind, str) or "." not in kind or len(_OWN & record.keys()) < 3:
        return None
    if not (isinstance(record.get("actor"), dict) or isinstance(record.get("outcome"), dict)):
        return None
    return [(SHAPE, flatten(record), time_of(record, "published"))]

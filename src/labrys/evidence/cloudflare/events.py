"""Says which objects are Cloudflare's requests and firewall events, and what rows they give.

Source: Cloudflare Logs, log fields of HTTP requests and of firewall events. Requests are those of a
web server (`web.access`); firewall events have the same names beside Cloudflare's own.
"""

from typing import Any, Final

from labrys.evidence.cloud_event import Row, respell, spelling, time_of
from labrys.evidence.values import flatten
from labrys.evidence.web_access import json_record
from labrys.evidence.web_access.common import set_own

WEB: Final = "web.access"
WALL: Final = "cloudflare.firewall"
_DOCUMENTED: Final = spelling(
    *("Action", "ClientIP", "ClientRequestHost", "ClientRequestMethod", "ClientRequestPath"),
    *("ClientRequestURI", "ClientRequestQuery", "ClientRequestUserAgent", "ClientRequestReferer"),
    *("Datetime", "EdgeResponseStatus", "EdgeStartTimestamp", "RayID", "RuleID", "Source", "Kind"),
    *("Description", "ClientCountry", "EdgeResponseBytes", "OriginResponseStatus"),
)
_NEEDED: Final = frozenset(["ClientIP", "ClientRequestHost", "RayID"])
_COLUMNS: Final = {
    "c-ip": "ClientIP",
    "cs-method": "ClientRequestMethod",
    "cs-host": "ClientRequestHost",
    "cs-user-agent": "ClientRequestUserAgent",
    "sc-status": "EdgeResponseStatus",
}


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of a request or firewall event; None for anything else."""
    if "RayID" not in record:
        record = respell(record, _DOCUMENTED)
    if not record.keys() >= _NEEDED:
        return None
    if isinstance(record.get("Action"), str) and isinstance(record.get("Source"), str):
        return [_judged(record)]
    found = json_record.parse(record)
    if found is None:
        return None
    return [(WEB, found[0], time_of(record, "EdgeStartTimestamp") or found[1])]


def _judged(record: dict[str, Any]) -> Row:
    fields = flatten(record)
    for column, name in _COLUMNS.items():
        if isinstance(record.get(name), str | int):
            fields.setdefault(column, record[name])
    path, query = record.get("ClientRequestPath"), record.get("ClientRequestQuery")
    if isinstance(path, str):
        made: dict[str, Any] = {}
        asked = f"{path}?{query.removeprefix('?')}" if isinstance(query, str) and query else path
        set_own(made, asked)
        for name, value in made.items():
            fields.setdefault(name, value)
    return WALL, fields, time_of(record, "Datetime")

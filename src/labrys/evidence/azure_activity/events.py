"""Says which objects are Azure Activity (or another Azure resource log) records, and their rows.

Source: Azure Activity Log event schema, Azure Monitor resource log schema, AzureActivity table
(Microsoft Learn). Ours: `operation`, the operation's name in whatever form it came,
`resourceProvider` and `subscription`, the first parts of it and of the resource's id,
`clientAddress`, the caller's IP address without its port, and `authorization` and `properties` also
whole, as JSON.
"""

import re
from typing import Any, Final

from labrys.evidence.azure_network.events import is_network
from labrys.evidence.cloud_event import (
    Row,
    address,
    dig,
    put,
    put_json,
    respell,
    spelling,
    time_of,
)
from labrys.evidence.entra.events import shape_of
from labrys.evidence.values import flatten

SHAPE: Final = "azure.activity"

_DOCUMENTED: Final = spelling(
    *("operationName", "resourceId", "category", "resultType", "resultSignature", "tenantId"),
    *("callerIpAddress", "correlationId", "operationVersion", "durationMs", "properties"),
    *("identity", "eventTimestamp", "eventDataId", "resultDescription"),
)
_OTHERS: Final = frozenset({"category", "callerIpAddress", "correlationId", "resultType"})
_TIMES: Final = ("eventTimestamp", "time", "TimeGenerated", "EventSubmissionTimestamp", "timeStamp")


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of an Azure log record in any of its export forms; None for anything else.

    Entra's logs, and the Kubernetes audit events of AKS, come the same way but are none of them.
    """
    if "OperationNameValue" in record and any(name in record for name in _TIMES):
        return [_row(record)]
    if "operation_name" in record and "event_timestamp" in record:
        record = _from_python(record)
    if "operationName" not in record:
        if not any(name.lower() == "operationname" for name in record):
            return None
        record = respell(record, _DOCUMENTED)
    if "resourceId" not in record and len(_OTHERS & record.keys()) < 2:
        return None
    if not any(name in record for name in _TIMES) or is_network(record):
        return None
    category = record.get("category")
    of_kubernetes = isinstance(category, str) and category.startswith("kube-audit")
    if of_kubernetes or shape_of(record) is not None:
        return None
    return [_row(record)]


def _from_python(record: dict[str, Any]) -> dict[str, Any]:
    """A record as Azure's SDK for Python writes it, under the names of the schema.

    What is in the claims and the properties has names of its own.
    """
    made: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict) and name not in ("claims", "properties", "authorization"):
            value = {_camel(inner): each for inner, each in value.items()}
        made[_camel(name)] = value
    return made


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _row(record: dict[str, Any]) -> Row:
    fields = flatten(record)
    for name in ("authorization", "properties"):
        put_json(fields, name, record.get(name))
    operation = _operation(record)
    put(fields, "operation", operation)
    put(fields, "resourceProvider", _first_part(operation))
    resource = record.get("resourceId") or record.get("ResourceId") or record.get("_ResourceId")
    found = _SUBSCRIPTION.match(resource) if isinstance(resource, str) else None
    put(fields, "subscription", record.get("subscriptionId") or (found[1] if found else None))
    caller = record.get("callerIpAddress") or record.get("CallerIpAddress")
    fields.setdefault(
        "clientAddress", address(caller or dig(record, "httpRequest.clientIpAddress"))
    )
    return SHAPE, fields, time_of(record, *_TIMES)


_SUBSCRIPTION: Final = re.compile(r"/subscriptions/([0-9A-Fa-f-]{36})(?:/|\Z)", re.IGNORECASE)


def _operation(record: dict[str, Any]) -> str | None:
    name = record.get("operationName") or record.get("OperationNameValue")
    if isinstance(name, dict):
        name = name.get("value")
    return name if isinstance(name, str) else None


def _first_part(operation: str | None) -> str | None:
    """`Microsoft.Compute` of `Microsoft.Compute/virtualMachines/write`."""
    provider, slash, _ = (operation or "").partition("/")
    return provider if slash and "." in provider and len(provider) < 120 else None

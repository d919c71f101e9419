"""Columns of Entra rows that are ours: words for codes, lists of pairs by name.

| column | of | what |
|---|---|---|
| `Status` | sign-in | Success or Failure, and beside it what the record says to explain it |
| `outcome` | sign-in | success or failure |
| `protocol` | sign-in | the authentication protocol as the portal writes it: Device Code, ROPC … |
| `activity` | audit | the activity's name in whatever form it came |
| `additionalDetails.<key>` | audit | the value |
| `modifiedProperties.<name>` | audit | the new value, without the quotes of its JSON |
| `modifiedProperties.<name>.oldValue` | audit | the old one |
| `riskEventType` | PIM | the alert's Graph type without `#microsoft.graph.` |
"""

from typing import Any, Final

import orjson

from labrys.evidence.cloud_event import dig, named_values, put

_PROTOCOLS: Final = {
    "devicecode": "Device Code",
    "ropc": "ROPC",
    "oauth2": "OAuth 2.0",
    "saml20": "SAML 2.0",
    "wsfederation": "WS-Federation",
    "authenticationtransfer": "Authentication Transfer",
}
_GRAPH: Final = "#microsoft.graph."
_REASONS: Final = (
    "status.additionalDetails",
    "status.failureReason",
    "Status.additionalDetails",
    "Status.failureReason",
)


_ACTIVITIES: Final = (
    *("activityDisplayName", "ActivityDisplayName", "OperationName", "Activity", "operationName"),
)


def add_sign_in(fields: dict[str, Any], record: dict[str, Any], properties: dict[str, Any]) -> None:
    """Add `Status`, `outcome` and `protocol` to a sign-in's row."""
    code = next((found for at in (record, properties) if (found := _code(at)) is not None), None)
    said = fields.get("Status")  # the portal's word
    if code is not None or isinstance(said, str):
        good = str(said).lower() == "success" if code is None else str(code) == "0"
        fields.setdefault("outcome", "success" if good else "failure")
    if code is not None and not isinstance(said, str):
        put(fields, "Status", "Success" if str(code) == "0" else "Failure")
        for holder in (record, properties):
            for path in _REASONS:
                put(fields, "Status", dig(holder, path))
    for holder in (record, properties):
        for name in ("authenticationProtocol", "AuthenticationProtocol"):
            word = holder.get(name)
            if isinstance(word, str) and word.lower() not in ("", "none"):
                fields.setdefault("protocol", _PROTOCOLS.get(word.lower(), word))


def _code(record: dict[str, Any]) -> Any:
    """The sign-in's error code: 0 is a success."""
    for path in ("status.errorCode", "resultType", "ResultType", "Status.errorCode"):
        value = dig(record, path) if "." in path else record.get(path)
        if isinstance(value, int | str) and value != "":
            return value
    return None


def add_audit(fields: dict[str, Any], record: dict[str, Any], properties: dict[str, Any]) -> None:
    """Add an audit's activity, and its details and modified properties by their names."""
    named = (holder.get(name) for holder in (record, properties) for name in _ACTIVITIES)
    put(fields, "activity", next((name for name in named if isinstance(name, str) and name), None))
    for holder in (record, properties):
        for name in ("additionalDetails", "AdditionalDetails"):
            for key, value in named_values(_list(holder.get(name)), ("key", "name"), "value"):
                put(fields, f"additionalDetails.{key}", value)
        for name in ("targetResources", "TargetResources"):
            for target in _list(holder.get(name)):
                if isinstance(target, dict):
                    _add_modified(fields, target.get("modifiedProperties"))


def _add_modified(fields: dict[str, Any], changes: Any) -> None:
    for key, value in named_values(changes, ("displayname", "name"), "newvalue"):
        put(fields, f"modifiedProperties.{key}", _unquoted(value))
    for key, value in named_values(changes, ("displayname", "name"), "oldvalue"):
        put(fields, f"modifiedProperties.{key}.oldValue", _unquoted(value))


def _list(value: Any) -> list[Any]:
    """A list, also when a table export holds it as JSON text."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return []
    return value if isinstance(value, list) else []


def _unquoted(value: Any) -> Any:
    """`"Guest"` and `["Guest"]`, as the log writes values, without their quotes and brackets."""
    if not isinstance(value, str) or value[:1] not in ('"', "["):
        return value
    try:
        inner = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    if isinstance(inner, str):
        return inner
    plain = isinstance(inner, list) and all(isinstance(item, str | int) for item in inner)
    return inner if plain else value


def add_pim(fields: dict[str, Any], record: dict[str, Any]) -> None:
    """Add the alert's kind to the row of a PIM alert."""
    kind = record.get("@odata.type")
    if isinstance(kind, str) and kind.endswith(("AlertIncident", "AlertConfiguration")):
        fields.setdefault("riskEventType", kind.removeprefix(_GRAPH))

"""Says which objects are Google Workspace audit activities, and what rows they give.

Source: Admin SDK Reports API, `activities` resource; Google Workspace audit logs in Cloud Logging
(protoPayload.metadata.event). Ours: one row for each event of an activity, its parameters as
columns `parameters.<name>` whatever their type, and `eventService`, the service by the name Cloud
Logging gives it.
"""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from labrys.evidence.cloud_event import Row, dig, put, time_of
from labrys.evidence.values import flatten

SHAPE: Final = "google.workspace"

_VALUES: Final = (
    *("value", "intValue", "boolValue", "multiValue", "multiIntValue", "multiBoolValue"),
    *("multiStrValue", "multiString"),
)
_MESSAGES: Final = ("messageValue", "multiMessageValue")
_MOST: Final = 1_000
_SMALL: Final = 16 << 10


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """A row for each event of an activity; None for anything else."""
    if isinstance(dig(record, "protoPayload.metadata.event"), list):
        return _from_logging(record)
    kind, identity = record.get("kind"), record.get("id")
    known = isinstance(kind, str) and kind.endswith("#reports#activity")
    if not known and not (isinstance(identity, dict) and "applicationName" in identity):
        return None
    return _from_reports(record)


def _from_reports(record: dict[str, Any]) -> list[Row]:
    time = time_of(record, "id.time")
    application = dig(record, "id.applicationName")
    service = f"{application}.googleapis.com" if isinstance(application, str) else None
    events = record.get("events")
    if not isinstance(events, list) or not events:
        return [(SHAPE, _reported(record, record, service), time)]
    around = {name: value for name, value in record.items() if name != "events"}
    return [(SHAPE, _reported(part, event, service), time) for part, event in _each(around, events)]


def _each(around: dict[str, Any], events: list[Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each event with what the activity says of all; bounded, whatever the activity holds.

    Real activities have a few events. Of a huge one the events past `_MOST` stay together as JSON,
    and those after the first carry the activity's small members only.
    """
    rest = {"events": events[_MOST:]} if len(events) > _MOST else {}
    yield {**around, **rest}, events[0]
    small = {name: value for name, value in around.items() if len(orjson.dumps(value)) <= _SMALL}
    for event in events[1:_MOST]:
        yield small, event


def _reported(around: dict[str, Any], event: Any, service: str | None) -> dict[str, Any]:
    own = event is around
    fields = flatten({k: v for k, v in around.items() if not (own and k == "parameters")})
    if service:
        fields["eventService"] = service
    if not isinstance(event, dict):
        put(fields, "event", event)
        return fields
    if not own:
        plain = {name: value for name, value in event.items() if name != "parameters"}
        for name, value in flatten(plain).items():
            put(fields, name, value)
    _put_parameters(fields, "parameters", event.get("parameters"))
    return fields


def _from_logging(record: dict[str, Any]) -> list[Row]:
    payload = record["protoPayload"]
    events = payload["metadata"]["event"]
    metadata = {name: value for name, value in payload["metadata"].items() if name != "event"}
    around = {**record, "protoPayload": {**payload, "metadata": metadata}}
    service = payload.get("serviceName")
    time = time_of(record, "timestamp", "receiveTimestamp")
    if not events:
        return [(SHAPE, _logged(around, None, service), time)]
    return [(SHAPE, _logged(part, event, service), time) for part, event in _each(around, events)]


def _logged(around: dict[str, Any], event: Any, service: Any) -> dict[str, Any]:
    fields = flatten(around)
    put(fields, "eventService", service)
    if not isinstance(event, dict):
        put(fields, "protoPayload.metadata.event", event)
        return fields
    plain = {name: value for name, value in event.items() if name != "parameter"}
    for name, value in flatten(plain).items():
        put(fields, f"protoPayload.metadata.event.{name}", value)
    put(fields, "name", event.get("eventName"))
    put(fields, "type", event.get("eventType"))
    _put_parameters(fields, "parameters", event.get("parameter"))
    return fields


def _put_parameters(fields: dict[str, Any], prefix: str, parameters: Any, depth: int = 4) -> None:
    """Parameters as columns under `prefix`; they are a list, or already an object by name."""
    if isinstance(parameters, dict):
        for name, value in flatten(parameters).items():
            put(fields, f"{prefix}.{name}", value)
        return
    if not isinstance(parameters, list):
        put(fields, prefix, parameters)
        return
    for item in parameters:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str) or depth <= 0:
            put(fields, prefix, item)
            continue
        column = f"{prefix}.{item['name']}"
        for key in _VALUES:
            put(fields, column, item.get(key))
        for inner in _messages(item):
            _put_parameters(fields, column, inner, depth - 1)


def _messages(item: dict[str, Any]) -> Iterator[Any]:
    """The parameter lists inside a parameter whose value is a message, or several."""
    for key in _MESSAGES:
        value = item.get(key)
        for message in value if isinstance(value, list) else [value]:
            if isinstance(message, dict):
                yield message.get("parameter", message)
            elif message is not None:
                yield message

"""One Windows event, from whatever dialect, as a row: shape, columns, time and host.

Columns are the elements and attributes of `System` under one flat name each, and the fields of
`EventData` or `UserData` under their own. Source: the Event schema of Windows Event Log
(learn.microsoft.com/windows/win32/wes/eventschema-schema).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from labrys.evidence import timestamps

Event = tuple[str, dict[str, Any], int | None, str | None]
"""Shape, fields, time in epoch milliseconds UTC, host."""

_ATTRIBUTES: Final[dict[str, dict[str, str]]] = {
    "Provider": {
        "Name": "Provider_Name",
        "Guid": "Provider_Guid",
        "EventSourceName": "Provider_EventSourceName",
    },
    "TimeCreated": {"SystemTime": "TimeCreated"},
    "Execution": {
        "ProcessID": "ExecutionProcessID",
        "ThreadID": "ExecutionThreadID",
        "ProcessorID": "ExecutionProcessorID",
        "SessionID": "ExecutionSessionID",
        "KernelTime": "ExecutionKernelTime",
        "UserTime": "ExecutionUserTime",
    },
    "Correlation": {"ActivityID": "ActivityID", "RelatedActivityID": "RelatedActivityID"},
    "Security": {"UserID": "UserID"},
}
SYSTEM: Final = frozenset(
    [
        *(column for columns in _ATTRIBUTES.values() for column in columns.values()),
        *("EventID", "Qualifiers", "Version", "Level", "Task", "Opcode", "Keywords"),
        *("EventRecordID", "Channel", "Computer"),
    ]
)
"""The columns that come from `System`."""
IDENTITY: Final = frozenset(
    ["EventID", "Provider_Name", "Computer", "Level", "Keywords", "EventRecordID", "TimeCreated"]
)
"""Those of them a rule always means as the system's, whatever `EventData` holds."""

_MARKS: Final = frozenset(["", "#", "@", "x"])
_UNUSUAL: Final = frozenset(["Data", "#attributes", ""])
_SCALARS: Final = frozenset([str, int, float, bool, type(None)])
_OTHER: Final = re.compile(r"[^a-z0-9]+")
_LONGEST: Final = 80
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def from_tree(event: dict[str, Any]) -> Event:
    """The event as its XML nests it: `System`, and `EventData` or `UserData` if any.

    Attributes may be under `#attributes`, have names that begin with `@`, or sit beside the text.
    `event` is used up. Raises ValueError when no `System` part tells what event this is.
    """
    system = event.get("System")
    if not isinstance(system, dict):
        raise ValueError("a Windows event without its System part")
    fields: dict[str, Any] = {}
    for name, value in system.items():
        if name.endswith("_attributes"):
            _element(fields, name.removesuffix("_attributes"), {"#attributes": value})
        elif value is not None:
            _element(fields, name, value)
    return from_columns(fields, data_fields(event))


def from_columns(system: dict[str, Any], data: dict[str, Any]) -> Event:
    """The event as its system columns (named as here) and its data fields; both are used up."""
    made = row(system)
    merge(system, data)
    return made


def merge(system: dict[str, Any], data: dict[str, Any]) -> None:
    """Put the data fields beside the system columns so that neither is lost.

    Where both have a name, a column a rule always means as the system's (`IDENTITY`) stays and
    the data's becomes `EventData_<name>`; any other goes to the data, and the system's becomes
    `System_<name>`. (Event 104 has the cleared log's `Channel`, and rules ask for that one.)
    """
    for name in sorted(system.keys() & data.keys()):
        if name in IDENTITY:
            data[f"EventData_{name}"] = data.pop(name)
        else:
            system[f"System_{name}"] = system[name]
    system.update(data)
    for name in guid_names(tuple(system)):
        system[name] = braced(system[name])


def row(fields: dict[str, Any]) -> Event:
    """The event for columns that are complete."""
    get = fields.get
    channel, provider, host = get("Channel"), get("Provider_Name"), get("Computer")
    return (
        shape(
            channel if type(channel) is str else None,
            provider if type(provider) is str else None,
            str(get("EventID", "")),
        ),
        fields,
        moment(get("TimeCreated")),
        host if type(host) is str and host else None,
    )


def moment(value: Any) -> int | None:
    """A time as Windows writes it, 2024-05-06T07:08:09.1234567Z, in epoch milliseconds UTC."""
    try:
        time = (datetime.fromisoformat(value) - _EPOCH) // _MILLISECOND
    except (TypeError, ValueError):
        return timestamps.parse(value)
    return time if timestamps.EARLIEST <= time < timestamps.LATEST else None


@lru_cache(maxsize=4096)
def shape(channel: str | None, provider: str | None, event_id: str) -> str:
    """The shape of an event: `windows.<channel>.<event id>`, by the provider without a channel."""
    origin = (channel or provider or "")[:_LONGEST].lower()
    origin = origin.removeprefix("microsoft-windows-").removesuffix("/operational")
    number = event_id.strip()
    return ".".join(
        (
            "windows",
            _OTHER.sub("_", origin).strip("_") or "unknown",
            str(int(number)) if number.isascii() and number.isdigit() else "unknown",
        )
    )


def braced(value: Any) -> Any:
    """A GUID as Windows writes it, in braces, which some tools leave out; all else unchanged."""
    if type(value) is str and len(value) == 36 and value[8] == "-" and value.count("-") == 4:
        return f"{{{value}}}"
    return value


@lru_cache(maxsize=4096)
def usual_guids(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Which of these data names hold GUIDs; None when they must go by `data_fields`."""
    if any(name in SYSTEM or name in _UNUSUAL or name[0] in "@#" for name in names):
        return None
    if any(name.startswith("xmlns") for name in names):
        return None
    return guid_names(names)


@lru_cache(maxsize=4096)
def guid_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Which of these columns hold GUIDs."""
    return tuple(
        name
        for name in names
        if name[-4:].lower() == "guid" or name in ("ActivityID", "RelatedActivityID")
    )


def _element(fields: dict[str, Any], name: str, value: Any) -> None:
    """One element of `System`: its text under its name, its attributes under theirs."""
    if not isinstance(value, dict):
        fields[name] = value
        return
    columns = _ATTRIBUTES.get(name, {"Qualifiers": "Qualifiers"})
    attributes = value.get("#attributes", value)
    for key, item in attributes.items() if isinstance(attributes, dict) else ():
        key = key.removeprefix("@")
        if item is not None and key not in ("#text", "Value"):
            fields[columns.get(key, f"{name}_{key}")] = item
    if (text := value.get("#text", value.get("Value"))) is not None:
        fields[name] = text


def user_fields(content: dict[str, Any]) -> dict[str, Any]:
    """The fields of `UserData` in its usual form: plain elements in one; itself in any other."""
    if len(content) != 1:
        return content
    (inner,) = content.values()
    if type(inner) is not dict:
        return content
    if (attributes := inner.get("#attributes")) is not None:
        if not isinstance(attributes, dict) or not all(key[:5] == "xmlns" for key in attributes):
            return content
        inner = {key: value for key, value in inner.items() if key != "#attributes"}
    return inner if _SCALARS.issuperset(map(type, inner.values())) else content


def data_fields(event: Mapping[str, Any]) -> dict[str, Any]:
    """All fields outside `System`: of `EventData`, `UserData`, and whatever else there is."""
    found: dict[str, Any] = {}
    for section, content in event.items():
        if section == "System" or content is None or section[:1] in ("#", "@"):
            continue
        if section == "EventData":
            _event_data(found, content)
        elif section == "EventData_attributes" and isinstance(content, dict):
            _add(found, "EventData_Name", content.get("Name"))
        elif section == "RenderingInfo" and isinstance(content, dict):
            _add(found, "Message", content.get("Message"))
            rest = {name: item for name, item in content.items() if name != "Message"}
            _put(found, "RenderingInfo_", rest)
        elif section == "UserData" and isinstance(content, dict):
            for wrapper in content.values():
                _put(found, "", wrapper)
        else:
            _put(found, "", content if isinstance(content, dict) else {section: content})
    return found


def _event_data(found: dict[str, Any], content: Any) -> None:
    """`EventData` in its many forms: by name, as a list of named or unnamed items, as text."""
    if not isinstance(content, dict):
        content = {"Data": content}
    attributes = content.get("#attributes")
    name = attributes.get("Name") if isinstance(attributes, dict) else content.get("@Name")
    if name is not None:
        found["EventData_Name"] = name
    rest = {key: item for key, item in content.items() if key not in _UNUSUAL and key != "@Name"}
    _put(found, "", rest)
    if (items := content.get("Data")) is not None:
        for item in items if isinstance(items, list) else [items]:
            _item(found, item)


def _item(found: dict[str, Any], item: Any) -> None:
    """One `Data` element: by its name if it has one, otherwise among the others as `Data`."""
    name = None
    if isinstance(item, dict):
        attributes = item.get("#attributes", item)
        if isinstance(attributes, dict):
            name = attributes.get("Name", attributes.get("@Name"))
        item = item.get("#text", item.get("Value", item.get("value")))
    _add(found, str(name or "Data"), item)


def _put(found: dict[str, Any], prefix: str, content: Any, depth: int = 12) -> None:
    """A nested element's fields, dotted below the first level; attributes count as fields."""
    if not isinstance(content, dict):
        _add(found, prefix.rstrip("._") or "Data", content)
        return
    for key, value in content.items():
        if key[:1] in _MARKS:
            if key in ("xmlns", "@xmlns") or key.startswith(("xmlns:", "@xmlns:")):
                continue
            if key == "#attributes" and isinstance(value, dict):
                _put(found, prefix, value, depth)
                continue
            key = "" if key == "#text" else key.removeprefix("@")
        if isinstance(value, dict) and depth > 0:
            _put(found, f"{prefix}{key.removesuffix('_attributes')}.", value, depth - 1)
            continue
        if isinstance(value, list) and depth > 0 and any(isinstance(item, dict) for item in value):
            for item in value:
                _put(found, f"{prefix}{key}.", item, depth - 1)
            continue
        name = prefix + key if key else prefix.rstrip("._") or "Data"
        if name in found:
            _add(found, name, value)
        else:
            found[name] = value


def _add(found: dict[str, Any], name: str, value: Any) -> None:
    """Set a field; when the event repeats its name, collect the values."""
    have = found.get(name)
    if have is None:
        found[name] = value
    elif value is not None:
        if not isinstance(have, list):
            have = found[name] = [have]
        if isinstance(value, list):
            have.extend(value)
        else:
            have.append(value)

"""The usual JSON document of a Windows event, decoded straight into columns: the hot path.

The form is the one of the `evtx` library and its `evtx_dump`: the XML's elements nested by name,
attributes under `#attributes`. Documents in any other form go the general way of `windows_event`.
"""

from typing import Any, Final

import msgspec
import orjson

from labrys.evidence import windows_event


class _Strict(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A part of the usual event; anything unusual in it fails and goes the general way."""


_Number = int | str | None


class _ProviderNames(_Strict):
    Name: str | None = None
    Guid: str | None = None
    EventSourceName: str | None = None


class _Provider(_Strict):
    of: _ProviderNames = msgspec.field(name="#attributes")


class _Qualifier(_Strict):
    Qualifiers: _Number = None


class _QualifiedID(_Strict):
    of: _Qualifier = msgspec.field(name="#attributes")
    text: _Number = msgspec.field(name="#text")


class _SystemTime(_Strict):
    SystemTime: str


class _TimeCreated(_Strict):
    of: _SystemTime = msgspec.field(name="#attributes")


class _Ids(_Strict):
    ProcessID: _Number = None
    ThreadID: _Number = None


class _Execution(_Strict):
    of: _Ids = msgspec.field(name="#attributes")


class _Activities(_Strict):
    ActivityID: str | None = None
    RelatedActivityID: str | None = None


class _Correlation(_Strict):
    of: _Activities = msgspec.field(name="#attributes")


class _User(_Strict):
    UserID: str | None = None


class _Security(_Strict):
    of: _User = msgspec.field(name="#attributes")


class _System(_Strict):
    Provider: _Provider
    EventID: int | str | _QualifiedID
    TimeCreated: _TimeCreated
    Computer: str
    Channel: str | None = None
    Version: _Number = None
    Level: _Number = None
    Task: _Number = None
    Opcode: _Number = None
    Keywords: _Number = None
    EventRecordID: _Number = None
    Correlation: _Correlation | None = None
    Execution: _Execution | None = None
    Security: _Security | None = None


class _Event(_Strict):
    System: _System
    of: dict[str, Any] | None = msgspec.field(name="#attributes", default=None)
    EventData: dict[str, Any] | None = None
    UserData: dict[str, Any] | None = None


class _Document(_Strict):
    Event: _Event


_usual = msgspec.json.Decoder(_Document).decode

FIXED: Final = (
    "Provider_Name",
    "Provider_Guid",
    "EventID",
    "Version",
    "Level",
    "Task",
    "Opcode",
    "Keywords",
    "TimeCreated",
    "EventRecordID",
    "Channel",
    "Computer",
    "ExecutionProcessID",
    "ExecutionThreadID",
    "UserID",
    "ActivityID",
)
"""The columns whose values an event of the usual form has by place."""

Placed = tuple[str, tuple[Any, ...] | None, dict[str, Any], int | None, str | None]
"""Shape, values of `FIXED` (None where all are among the fields), fields, time, host."""


def named(placed: Placed) -> windows_event.Event:
    """The same event with all of its values by name."""
    shape, fixed, fields, time, host = placed
    if fixed is not None:
        given = zip(FIXED, fixed, strict=True)
        fields = {name: value for name, value in given if value is not None} | fields
    return shape, fields, time, host


def from_json(text: str | bytes) -> Placed:
    """The event of a JSON document `{"Event": {"System": ...}}`. Raises ValueError or KeyError."""
    if (made := usual(text)) is not None:
        return made
    tree = orjson.loads(text)["Event"]
    if not isinstance(tree, dict):
        raise ValueError("a Windows event that is not an object")
    shape, fields, time, host = windows_event.from_tree(tree)
    return shape, None, fields, time, host


def usual(text: str | bytes) -> Placed | None:
    """The same for a document of the usual form, None for any other.

    Typed decoding costs half of what walking the tree does.
    """
    try:
        event = _usual(text).Event
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    system, data, fields = event.System, event.EventData, {}
    number, provider = system.EventID, system.Provider.of
    if type(number) is _QualifiedID:
        fields["Qualifiers"] = number.of.Qualifiers
    event_id = number.text if type(number) is _QualifiedID else number
    if provider.EventSourceName is not None:
        fields["Provider_EventSourceName"] = provider.EventSourceName
    execution, security, correlation = system.Execution, system.Security, system.Correlation
    if correlation is not None and correlation.of.RelatedActivityID is not None:
        fields["RelatedActivityID"] = windows_event.braced(correlation.of.RelatedActivityID)
    shape = windows_event.shape(system.Channel, provider.Name, str(event_id))
    created, host = system.TimeCreated.of.SystemTime, system.Computer
    time = windows_event.moment(created)
    fixed = (
        provider.Name,
        provider.Guid and windows_event.braced(provider.Guid),
        event_id,
        system.Version,
        system.Level,
        system.Task,
        system.Opcode,
        system.Keywords,
        created,
        system.EventRecordID,
        system.Channel,
        host,
        execution and execution.of.ProcessID,
        execution and execution.of.ThreadID,
        security and security.of.UserID,
        correlation and windows_event.braced(correlation.of.ActivityID),
    )
    found, user = data or {}, event.UserData
    if user is not None and data is None:
        found = windows_event.user_fields(user)
    guids = windows_event.usual_guids(tuple(found))
    if guids is None or (user is not None and (data is not None or found is user)):
        found = windows_event.data_fields({"EventData": data, "UserData": user})
        guids = windows_event.guid_names(tuple(found))
    if found.keys().isdisjoint(windows_event.SYSTEM):
        for name in guids:
            found[name] = windows_event.braced(found[name])
        return shape, fixed, {**fields, **found} if fields else found, time, host or None
    shape, whole, time, _ = named((shape, fixed, fields, time, None))
    windows_event.merge(whole, found)
    return shape, None, whole, time, host or None

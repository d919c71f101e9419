"""The usual JSON document of a Windows event, decoded straight into columns: the hot path.

The form is the one of the `evtx` library and its `evtx_dump`: the XML's elements nested by name,
attributes under `#attributes`. Documents in any other form go the general way of `windows_event`.
"""

from typing import Any

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


def from_json(text: str | bytes) -> windows_event.Event:
    """The event of a JSON document `{"Event": {"System": ...}}`. Raises ValueError or KeyError."""
    if (made := usual(text)) is not None:
        return made
    tree = orjson.loads(text)["Event"]
    if not isinstance(tree, dict):
        raise ValueError("a Windows event that is not an object")
    return windows_event.from_tree(tree)


def usual(text: str | bytes) -> windows_event.Event | None:
    """The same for a document of the usual form, None for any other.

    Typed decoding costs half of what walking the tree does.
    """
    try:
        event = _usual(text).Event
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    system = event.System
    provider, guid = system.Provider.of, system.Provider.of.Guid
    fields: dict[str, Any] = {
        "Provider_Name": provider.Name,
        "Provider_Guid": guid if guid is None else windows_event.braced(guid),
        "EventID": system.EventID,
        "Version": system.Version,
        "Level": system.Level,
        "Task": system.Task,
        "Opcode": system.Opcode,
        "Keywords": system.Keywords,
        "TimeCreated": system.TimeCreated.of.SystemTime,
        "EventRecordID": system.EventRecordID,
        "Channel": system.Channel,
        "Computer": system.Computer,
    }
    if provider.EventSourceName is not None:
        fields["Provider_EventSourceName"] = provider.EventSourceName
    if type(system.EventID) is _QualifiedID:
        fields["EventID"] = system.EventID.text
        fields["Qualifiers"] = system.EventID.of.Qualifiers
    if (execution := system.Execution) is not None:
        fields["ExecutionProcessID"] = execution.of.ProcessID
        fields["ExecutionThreadID"] = execution.of.ThreadID
    if (security := system.Security) is not None:
        fields["UserID"] = security.of.UserID
    if (correlation := system.Correlation) is not None:
        fields["ActivityID"] = windows_event.braced(correlation.of.ActivityID)
        if correlation.of.RelatedActivityID is not None:
            fields["RelatedActivityID"] = windows_event.braced(correlation.of.RelatedActivityID)
    made = (
        windows_event.shape(system.Channel, provider.Name, str(fields["EventID"])),
        fields,
        windows_event.moment(fields["TimeCreated"]),
        system.Computer or None,
    )
    data = event.EventData
    if event.UserData is None:
        if data is None:
            return made
        if (guids := windows_event.usual_guids(tuple(data))) is not None:
            fields.update(data)
            for name in guids:
                fields[name] = windows_event.braced(fields[name])
            return made
    found = windows_event.data_fields({"EventData": data, "UserData": event.UserData})
    windows_event.merge(fields, found)
    return made

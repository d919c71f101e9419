"""Tells which tool wrote a Windows event as JSON, and gives back the event it was."""

import re
import tomllib
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

import orjson

from labrys.evidence import timestamps, windows_event
from labrys.evidence.values import flatten
from labrys.evidence.windows_event import Event

Document = dict[str, Any]
Reader = Callable[[Document], Event]

_LEVELS: Final = {
    "critical": 1,
    "error": 2,
    "warning": 3,
    "information": 4,
    "informational": 4,
    "info": 4,
    "verbose": 5,
}
_AUDIT: Final = {"audit failure": "0x8010000000000000", "audit success": "0x8020000000000000"}
# Logs that take events of classic sources, whose text parameters have no names: a rule asks for
# them as `Data`, and where a tool left them out the rendered message still has them.
_CLASSIC: Final = frozenset(["Application", "System", "Windows PowerShell"])
# What a flat record may have twice, from System and from the data. (Keywords are several as such.)
_SHARED: Final = sorted(windows_event.SYSTEM - {"Keywords"})
_VERDICTS: Final = frozenset(["RuleTitle", "RuleFile", "RuleAuthor"])
_PARAMETER: Final = re.compile(r"param\d{1,3}")
_WRAPPERS: Final = ("_source", "result", "document", "data")
_WRAPPED: Final = 3
_ZONED: Final = re.compile(r"(?:[zZ]|[+-]\d\d:?\d\d)$|Date\(")


def event(document: Document) -> Event | None:
    """The Windows event a JSON object is, in whatever dialect; None when it is none.

    `document` is used up either way.
    """
    around: Document = {}
    if (reader := dialect(document)) is None:
        document, around = _unwrapped(document)
        if (reader := dialect(document)) is None:
            return None
    try:
        made = reader(document)
    except (ValueError, TypeError, AttributeError):
        return None
    return _with_rest(made, around) if around else made


def is_event(document: Document) -> bool:
    """Whether a JSON object is a Windows event."""
    return dialect(_unwrapped(document)[0]) is not None


def dialect(document: Document) -> Reader | None:
    """What reads an object of this form; None when it is no Windows event."""
    return next((reader for is_it, reader in _DIALECTS if is_it(document)), None)


def _is_document(document: Document) -> bool:
    tree = document.get("Event")
    return isinstance(tree, dict) and isinstance(tree.get("System"), dict)


def _is_bare_tree(document: Document) -> bool:
    return isinstance(document.get("System"), dict) and "EventID" in document["System"]


def _is_winlogbeat(document: Document) -> bool:
    return "winlog" in document or ("event_data" in document and "log_name" in document)


def _is_get_winevent(document: Document) -> bool:
    return "ProviderName" in document and "LogName" in document and "Id" in document


def _is_evtxecmd(document: Document) -> bool:
    return "EventId" in document and "Channel" in document and "ChunkNumber" in document


def _is_flat(document: Document) -> bool:
    return _flat_names(tuple(document))


@lru_cache(maxsize=4096)
def _flat_names(names: tuple[str, ...]) -> bool:
    """Whether a flat record has an event id and a channel or provider, whatever it calls them.

    What a detector says of an event (Hayabusa's timeline) names both, and is not the event.
    """
    if not _VERDICTS.isdisjoint(names):
        return False
    table = _names("flat")
    has = {
        column for column in table if column in names or not set(names).isdisjoint(table[column])
    }
    return "EventID" in has and ("Channel" in has or "Provider_Name" in has)


def _is_wazuh(document: Document) -> bool:
    return _wazuh_prefix(document) is not None


def _is_dotted_tree(document: Document) -> bool:
    return any(name.startswith("Event.System.") for name in document)


def _is_dotted_winlogbeat(document: Document) -> bool:
    return any(name.startswith("winlog.") for name in document)


@cache
def _names(which: str) -> dict[str, tuple[str, ...]]:
    table = tomllib.loads(files(__package__).joinpath("names.toml").read_text("utf-8"))
    return {column: tuple(names) for column, names in table[which].items()}


@cache
def _properties() -> dict[tuple[str, str, int], tuple[str, ...]]:
    """The names of positional values by provider, event id and how many they are."""
    table = tomllib.loads(files(__package__).joinpath("properties.toml").read_text("utf-8"))
    return {
        (provider, number, len(names.split())): tuple(names.split())
        for provider, events in table.items()
        for number, lists in events.items()
        for names in lists
    }


def _unwrapped(document: Document) -> tuple[Document, Document]:
    """The object inside what search engines and detectors wrap it in, and what is around it."""
    around: Document = {}
    for _ in range(_WRAPPED):
        if dialect(document) is not None:
            break
        name = next((n for n in _WRAPPERS if isinstance(document.get(n), dict)), None)
        if name is None:
            break
        around.update((key, value) for key, value in document.items() if key != name)
        document = document[name]
    return document, around


def _from_document(document: Document) -> Event:
    rest = {name: value for name, value in document.items() if name != "Event"}
    return _with_rest(windows_event.from_tree(document["Event"]), rest)


def _with_rest(made: Event, rest: Document) -> Event:
    """The event with whatever else its record had, under its own names."""
    fields = made[1]
    for name, value in flatten(rest).items():
        if "xmlns" not in name:
            fields[name if name not in fields else f"record.{name}"] = value
    return made


def _from_dotted_tree(document: Document) -> Event:
    """`Event.System.EventID` and the like, as tools write that flatten the XML's tree."""
    tree: Document = {}
    rest: Document = {}
    for path, value in flatten(document).items():
        # a field's own name may have dots
        first, *parts = path.split(".", 2 if path.startswith("Event.EventData.") else -1)
        if first != "Event" or not parts:
            rest[path] = value
            continue
        here = tree
        for part in parts[:-1]:
            inner = here.setdefault(part, {})
            here = inner if isinstance(inner, dict) else here
        here[parts[-1]] = value
    return _with_rest(windows_event.from_tree(tree), rest)


def _from_winlogbeat(document: Document) -> Event:
    """Winlogbeat and Elastic Agent: `winlog.*`, or at top level in versions before 7."""
    data: Document = {}
    rest: Document = {}
    for name, value in flatten(document).items():
        section, _, field = name.removeprefix("winlog.").partition(".")
        if section not in ("event_data", "user_data") or not field:
            rest[name] = value
        elif field != "xml_name":
            data[field] = value
    system = _taken(rest, _names("winlogbeat"))
    level = rest.get("log.level", rest.get("level"))
    if isinstance(level, str) and level.lower() in _LEVELS:
        system["Level"] = _LEVELS[level.lower()]
    for word in _list(rest.get("winlog.keywords", rest.get("keywords"))):
        if str(word).lower() in _AUDIT:
            system["Keywords"] = _AUDIT[str(word).lower()]
    if data and "Data" not in data and all(map(_PARAMETER.fullmatch, data)):
        data["Data"] = list(data.values())
    return _timed(windows_event.from_columns(system, data), rest, ("@timestamp",))


def _wazuh_prefix(document: Document) -> str | None:
    """Under which name a Wazuh record keeps the event."""
    for prefix, holder in (("data.win.", document.get("data")), ("win.", document)):
        if isinstance(holder, dict) and isinstance(holder.get("win"), dict):
            return prefix
        if f"{prefix}system.eventID" in document:
            return prefix
    return None


def _from_wazuh(document: Document) -> Event:
    """Wazuh: `win.system` and `win.eventdata`, each field's first letter in lower case."""
    prefix = _wazuh_prefix(document) or ""
    source: Document = {}
    data: Document = {}
    rest: Document = {}
    for name, value in flatten(document).items():
        section, _, field = name.removeprefix(prefix).partition(".")
        if not name.startswith(prefix) or not field:
            rest[name] = value
        elif section == "system":
            source[field] = value
        else:  # `eventdata`, or what the event calls its UserData
            named = field if _PARAMETER.fullmatch(field) else field[0].upper() + field[1:]
            data[named] = value
    system = _taken(source, _names("wazuh"))
    rest.update({f"{prefix}system.{name}": value for name, value in source.items()})
    return _timed(windows_event.from_columns(system, data), rest, ("timestamp", "@timestamp"))


def _from_get_winevent(document: Document) -> Event:
    """PowerShell's `Get-WinEvent | ConvertTo-Json`: the fields have positions, not names."""
    values = [_property(item) for item in _list(document.pop("Properties", None))]
    rest = {name: _property(value) for name, value in document.items()}
    system = _taken(rest, _names("get_winevent"))
    for name in ("Version", "Level", "Task", "Opcode", "Qualifiers", "Message", "TimeCreated"):
        if (value := rest.pop(name, None)) is not None:
            system[name] = value
    _hexadecimal(system, rest.pop("Keywords", None))
    provider = str(system.get("Provider_Name", "")).lower()
    names = _properties().get((provider, str(system.get("EventID")), len(values)))
    data = dict(zip(names, values, strict=True)) if names else {"Data": values} if values else {}
    return _timed(windows_event.from_columns(system, data), rest, ())


def _property(value: Any) -> Any:
    """The value in what .NET objects look like in JSON."""
    while isinstance(value, dict) and ("Value" in value or "value" in value):
        value = value.get("Value", value.get("value"))
    return value


def _from_evtxecmd(document: Document) -> Event:
    """EvtxECmd, JSON or CSV: the data is JSON in `Payload`, and `PayloadData1` its summary."""
    payload = document.pop("Payload", None)
    system = _taken(document, _names("evtxecmd"))
    if isinstance(level := system.get("Level"), str):
        system["Level"] = _LEVELS.get(level.lower(), 0 if level == "LogAlways" else level)
    for word in str(document.pop("Keywords", "")).split(","):
        if word.strip().lower() in _AUDIT:
            system["Keywords"] = _AUDIT[word.strip().lower()]
    try:
        tree = orjson.loads(payload) if isinstance(payload, str) else payload
    except orjson.JSONDecodeError:
        tree = None
    data = windows_event.data_fields(tree) if isinstance(tree, dict) else {"Data": payload}
    return _with_rest(windows_event.from_columns(system, data), document)


def _from_flat(document: Document) -> Event:
    """Everything on one level: NXLog, the Security-Datasets, Splunk, Log Analytics, Zircolite."""
    fields = flatten(document) if dict in map(type, document.values()) else document
    renames, times = _flat_plan(tuple(fields))
    for name, column in renames:
        if (value := fields[name]) is not None:
            del fields[name]
            fields[column] = value
    data = _flat_data(fields)
    _hexadecimal(fields, fields.get("Keywords"))
    level = fields.get("Level")
    if isinstance(level, str) and level.lower() in _LEVELS:
        fields.setdefault("LevelDisplayName", level)
        fields["Level"] = _LEVELS[level.lower()]
    if fields.get("Channel") in _CLASSIC and "Data" not in fields and "Provider_Guid" not in fields:
        fields["Data"] = fields.get("Message")
    time = _flat_time(fields, times)
    shape, _, _, host = windows_event.row(fields)
    if data:
        windows_event.merge(fields, data)
    return shape, fields, time, host


def _flat_data(fields: Document) -> Document:
    """Take out the data's values that share a name with the system's, whose value comes first."""
    data: Document = {}
    for name in _SHARED if list in map(type, fields.values()) else ():
        if type(values := fields.get(name)) is list and values:
            fields[name], *rest = values
            if rest:
                data[name] = rest[0] if len(rest) == 1 else rest
    # Where the system's channel has another name, `Channel` is the log that was cleared.
    if fields.get("Provider_Name") == "Microsoft-Windows-Eventlog" and "Channel" in fields:
        for name in _names("flat")["Channel"]:
            if type(fields.get(name)) is str and "Channel" not in data:
                data["Channel"], fields["Channel"] = fields["Channel"], fields.pop(name)
    return data


@lru_cache(maxsize=4096)
def _flat_plan(names: tuple[str, ...]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """What to call the columns of a flat record, and which of them (called so) tell its time."""
    renames: dict[str, str] = {}
    for column, candidates in _names("flat").items():
        if column not in names and (found := [name for name in candidates if name in names]):
            renames[found[0]] = column
    forwarded = "SourceModuleName" in names or "SeverityValue" in names
    if forwarded and "ThreadID" in names and "ExecutionThreadID" not in names:
        renames["ThreadID"] = "ExecutionThreadID"
    called = [renames.get(name, name) for name in names]
    times = tuple(name for name in _names("flat_times")["names"] if name in called)
    return tuple(renames.items()), times


def _flat_time(fields: Document, names: tuple[str, ...]) -> int | None:
    """When it happened: a time with its zone before one without, which may be local."""
    values = [fields.get(name) for name in names]
    if values and not _ZONED.search(str(values[0])):
        values.sort(key=lambda value: not _ZONED.search(str(value)))
    return next((time for value in values if (time := timestamps.parse(value)) is not None), None)


def _taken(fields: Document, names: dict[str, tuple[str, ...]]) -> Document:
    """Take the system's columns out of a record that calls them otherwise."""
    system: Document = {}
    for column, candidates in names.items():
        if column in fields:
            system[column] = fields.pop(column)
            continue
        for name in candidates:
            if fields.get(name) is not None:
                system[column] = fields.pop(name)
                break
    return system


def _timed(made: Event, rest: Document, names: tuple[str, ...]) -> Event:
    """The event with the rest of its record, and its time from there when it had none itself."""
    shape, fields, time, host = _with_rest(made, rest)
    for name in names:
        if time is None:
            time = timestamps.parse(rest.get(name))
    return shape, fields, time, host


def _hexadecimal(system: Document, keywords: Any) -> None:
    """`Keywords` as Windows writes them; some tools give them as a signed number."""
    if isinstance(keywords, str) and keywords.removeprefix("-").isdecimal() and len(keywords) <= 20:
        keywords = int(keywords)
    if isinstance(keywords, int) and not isinstance(keywords, bool):
        keywords = f"{keywords & 0xFFFF_FFFF_FFFF_FFFF:#x}"
    if keywords is not None:
        system["Keywords"] = keywords


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


# The quick tests first.
_DIALECTS: Final[tuple[tuple[Callable[[Document], bool], Reader], ...]] = (
    (_is_document, _from_document),
    (_is_bare_tree, windows_event.from_tree),
    (_is_winlogbeat, _from_winlogbeat),
    (_is_get_winevent, _from_get_winevent),
    (_is_evtxecmd, _from_evtxecmd),
    (_is_flat, _from_flat),
    (_is_wazuh, _from_wazuh),
    (_is_dotted_tree, _from_dotted_tree),
    (_is_dotted_winlogbeat, _from_winlogbeat),
)

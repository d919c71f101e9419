"""Turns one journal entry into a row: the journal's own fields, and what its message tells.

Field names: https://www.freedesktop.org/software/systemd/man/systemd.journal-fields.html
"""

from typing import Any, Final, NamedTuple

from labrys.evidence import program_message, timestamps
from labrys.evidence.auditd import record as audit
from labrys.evidence.auditd.names import type_name
from labrys.evidence.syslog.header import FACILITIES, SEVERITIES

Fields = dict[str, Any]
_TIMES: Final = ("__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP")


class Row(NamedTuple):
    """An entry as a row of a shape."""

    shape: str
    fields: Fields
    time: int | None
    host: str | None


def row(entry: Fields) -> Row:
    """The row of an entry whose values are text, lists of text, or null."""
    message, program = _one(entry, "MESSAGE"), _program(entry)
    shape, said = program_message.parse(program, message or "")
    fields: Fields = {
        "message": message,
        "program": program,
        "pid": _one(entry, "_PID") or _one(entry, "SYSLOG_PID"),
        **_priority(entry),
        **said,
        **entry,
    }
    time, host = _time(entry), _one(entry, "_HOSTNAME")
    if shape.startswith("linux.sysmon."):
        time = timestamps.parse(said.get("TimeCreated")) or time
        computer = said.get("Computer")
        host = computer if isinstance(computer, str) else host
    return Row(shape, fields, time, host)


def audit_record(entry: Fields) -> audit.Record | None:
    """The record of the audit system that an entry carries; None when it carries none."""
    number, serial = _one(entry, "_AUDIT_TYPE"), _one(entry, "_AUDIT_ID")
    kind = _one(entry, "_AUDIT_TYPE_NAME") or number
    if kind is None or serial is None or _one(entry, "_TRANSPORT") != "audit":
        return None
    kind = type_name(kind.removeprefix("AUDIT_"))
    text = _one(entry, "MESSAGE") or ""
    word, _, rest = text.partition(" ")
    if word in (kind, f"<audit-{number}>", f"AUDIT{number}"):
        text = rest
    if len(text) > audit.LONGEST:
        return None
    fields, arguments = audit.body(kind, text)
    more = {
        "message": _one(entry, "MESSAGE"),
        "program": _program(entry) or "audit",
        **entry,
    }
    for name, value in more.items():
        if value is not None:
            fields.setdefault(name, value)
    stamp = _one(entry, "_SOURCE_REALTIME_TIMESTAMP") or ""
    return audit.Record(
        *(_one(entry, "_HOSTNAME"), kind, _time(entry), stamp, serial, fields, arguments)
    )


def _one(entry: Fields, name: str) -> str | None:
    value = entry.get(name)
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, str)), None)
    return value if isinstance(value, str) else None


def _program(entry: Fields) -> str | None:
    return _one(entry, "SYSLOG_IDENTIFIER") or _one(entry, "_COMM")


def _time(entry: Fields) -> int | None:
    """When the journal took the entry in, in epoch milliseconds."""
    for name in _TIMES:
        text = _one(entry, name)
        if text and len(text) < 20 and text.isdecimal():
            return int(text) // 1000
    return None


def _priority(entry: Fields) -> Fields:
    found: Fields = {}
    for ours, theirs, names in (
        ("facility", "SYSLOG_FACILITY", FACILITIES),
        ("severity", "PRIORITY", SEVERITIES),
    ):
        text = _one(entry, theirs)
        if text and len(text) < 3 and text.isdecimal() and int(text) < len(names):
            found[ours] = names[int(text)]
    return found

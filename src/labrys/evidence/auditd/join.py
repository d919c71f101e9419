"""Joins the records of one audit event (same node, time and serial number) into one row."""

import re
from collections import deque
from dataclasses import dataclass, field
from posixpath import normpath
from typing import Final

from labrys.evidence.auditd.names import ENDS
from labrys.evidence.auditd.record import Fields, Record, add_value

WINDOW: Final = 128
"""How many later events may begin before an event without an end mark counts as complete."""
MOST_RECORDS: Final = 1000
"""A larger event is handed out in parts: no event has that many, and memory is bounded."""
ARGUMENTS: Final = 32
"""How many arguments of an execve get a column each; `CommandLine` holds them all."""
_MOST_BYTES: Final = 64 << 20

_LOGIN: Final = (("login_uid", "auid"), ("login_user", "AUID"), ("login_session", "ses"))
_UNSET: Final = ("4294967295", "-1", "unset")

_Key = tuple[str | None, str, str]


@dataclass(slots=True)
class Event:
    """The records of one event, joined: where the first began, and every field of them all."""

    offset: int
    time: int | None
    node: str | None
    types: list[str] = field(default_factory=list)
    fields: Fields = field(default_factory=dict)
    arguments: dict[int, str] = field(default_factory=dict)
    path: str | None = None
    size: int = 0

    def row(self) -> Fields:
        """The event's columns: a field has several values where its records differ in it.

        `type` names every record in order, repeated as they repeat; a field of PATH records keeps
        one value for each of them. `CommandLine` is an execve's arguments, with spaces between;
        `target_path` the path that the call was about, made absolute where its directory is known;
        `login_uid`, `login_user`, `login_session` are `auid`, `AUID` and `ses` where they are set.
        """
        row: Fields = {"type": self.types[0] if len(self.types) == 1 else self.types}
        for name, values in self.fields.items():
            row[name if name != "type" else "body.type"] = values
        for column, name in _LOGIN:
            value = self.fields.get(name)
            if isinstance(value, str) and value not in _UNSET:
                row[column] = value
        if (target := self._target()) is not None:
            row["target_path"] = target
        if self.arguments:
            numbers = sorted(self.arguments)
            for number in numbers:
                if number < ARGUMENTS:
                    add_value(row, f"a{number}", self.arguments[number])
            row["CommandLine"] = " ".join(self.arguments[number] for number in numbers)
        return row

    def _target(self) -> str | None:
        if self.path is None or self.path.startswith("/"):
            return self.path
        cwd = self.fields.get("cwd")
        if not isinstance(cwd, str) or not cwd.startswith("/"):
            return self.path
        return normpath(f"{cwd}/{self.path}")

    def take(self, record: Record, size: int) -> None:
        """Add one more record's fields."""
        self.size += size
        parallel = record.type == "PATH" and "PATH" in self.types
        self.types.append(record.type)
        name = record.fields.get("name")
        if record.type == "PATH" and isinstance(name, str) and name:
            minor = record.fields.get("nametype") in ("PARENT", "NORMAL")
            self.path = name if self.path is None or not minor else self.path
        if not self.fields:
            self.fields = record.fields
        elif parallel:
            self._take_path(record.fields)
        else:
            for name, value in record.fields.items():
                add_value(self.fields, name, value)
        if record.arguments:
            self.arguments.update(record.arguments)

    def _take_path(self, fields: Fields) -> None:
        for name, value in fields.items():
            have = self.fields.get(name)
            if have is None:
                self.fields[name] = value
            else:
                if not isinstance(have, list):
                    have = self.fields[name] = [have]
                have.extend(value if isinstance(value, list) else [value])


class Joiner:
    """Gathers records until their events are complete; events may interleave.

    Events come out in the order in which they began.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._queue: deque[tuple[_Key, Event]] = deque()
        self._open: dict[_Key, Event] = {}

    def add(self, record: Record, offset: int, size: int = 400) -> list[Event]:
        """Take a record in; the events that are complete now."""
        key = (record.node, record.stamp, record.serial)
        event = self._open.get(key)
        if event is None:
            event = self._open[key] = Event(offset, record.time, record.node)
            self._queue.append((key, event))
        event.take(record, size)
        if (
            record.type in ENDS
            or len(event.types) >= MOST_RECORDS
            or event.size >= _MOST_BYTES // self._window
        ):
            del self._open[key]
        done: list[Event] = []
        while self._queue:
            key, event = self._queue[0]
            if self._open.get(key) is event:
                if len(self._queue) <= self._window:
                    break
                del self._open[key]
            done.append(self._queue.popleft()[1])
        return done

    def rest(self) -> list[Event]:
        """Every event still open, at the end of the source."""
        events = [event for _, event in self._queue]
        self._queue.clear()
        self._open.clear()
        return events


_SERIAL: Final = re.compile(
    rb"(?:type=)?(?P<type>\w{0,40}) ?(?:msg=)?(?P<event>audit\([\d.]{1,40}:\d{1,20}\))"
)
_FURTHEST: Final = 64 << 10


def whole_events(data: bytes) -> int:
    """How many of the bytes of a log with audit records hold whole events.

    The records of one event follow each other closely: those of the event that the last line
    belongs to are left out, unless that line is one after which none follows.
    """
    end = data.rfind(b"\n") + 1
    last = data.rfind(b"\n", 0, max(0, end - 1)) + 1
    found = _SERIAL.search(data, last, end)
    if found is None or found["type"].decode() in ENDS:
        return end
    first = data.find(found["event"], max(0, end - _FURTHEST))
    return data.rfind(b"\n", 0, first) + 1

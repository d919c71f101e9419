"""Reads syslog files: RFC 3164, RFC 5424, rsyslog's ISO dates, printed journals (journalctl)."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from labrys.evidence import program_message, timestamps, unix_message
from labrys.evidence.appliance import message as appliance
from labrys.evidence.auditd import record as audit
from labrys.evidence.auditd.join import Event, Joiner, whole_events
from labrys.evidence.records import Records, Shaped, Source
from labrys.evidence.syslog.header import Header, parse
from labrys.evidence.syslog.plain import plain
from labrys.evidence.syslog.years import Years, find_years
from labrys.evidence.text_lines import decode, lines
from labrys.evidence.web_access import common as web
from labrys.evidence.web_access import proxy

_AUDIT_PROGRAMS: Final = frozenset(
    ["audispd", "audisp-syslog", "audit", "auditd", "kernel", "sedispatch"]
)
_WEB_PROGRAMS: Final = frozenset(
    ["nginx", "httpd", "apache", "apache2", "lighttpd", "h2o", "haproxy", "squid", "(squid-1)"]
)
_UPTIME: Final = re.compile(r"\[\s{0,8}\d{1,12}\.\d{1,9}\] ", re.ASCII)
_AUDIT_TYPED: Final = re.compile(r"([A-Z][A-Z_0-9]{2,30}) (?=[\w-]{1,30}=)", re.ASCII)
_REPEATED: Final = re.compile(r"(?:--- )?last message repeated (\d{1,9}) times?(?: ---)?")
_ZONED: Final = re.compile(r"Z|[+-]\d\d:?\d\d", re.ASCII)
_LEVELS: Final = frozenset(
    level
    for line in (
        "trace debug info notice warn warning error fatal critical crit err severe stdout stderr",
        "[trace] [debug] [info] [notice] [warn] [warning] [error] [fatal] [critical]",
    )
    for level in line.split()
)
Fields = dict[str, Any]


def sniff(head: bytes, name: str) -> float:
    """Sure when nearly all of the first lines have a syslog head, likely when half of them do.

    Messages of many lines, which some programs write, leave the others without one.
    """
    text = [decode(plain(raw)) for _, raw, _ in lines(io.BytesIO(head))]
    if len(text) > 1 and not head.endswith(b"\n"):
        text.pop()
    looked_at = [
        line.lstrip("\0") for line in text if line.strip("\0 \t") and not line.startswith(_MARKS)
    ][:40]
    matching = sum(map(_is_syslog, looked_at))
    if not matching or matching * 2 < len(looked_at):
        return 0.0
    return 0.9 if matching * 5 >= len(looked_at) * 4 else 0.5


_MARKS: Final = ("-- ", " ", "\t")


def _is_syslog(line: str) -> bool:
    """Whether a line is syslog beyond doubt: other programs write ISO dates, too."""
    header = parse(line)
    if header is None:
        return False
    if line[:1] == "<" or not header.has_year:
        return True
    if header.program is None or (header.host or "").lower().strip(":") in _LEVELS:
        return False
    return line[10:11] == "T" or header.pid is not None or not line[:1].isdigit()


def read(source: Source) -> Iterator[Shaped]:
    """One row for each line, an audit event's records joined; what has no head is unparsed.

    An indented line, as `journalctl` prints the rest of a long message, is a row of its own with
    the head of the line before it. `last message repeated N times` takes the fields of the line
    before it, and `repeat` = N.
    """
    with source.open() as stream:
        years = find_years(stream, source.name, source.modified)
    reader = _Reader(Records(source), years)
    with source.open() as stream:
        for offset, raw, cut in lines(stream):
            reader.line(offset, raw, cut)
            if reader.records.full:
                yield from reader.records.drain()
    reader.end()
    yield from reader.records.drain()


class _Reader:
    """What reading one file remembers from line to line."""

    def __init__(self, records: Records, years: Years) -> None:
        self.records = records
        self._years = years
        self._joiner = Joiner()
        self._last: tuple[Header, int | None, str, Fields] | None = None

    def line(self, offset: int, raw: bytes, cut: bool) -> None:
        """Read one line."""
        text = decode(plain(raw))
        if text[:1] == "\0":  # what a crash leaves of a block that was never written
            text = text.lstrip("\0")
        header = parse(text)
        if header is None:
            bare = Header(None, True, None, None, None, text)
            # Lines of the audit log among those of syslog, as when both go into one file.
            said = text.startswith("type=") and self._audit(bare, None, offset, len(raw))
            if not said and not self._appliance(bare, None, offset, len(raw)):
                self._headless(offset, raw, text)
            return
        stamp, message = header.timestamp, header.message
        if stamp is None:
            time = None
        else:
            time = timestamps.parse(stamp) if header.has_year else self._years.time(stamp, offset)
        if header.program in _AUDIT_PROGRAMS and self._audit(header, time, offset, len(raw)):
            return
        if self._appliance(header, time, offset, len(raw)):
            return
        shape, fields = program_message.parse(header.program, message)
        asked = header.program in _WEB_PROGRAMS
        if asked and (request := web.parse(message) or proxy.parse(message)):
            shape, fields = "web.access", {**request[0], "request_time": request[0]["timestamp"]}
            del fields["timestamp"]
            time = request[1] if request[1] is not None else time
        if header.program is None and self._last and (again := _REPEATED.fullmatch(message)):
            shape, fields, header = self._again(header, again[1], shape)
        self._last = (header, time, shape, fields)
        if cut:
            fields = fields | {"cut": "true"}
        self._add(header, time, shape, fields, (offset, len(raw)))

    def _appliance(self, header: Header, time: int | None, offset: int, size: int) -> bool:
        """Take in the message of a firewall or its like; False when it is none."""
        if header.timestamp is None and header.program is None:
            event = appliance.bare(header.message)
        else:
            event = appliance.parse(header.program, header.message)
        if event is None:
            return False
        if event.time is not None and (
            event.exact or not _ZONED.search(header.timestamp or "", 10)
        ):
            time = event.time
        self._last = (header, time, event.shape, event.fields)
        self._add(header, time, event.shape, event.fields, (offset, size), event.host)
        return True

    def _add(
        self,
        header: Header,
        time: int | None,
        shape: str,
        fields: Fields,
        at: tuple[int, int],
        host: str | None = None,
    ) -> None:
        row: Any = {
            "timestamp": header.timestamp,
            "host": header.host,
            "program": header.program,
            "pid": header.pid,
            "message": header.message,
            **fields,
        }
        if header.facility:
            row.setdefault("facility", header.facility)
            row.setdefault("severity", header.severity)
        if header.extra:
            row = header.extra | row
        host = host or header.host
        if shape.startswith("linux.sysmon."):
            time = timestamps.parse(fields.get("TimeCreated")) or time
            host = fields.get("Computer") or host
        self.records.add(shape, row, time=time, offset=at[0], host=host, size=at[1] + 200)

    def _headless(self, offset: int, raw: bytes, text: str) -> None:
        if not text.strip("\0 \t\r"):
            return
        if text.startswith(("-- ", "--- ")):
            header = Header(None, True, None, None, None, text)
            self._add(header, None, unix_message.OTHER, {}, (offset, len(raw)))
        elif self._last and text[0] in " \t":
            header, time, _, _ = self._last
            header = header._replace(message=text, extra=None)
            self._add(header, time, unix_message.OTHER, {"continued": "true"}, (offset, len(raw)))
        else:
            self.records.unparsed(offset, "no syslog head", raw)

    def _again(self, header: Header, times: str, shape: str) -> tuple[str, Fields, Header]:
        if self._last is None or self._last[0].host != header.host:
            return shape, {}, header
        said, _, shape, fields = self._last
        header = header._replace(program=said.program, pid=said.pid)
        return shape, fields | {"repeat": times}, header

    def _audit(self, header: Header, time: int | None, offset: int, size: int) -> bool:
        """Take in a record of the audit system; False when the message is none."""
        message = header.message
        if uptime := _UPTIME.match(message):
            message = message[uptime.end() :]
        place: Fields = {
            "timestamp": header.timestamp,
            "host": header.host,
            "program": header.program,
            "message": header.message,
        }
        place = {name: value for name, value in place.items() if value is not None}
        if "audit(" in message[:160] and (found := audit.parse(message)):
            found = replace(found, node=found.node or header.host)
            found.fields.update({**place, **found.fields})
            for event in self._joiner.add(found, offset, size + 200):
                self._add_event(event)
            return True
        typed = _AUDIT_TYPED.match(message) if header.program == "audit" else None
        if typed is None:
            return False
        fields, arguments = audit.body(typed[1], message[typed.end() :])
        event = Event(offset, time, header.host, [typed[1]], {**place, **fields}, arguments)
        self._add_event(event)
        return True

    def _add_event(self, event: Event) -> None:
        self.records.add(
            "linux.auditd",
            event.row(),
            time=event.time,
            offset=event.offset,
            host=event.node,
            size=event.size,
        )

    def end(self) -> None:
        """Hand out the audit events that are still open."""
        for event in self._joiner.rest():
            self._add_event(event)


def whole(data: bytes) -> int:
    """How many of the bytes are whole lines, and whole audit events where there are any."""
    return whole_events(data)

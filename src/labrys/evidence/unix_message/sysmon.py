"""Reads the events that Sysmon for Linux writes to syslog: one Windows event XML a message."""

import html
import re
from itertools import islice
from typing import Final

from labrys.evidence.unix_message.address import Parsed

_SYSTEM: Final = tuple(
    (name, re.compile(form))
    for name, form in (
        ("Provider_Name", r"<Provider [^>]*?Name=\"([^\"]*)\""),
        ("Provider_Guid", r"<Provider [^>]*?Guid=\"([^\"]*)\""),
        ("EventID", r"<EventID>(\d{1,5})</EventID>"),
        ("Version", r"<Version>([^<]*)</Version>"),
        ("Level", r"<Level>([^<]*)</Level>"),
        ("Task", r"<Task>([^<]*)</Task>"),
        ("Opcode", r"<Opcode>([^<]*)</Opcode>"),
        ("Keywords", r"<Keywords>([^<]*)</Keywords>"),
        ("TimeCreated", r"<TimeCreated SystemTime=\"([^\"]*)\""),
        ("EventRecordID", r"<EventRecordID>([^<]*)</EventRecordID>"),
        ("ExecutionProcessID", r"<Execution [^>]*?ProcessID=\"([^\"]*)\""),
        ("ExecutionThreadID", r"<Execution [^>]*?ThreadID=\"([^\"]*)\""),
        ("Channel", r"<Channel>([^<]*)</Channel>"),
        ("Computer", r"<Computer>([^<]*)</Computer>"),
        ("UserID", r"<Security [^>]*?UserId=\"([^\"]*)\""),
    )
)
_DATA: Final = re.compile(r"<Data Name=\"(\w{1,64})\"(?:/>|>([^<]*)</Data>)", re.ASCII)
_MOST: Final = 64


def parse(message: str) -> Parsed:
    """The event's System and EventData fields under Sysmon's own names; none when it is no event.

    Read by pattern and not by an XML parser: the layout is fixed and entities need no expansion.
    """
    if not message.startswith("<Event"):
        return {}
    system, separator, data = message.partition("</System>")
    if not separator:
        return {}
    fields: Parsed = {}
    for name, form in _SYSTEM:
        if found := form.search(system[:4096]):
            fields[name] = html.unescape(found[1])
    if "EventID" not in fields:
        return {}
    for found in islice(_DATA.finditer(data), _MOST):
        fields.setdefault(found[1], html.unescape(found[2] or ""))
    return fields

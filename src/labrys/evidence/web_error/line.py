"""Takes a line of an error log of nginx or Apache apart, by the names its access log has."""

import re
from typing import Any, Final

from labrys.evidence import logons, timestamps
from labrys.evidence.web_access.common import set_request

_NGINX: Final = re.compile(
    r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[([a-z]{2,8})\] (\d{1,10})#(\d{1,10}): (?:\*(\d{1,20}) )?(.*)",
    re.DOTALL | re.ASCII,
)
_APACHE: Final = re.compile(
    r"\[([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d(?:\.\d{1,6})? \d{4})\] "
    r"\[(?:(\w{0,40}):)?([a-z]{2,8}\d?)\] (?:\[pid (\d{1,10})(?::tid (\d{1,20}))?\] )?"
    r"(?:\[(?:remote|client) ([0-9A-Fa-f.:]{2,45}?)(?::(\d{1,5}))?\] )?(.*)",
    re.DOTALL | re.ASCII,
)
_PART: Final = re.compile(
    r", (client|server|request|subrequest|upstream|host|referrer|login): "
    r'(?:"((?:[^"\\]++|\\.)*+)"|([^,"]{0,2000}))',
    re.DOTALL,
)
_CODE: Final = re.compile(r"(AH\d{5}): ")
_MODSECURITY: Final = re.compile(
    r'\[(id|msg|severity|uri|hostname|data|tag|file|rev) "((?:[^"\\]++|\\.){0,2000})"\]'
)
_NAMES: Final = {"client": "c-ip", "host": "cs-host", "server": "s-site", "referrer": "cs-referer"}
_MOST: Final = 16_000

Found = tuple[dict[str, Any], int | None]


def parse(line: str) -> Found | None:
    """The fields and the time of a line; None when it is of neither server."""
    line = line[:_MOST]
    if line[:1] == "[":
        return _apache(line)
    return _nginx(line) if line[:1].isdigit() else None


def _nginx(line: str) -> Found | None:
    found = _NGINX.match(line)
    if found is None:
        return None
    stamp, level, pid, thread, connection, message = found.groups()
    fields: dict[str, Any] = {"timestamp": stamp, "level": level, "pid": pid, "tid": thread}
    if connection:
        fields["connection"] = connection
    fields["message"] = message
    for name, quoted, plain in _PART.findall(message):
        value = quoted or plain
        if name == "request":
            set_request(fields, value)
        elif value:
            fields[_NAMES.get(name, name)] = value
    return _rest(fields, message), timestamps.parse(stamp)


def _apache(line: str) -> Found | None:
    found = _APACHE.match(line)
    if found is None:
        return None
    stamp, module, level, pid, thread, address, port, message = found.groups()
    named = {
        "module": module,
        "level": level,
        "pid": pid,
        "tid": thread,
        "c-ip": address,
        "c-port": port,
    }
    fields: dict[str, Any] = {
        "timestamp": stamp,
        **{key: value for key, value in named.items() if value},
    }
    fields["message"] = message
    if code := _CODE.match(message):
        fields["code"] = code[1]
    body, mark, referer = message.rpartition(", referer: ")
    if mark and body:
        fields["cs-referer"] = referer
    return _rest(fields, f"client {address}: {message}" if address else message), timestamps.parse(
        stamp
    )


def _rest(fields: dict[str, Any], said: str) -> dict[str, Any]:
    """Adds what ModSecurity says, and a log-on."""
    if "ModSecurity:" in said:
        for name, value in _MODSECURITY.findall(said):
            key = f"modsecurity_{name}"
            if key in fields:
                have = fields[key]
                fields[key] = [*have, value] if isinstance(have, list) else [have, value]
            else:
                fields[key] = value
    for name, value in (logons.told(said) or {}).items():
        fields.setdefault(name, value)
    return fields

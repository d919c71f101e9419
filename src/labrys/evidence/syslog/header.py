"""Takes the head of a syslog line apart (RFC 3164, RFC 5424, what rsyslog and others write)."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

_MONTH: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_PRIORITY: Final = r"(?:<(\d{1,3})>)?"
_CLOCK: Final = r"\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?"
_ISO: Final = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_TAG: Final = (
    r"(?:([^\s:\[]++(?::+[^\s:\[]++)*+)"
    r"(?:\[([^\]\s]{0,64})\](?:: ?|(?= \())|:(?: |$)))?(.*)"
)


def _form(text: str) -> "re.Pattern[str]":
    return re.compile(text, re.DOTALL | re.ASCII)


_CLASSIC: Final = _form(
    rf"{_PRIORITY}({_MONTH} {{1,2}}\d{{1,2}} (?:\d{{4}} )?{_CLOCK}(?: \d{{4}}(?= ))?)"
    rf" (\S++) ?{_TAG}"
)
_HOSTLESS: Final = _form(
    rf"{_PRIORITY}\*?({_MONTH} {{1,2}}\d{{1,2}} (?:\d{{4}} )?{_CLOCK}(?: [A-Z]{{3,4}})?): (.*)"
)
_MODERN: Final = _form(rf"{_PRIORITY}({_ISO}) (\S++) ?{_TAG}")
_OPENWRT: Final = _form(
    rf"{_PRIORITY}\w{{3}} ({_MONTH} {{1,2}}\d{{1,2}} {_CLOCK} \d{{4}}) ([a-z]+\d?\.[a-z]+ {_TAG})"
)
_RFC5424: Final = _form(
    rf"{_PRIORITY}\d{{1,2}} (-|{_ISO}) (\S{{1,255}}) (\S{{1,255}}) (\S{{1,128}}) (\S{{1,64}})"
    r" (?:-|(?=\[))(.*)"
)
_COUNTED: Final = re.compile(r"\d{1,7} (?=<\d)", re.ASCII)
_ELEMENT: Final = _form(r'\[([^\s=\]"]{1,64})((?: [^\s=\]"]{1,64}="(?:[^"\\]++|\\.)*+")*+) ?\]')
_PARAM: Final = _form(r' ([^\s=\]"]{1,64})="((?:[^"\\]++|\\.)*+)"')
_ESCAPED: Final = re.compile(r'\\(["\\\]])')
_TAGGED: Final = _form(_TAG)
_IN_WORDS: Final = re.compile(r"([a-z]+\d?)\.([a-z]+) ", re.ASCII)
_SOLARIS: Final = re.compile(r"\[ID \d{1,12} ([a-z]+\d?)\.([a-z]+)\] ", re.ASCII)

FACILITIES: Final = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron"),
    *("authpriv", "ftp", "ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
SEVERITIES: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


class Header(NamedTuple):
    """What a syslog line says about its message.

    `extra` is what RFC 5424 adds: `msgid`, and structured data as `id.name`.
    """

    timestamp: str | None
    has_year: bool
    host: str | None
    program: str | None
    pid: str | None
    message: str
    facility: str | None = None
    severity: str | None = None
    extra: dict[str, str | list[str]] | None = None


def parse(line: str) -> Header | None:
    """The head of a line; None when it has none that is known."""
    if found := _CLASSIC.match(line):
        in_capitals = found[3].endswith(":") and found[3].isupper()  # perhaps a zone, and no host
        zoned = _HOSTLESS.match(line) if in_capitals else None
        return _hostless(zoned) if zoned else _header(found, " " not in found[2][7:])
    if found := _MODERN.match(line):
        return _header(found, False)
    if found := _HOSTLESS.match(line):
        return _hostless(found)
    if found := _OPENWRT.match(line):
        _, stamp, rest, *_ = found.groups()
        return _worded(Header(stamp, True, None, None, None, rest))
    if line[:1].isdigit() and (counted := _COUNTED.match(line)):  # RFC 6587 octet counting
        line = line[counted.end() :]
        return _rfc5424(line) or (parse(line) if line.startswith("<") else None)
    return _rfc5424(line)


def _header(found: "re.Match[str]", yearless: bool) -> Header:
    priority, stamp, host, program, pid, message = found.groups()
    facility, severity = _priority(priority) if priority else (None, None)
    header = Header(stamp, not yearless, host, program, pid, message, facility, severity)
    if host == ":":  # nor a program
        program, pid, message = _tagged(found.string[found.end(3) :].lstrip())
        return header._replace(host=None, program=program, pid=pid, message=message)
    if host.endswith(":"):  # no host was written: what stands there is the program
        rest = found.string[found.start(3) :]
        if (again := _TAGGED.fullmatch(rest)) and again[1]:
            program, pid, message = again.groups()
            return header._replace(host=None, program=program, pid=pid, message=message)
    if program is None and message.startswith(": %"):  # as firewalls write it
        program, pid, message = _tagged(message[2:])
        return header._replace(program=program, pid=pid, message=message)
    if program is None or message.startswith("[ID "):
        return _worded(header)
    return header


def _hostless(found: "re.Match[str]") -> Header:
    """`Mar  1 18:46:11: %SYS-5-CONFIG_I: …` of network devices: no host, the time ends in a colon."""
    priority, stamp, rest = found.groups()
    facility, severity = _priority(priority) if priority else (None, None)
    program, pid, message = _tagged(rest)
    bare = stamp.rstrip(" ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    has_year = " " in bare[7:]
    stamp = stamp if has_year else bare
    return Header(stamp, has_year, None, program, pid, message, facility, severity)


def _tagged(text: str) -> tuple[str | None, str | None, str]:
    """Program, process and message."""
    found = _TAGGED.fullmatch(text)
    return (found[1], found[2], found[3]) if found else (None, None, text)


def _worded(header: Header) -> Header:
    """The header with a priority in words (`auth.info`) taken out of its message."""
    message = header.message
    solaris = _SOLARIS.match(message)
    found = solaris or _IN_WORDS.match(message)
    if found is None or found[1] not in FACILITIES:
        return header
    header = header._replace(facility=found[1], severity=found[2])
    rest = message[found.end() :]
    tagged = None if solaris else _TAGGED.fullmatch(rest)
    if tagged is None:
        return header._replace(message=rest)
    program, pid, message = tagged.groups()
    return header._replace(program=program, pid=pid, message=message)


def _rfc5424(line: str) -> Header | None:
    found = _RFC5424.match(line)
    if found is None:
        return None
    priority, stamp, host, program, pid, msgid, rest = found.groups()
    extra: dict[str, str | list[str]] = {}
    if msgid != "-":
        extra["msgid"] = msgid
    end = 0
    while rest.startswith("[", end) and (element := _ELEMENT.match(rest, end)):
        for name, value in _PARAM.findall(element[2]):
            _keep(extra, f"{element[1]}.{name}", _ESCAPED.sub(r"\1", value))
        end = element.end()
    message = rest[end:].removeprefix(" ").removeprefix("\ufeff")
    facility, severity = _priority(priority) if priority else (None, None)
    return Header(
        *(None if stamp == "-" else stamp, True, _said(host), _said(program), _said(pid), message),
        *(facility, severity, extra or None),
    )


def _keep(extra: dict[str, str | list[str]], name: str, value: str) -> None:
    have = extra.get(name)
    if have is None:
        extra[name] = value
    elif isinstance(have, list):
        have.append(value)
    else:
        extra[name] = [have, value]


def _said(word: str) -> str | None:
    return None if word == "-" else word


@lru_cache(maxsize=1024)
def _priority(text: str) -> tuple[str | None, str | None]:
    """Facility and severity by name; a facility that has none by its number."""
    facility, severity = divmod(int(text), 8)
    name = FACILITIES[facility] if facility < len(FACILITIES) else str(facility)
    return name, SEVERITIES[severity]

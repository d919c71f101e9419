"""Reads the messages of OpenSSH's server (auth.c, auth2.c, packet.c, session.c, sshd.c).

A user name is the client's choice and may imitate the rest of the message, so the address is
always taken from the last place where one can stand.
"""

import re
from typing import Final

from labrys.evidence.unix_message import pam
from labrys.evidence.unix_message.address import Parsed, set_source

_FROM: Final = r"from (?P<src>\S+) port (?P<src_port>\d+)"
_FROM_MAYBE: Final = r"from (?P<src>\S+)(?: port (?P<src_port>\d+))?"
_PEER: Final = r"(?P<src>\S+)(?: port (?P<src_port>\d+))?"
_USER: Final = r"(?P<invalid>invalid user |illegal user )?(?P<user>.*)"
_SAID: Final = (
    r"(?:(?P<invalid>invalid )?(?:authenticating )?user (?P<user>.*) (?=\S+ port \d+(?:\Z|:)))?"
)
_TRIED: Final = (
    rf"\w+ (?P<auth_method>\S+) for {_USER} {_FROM}(?: (?P<protocol>ssh\d?))?(?:: (?P<key>.*))?"
)
_TRIED_OF_OLD: Final = rf"\w+ (?P<auth_method>\S+) for {_USER} from (?P<src>[^\s:]\S*)"

_FORMS: Final = (
    ("Accepted", "accepted", _TRIED),
    ("Failed", "failed", _TRIED),
    ("Accepted", "accepted", _TRIED_OF_OLD),
    ("Failed", "failed", _TRIED_OF_OLD),
    ("ROOT", "not_allowed", rf"(?P<user>ROOT) LOGIN REFUSED FROM {_PEER}"),
    (
        "refused",
        "connection_refused",
        r"refused connect from (?P<src_host>\S+) \((?P<src>[^)\s]+)\)",
    ),
    ("refused", "connection_refused", r"refused connect from (?P<src>\S+)"),
    ("Postponed", "postponed", _TRIED),
    ("Partial", "partial", _TRIED),
    ("Invalid", "invalid_user", rf"Invalid user (?P<user>.*) {_FROM_MAYBE}"),
    ("Illegal", "invalid_user", rf"Illegal user (?P<user>.*) {_FROM_MAYBE}"),
    (
        "input_userauth_request:",
        "invalid_user_request",
        r"input_userauth_request: (?P<invalid>invalid user |illegal user )(?P<user>.*)",
    ),
    (
        "Connection",
        "connection",
        rf"Connection {_FROM} on (?P<dst_ip>\S+) port (?P<dst_port>\d+).*",
    ),
    ("Connection", "connection", rf"Connection {_FROM_MAYBE}"),
    ("Connection", "connection_closed", rf"Connection closed by {_SAID}{_PEER}"),
    ("Connection", "connection_reset", rf"Connection reset by {_SAID}{_PEER}"),
    ("Disconnected", "disconnected", rf"Disconnected from {_SAID}{_PEER}"),
    (
        "Disconnecting",
        "disconnecting",
        r"Disconnecting (?P<invalid>invalid )?(?:authenticating )?user (?P<user>.*)"
        r" (?P<src>\S+) port (?P<src_port>\d+): (?P<reason>.*)",
    ),
    ("Disconnecting:", "disconnecting", r"Disconnecting: (?P<reason>.*)"),
    ("Disconnecting", "disconnecting", rf"Disconnecting {_PEER}: (?P<reason>.*)"),
    (
        "Received",
        "disconnect_received",
        rf"Received disconnect {_FROM}:(?P<code>\d+): ?(?P<reason>.*)",
    ),
    (
        "Received",
        "disconnect_received",
        r"Received disconnect from (?P<src>\S+): (?P<code>\d+): ?(?P<reason>.*)",
    ),
    ("Received", "server_stopped", r"Received (?P<reason>signal \d+); terminating\."),
    ("Server", "listening", r"Server listening on (?P<listen_ip>\S+) port (?P<listen_port>\d+)\.?"),
    ("Did", "no_identification", rf"Did not receive identification string {_FROM_MAYBE}"),
    (
        "Bad",
        "bad_protocol",
        rf"Bad protocol version identification '(?P<reason>.*)' {_FROM_MAYBE}",
    ),
    (
        "maximum",
        "max_attempts",
        rf"maximum authentication attempts exceeded for {_USER} {_FROM}(?: ssh\d?)?",
    ),
    ("Too", "max_attempts", rf"Too many authentication failures for {_USER} {_FROM}(?: ssh\d?)?"),
    (
        "reverse",
        "reverse_mapping_failed",
        r"reverse mapping checking \S+ for (?P<src_host>\S+) \[(?P<src>[^\]\s]*)\] failed.*",
    ),
    ("reverse", "reverse_mapping_failed", r"reverse mapping .* for (?P<src_host>\S+) failed.*"),
    (
        "Address",
        "reverse_mapping_failed",
        r"Address (?P<src>\S+) maps to (?P<src_host>\S+), but this does not map back.*",
    ),
    (
        "User",
        "not_allowed",
        r"User (?P<user>.*) from (?P<src>\S+) not allowed because (?P<reason>.*)",
    ),
    ("User", "not_allowed", r"User (?P<user>\S+) not allowed because (?P<reason>.*)"),
    (
        "Starting",
        "session_started",
        rf"Starting session: (?P<command>.*) for (?P<user>\S+) {_FROM}(?: id \d+)?",
    ),
    ("Close", "session_ended", rf"Close session: user (?P<user>\S+) {_FROM}(?: id \d+)?"),
    (
        "subsystem",
        "subsystem",
        r"subsystem request for (?P<command>\S+)(?: by user (?P<user>\S+))?.*",
    ),
    (
        "Unable",
        "negotiation_failed",
        r"Unable to negotiate with (?P<src>\S+)(?: port (?P<src_port>\d+))?: (?P<reason>.*)",
    ),
    (
        "Timeout",
        "timeout",
        r"Timeout before authentication for (?:connection from )?"
        r"(?P<src>[^\s,]+)(?: port (?P<src_port>\d+))?.*",
    ),
    (
        "Protocol",
        "bad_protocol",
        r"Protocol major versions differ for (?P<src>\S+)(?: port (?P<src_port>\d+))?: (?P<reason>.*)",
    ),
    ("banner", "bad_protocol", rf"banner exchange: Connection {_FROM}: (?P<reason>.*)"),
    (
        "ssh_dispatch_run_fatal:",
        "connection_failed",
        rf"ssh_dispatch_run_fatal: Connection from {_SAID}{_PEER}: (?P<reason>.*)",
    ),
    (
        "drop",
        "connection_dropped",
        r"drop connection #\d+ from \[(?P<src>[^\]\s]*)\]:(?P<src_port>\d+) on (?P<reason>.*)",
    ),
    (
        "Authentication",
        "not_allowed",
        r"Authentication tried for (?P<user>.*) with correct key but not from a permitted host"
        r" \(host=(?P<src_host>[^,]*), ip=(?P<src>[^)]*).*",
    ),
    (
        "PAM:",
        "auth_failure",
        rf"PAM: (?P<reason>(?:[\w']+ ){{1,8}})for {_USER} from (?P<src>\S+)"
        r"(?: via (?P<dst_ip>\S+))?",
    ),
)


def _by_first_word() -> dict[str, list[tuple[str, "re.Pattern[str]"]]]:
    table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for word, event, form in _FORMS:
        table.setdefault(word, []).append((event, re.compile(form, re.DOTALL)))
    return table


_BY_WORD: Final = _by_first_word()
_MORE_FAILURES: Final = re.compile(r"PAM (\d{1,9}) more authentication failures?; ", re.DOTALL)


def parse(message: str) -> Parsed:
    """The fields of one message of sshd; none when it is not one we know."""
    message = message.removesuffix(" [preauth]").rstrip(" ")
    for level in ("error: ", "fatal: ", "info: "):
        message = message.removeprefix(level)
    word = message.partition(" ")[0]
    for event, form in _BY_WORD.get(word, ()):
        if found := form.fullmatch(message):
            return _fields(event, found)
    if word == "PAM" and (more := _MORE_FAILURES.match(message)):
        fields = pam.failure(message[more.end() :], "sshd")
        fields["event"] = "more_auth_failures"
        fields["more"] = more[1]
        return fields
    return {}


def _fields(event: str, found: "re.Match[str]") -> Parsed:
    fields: Parsed = {"event": event}
    for name, value in found.groupdict().items():
        if value is None:
            continue
        if name == "src":
            set_source(fields, value)
        elif name == "invalid":
            fields["invalid_user"] = "true"
        else:
            fields[name] = value
    if fields.get("user") == "ROOT" and event == "not_allowed":
        fields["user"] = "root"
    if event == "invalid_user":
        fields["invalid_user"] = "true"
    return fields

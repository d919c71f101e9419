"""Reads the messages of sudo, su, login and systemd-logind: who became whom, and where."""

import re
from typing import Final

from labrys.evidence.unix_message.address import Parsed, set_source

_SUDO_NAMES: Final = {
    "TTY": "tty",
    "PWD": "pwd",
    "USER": "target_user",
    "GROUP": "target_group",
    "HOST": "sudo_host",
    "ENV": "env",
    "CHROOT": "chroot",
    "TSID": "tsid",
}
_SUDO_REFUSALS: Final = (
    ("user NOT in sudoers", "not_in_sudoers"),
    ("command not allowed", "not_allowed"),
    ("user NOT authorized on host", "not_allowed"),
    ("a password is required", "password_required"),
)
_ATTEMPTS: Final = re.compile(r"(\d{1,6}) incorrect password attempts?")


def sudo(message: str) -> Parsed:
    """`user : [why not ;] TTY=… ; PWD=… ; USER=… ; COMMAND=…`."""
    user, colon, rest = message.strip().partition(" : ")
    if not colon or " " in user:
        return {}
    rest, has_command, command = rest.partition("COMMAND=")
    fields: Parsed = {"event": "command", "user": user}
    for part in rest.split(" ; "):
        name, equals, value = part.strip().rstrip(" ;").partition("=")
        if equals and name in _SUDO_NAMES:
            fields[_SUDO_NAMES[name]] = value
        elif name:
            _sudo_reason(fields, part.strip().rstrip(" ;"))
    if has_command:
        fields["command"] = command
    elif fields["event"] == "command":
        fields["event"] = "message"
    return fields


def _sudo_reason(fields: Parsed, reason: str) -> None:
    fields["reason"] = reason
    if attempts := _ATTEMPTS.fullmatch(reason):
        fields["event"], fields["attempts"] = "failed", attempts[1]
        return
    fields["event"] = next((event for text, event in _SUDO_REFUSALS if text in reason), "refused")


_SU_FORMS: Final = tuple(
    (event, re.compile(form))
    for event, form in (
        ("accepted", r"Successful su for (?P<target_user>\S+) by (?P<user>\S+)"),
        ("failed", r"FAILED su for (?P<target_user>\S+) by (?P<user>\S+)"),
        ("failed", r"FAILED SU \(to (?P<target_user>[^)]*)\) (?P<user>\S+) on (?P<tty>\S+)"),
        ("accepted", r"\(to (?P<target_user>[^)]*)\) (?P<user>\S+) on (?P<tty>\S+)"),
        ("accepted", r"(?P<user>\S+) to (?P<target_user>\S+) on (?P<tty>\S+)"),
        ("failed", r"BAD SU (?P<user>\S+) to (?P<target_user>\S+) on (?P<tty>\S+)"),
        ("switched", r"\+ (?P<tty>\S+) (?P<user>[^\s:]+):(?P<target_user>\S+)"),
        ("refused", r"- (?P<tty>\S+) (?P<user>[^\s:]+):(?P<target_user>\S+)"),
    )
)


def su(message: str) -> Parsed:
    """`Successful su for root by alice`, `FAILED SU (to root) alice on pts/0`, `+ pts/0 a:b`."""
    return _first(_SU_FORMS, message)


_LOGIN_FORMS: Final = tuple(
    (event, re.compile(form, re.DOTALL))
    for event, form in (
        ("accepted", r"(?P<user>ROOT) LOGIN\s+ON (?P<tty>\S+)(?: FROM (?P<src>\S+))?"),
        ("accepted", r"LOGIN ON (?P<tty>\S+) BY (?P<user>\S+)(?: FROM (?P<src>\S+))?"),
        (
            "failed",
            r"FAILED LOGIN (?:SESSION )?(?:\(?\d+\)? )?(?:FROM|on) '?(?P<where>[^\s']+)'?"
            r"(?: from '(?P<src>[^']*)')? FOR '?(?P<user>.*?)'?, (?P<reason>.*)",
        ),
        (
            "max_attempts",
            r"TOO MANY LOGIN TRIES \(\d+\) .* FOR '?(?P<user>.*?)'?(?:, (?P<reason>.*))?",
        ),
    )
)


def login(message: str) -> Parsed:
    """`LOGIN ON tty1 BY alice`, `ROOT LOGIN ON tty1`, `FAILED LOGIN 1 FROM tty1 FOR root, …`."""
    fields = _first(_LOGIN_FORMS, message)
    if fields.get("user") == "ROOT":
        fields["user"] = "root"
    where = fields.pop("where", None)
    if isinstance(where, str):
        if where.startswith(("/dev/", "tty", "pts/")):
            fields["tty"] = where
        else:
            set_source(fields, where)
    return fields


_LOGIND_FORMS: Final = tuple(
    (event, re.compile(form))
    for event, form in (
        ("session_opened", r"New session '?(?P<session>\S+?)'? of user '?(?P<user>\S+?)'?\.?"),
        ("session_opened", r"New session '(?P<session>\S+)' of user '(?P<user>\S+)' with .*"),
        ("session_closed", r"Removed session (?P<session>\S+?)\."),
        ("session_logged_out", r"Session (?P<session>\S+) logged out\..*"),
    )
)


def logind(message: str) -> Parsed:
    """`New session 12 of user alice.`, `Removed session 12.`."""
    return _first(_LOGIND_FORMS, message)


def _first(forms: "tuple[tuple[str, re.Pattern[str]], ...]", message: str) -> Parsed:
    for event, form in forms:
        if found := form.fullmatch(message):
            fields: Parsed = {"event": event, **found.groupdict()}
            source = fields.pop("src", None)
            set_source(fields, source if isinstance(source, str) else None)
            return fields
    return {}

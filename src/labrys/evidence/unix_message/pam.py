"""Reads what PAM modules log in the name of the program that uses them (Linux-PAM, sssd, samba)."""

import re
from typing import Final

from labrys.evidence.unix_message.address import Parsed, set_source

_HEAD: Final = re.compile(r"(pam_\w{1,40})\(([^:()]{1,60}):(\w{1,20})\): ?", re.ASCII)
_OPENED: Final = re.compile(
    r"session opened for user (.*?)(?:\(uid=(\d+)\))? by ([^()\s]*)\(uid=(\d+)\)", re.DOTALL
)
_CLOSED: Final = re.compile(r"session closed for user (.*)", re.DOTALL)
_OUTCOME: Final = re.compile(r"authentication (failure|success); ?")
_SIMPLE: Final = tuple(
    (event, re.compile(form, re.DOTALL))
    for event, form in (
        ("user_unknown", r"check pass; user unknown"),
        ("user_unknown", r'user "(?P<user>.*)" does not exist in /etc/passwd'),
        ("password_changed", r"password changed for (?P<target_user>.*)"),
        ("no_password", r"auth could not identify password for \[(?P<user>.*)\]"),
        ("conversation_failed", r"conversation failed"),
        ("account_expired", r"account (?P<user>\S+) has expired .*"),
        ("password_expired", r"expired password for user (?P<user>\S+).*"),
        ("account_locked", r"Consecutive login failures for user (?P<user>\S+) account .*"),
        ("account_locked", r"user (?P<user>\S+) \(\d+\) tally \d+, deny \d+"),
        (
            "requirement_not_met",
            r'requirement "(?P<reason>[^"]*)" .*not met by user "(?P<user>[^"]*)"',
        ),
        ("auth_success", r"user '(?P<user>[^']*)' granted access"),
        ("auth_error", r"received for user (?P<user>.*): (?P<reason>\d+ \([^()]*\))"),
    )
)
_ACTS_FOR: Final = ("su", "sudo", "su-l", "sudo-i", "runuser", "runuser-l")
"""Services that open a session for one user on behalf of another."""
_NAMES_TARGET: Final = ("su", "su-l", "runuser", "runuser-l")
"""Services that ask for the password of the one to become, so `user=` is not who acts."""


def parse(message: str, service: str) -> Parsed:
    """The fields of a PAM module's message; none when it is not one.

    `service` is used where the message does not name the service itself.
    """
    head = _HEAD.match(message)
    fields: Parsed = {}
    if head:
        service = head[2]
        fields = {"pam_module": head[1], "pam_service": service, "pam_type": head[3]}
        message = message[head.end() :]
    if opened := _OPENED.fullmatch(message):
        return fields | _opened(opened, service)
    if closed := _CLOSED.fullmatch(message):
        key = "target_user" if service in _ACTS_FOR else "user"
        return fields | {"event": "session_closed", key: closed[1]}
    if outcome := _OUTCOME.match(message):
        return fields | failure(message[outcome.end() :], service, f"auth_{outcome[1]}")
    for event, form in _SIMPLE:
        if found := form.fullmatch(message):
            return fields | {"event": event} | found.groupdict()
    return fields


def _opened(found: "re.Match[str]", service: str) -> Parsed:
    target, target_uid, actor, uid = found.groups()
    if service in _ACTS_FOR:
        return {
            "event": "session_opened",
            "user": actor or None,
            "uid": uid,
            "target_user": target,
            "target_uid": target_uid,
        }
    fields: Parsed = {"event": "session_opened", "user": target, "uid": target_uid}
    fields["by_user"], fields["by_uid"] = actor or None, uid
    return fields


_USUAL: Final = re.compile(
    r" *logname=(?P<logname>\S*) uid=(?P<uid>\S*) euid=(?P<euid>\S*) tty=(?P<tty>\S*)"
    r" ruser=(?P<ruser>\S*) rhost=(?P<rhost>\S*) *+(?:user=(?P<user>.*))?",
    re.DOTALL,
)
_NAMES: Final = ("logname", "uid", "euid", "tty", "ruser", "rhost", "user")


def failure(text: str, service: str, event: str = "auth_failure") -> Parsed:
    """The fields of `logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root`.

    Each value ends where the next name begins, found left to right; only the last may hold spaces
    and equals signs, and it is the user name.
    """
    usual = _USUAL.fullmatch(text)
    said = usual.groupdict("") if usual else _taken_apart(text)
    fields: Parsed = {
        "event": event,
        "uid": said.get("uid") or None,
        "tty": said.get("tty") or None,
    }
    user, actor = said.get("user"), said.get("ruser") or said.get("logname")
    if service in _NAMES_TARGET:
        fields["user"], fields["target_user"] = actor or None, user or None
    else:
        fields["user"] = user or None
        fields["by_user"] = actor or None
    set_source(fields, said.get("rhost"))
    return fields


def _taken_apart(text: str) -> dict[str, str]:
    """The same where a value has spaces in it, or the names end early."""
    said: dict[str, str] = {}
    rest = " " + text
    for name, following in zip(_NAMES, (*_NAMES[1:], ""), strict=True):
        if not (text := rest.lstrip()).startswith(f"{name}="):
            break
        value = text[len(name) + 1 :]
        end = value.find(f" {following}=") if following else -1
        rest = value[end:] if end >= 0 else ""
        said[name] = (value if end < 0 else value[:end]).strip()
    return said

"""Turns what well-known Unix programs say in their log messages into fields and a shape.

Only a message of a program known here gets a shape of its own (`linux.sshd`); the text itself is
the reader's to keep. Names that several programs share mean the same everywhere: `event`, `user`
(who acts, or who logs in), `target_user` (who is acted on), `src_ip`, `src_host`, `src_port`,
`auth_method`, `command`, `tty`, `pwd`, `uid`. `message repeated N times: [ … ]` is one message
whose fields are the inner ones, with `repeat` = N.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from labrys.evidence.unix_message import accounts, firewall, jobs, pam, privilege, sshd, sysmon
from labrys.evidence.unix_message.address import Parsed

OTHER: Final = "linux.syslog"
"""The shape of a message of any program that is not known here."""
_PARSED_BYTES: Final = 16 << 10
"""How much of a message is looked at; no program known here writes a longer one."""

_REPEATED: Final = re.compile(r"message repeated (\d{1,9}) times?: \[ ?(.*)\]\s*", re.DOTALL)
_PAM_PROGRAM: Final = "(pam_unix)"

Parser = Callable[[str], Parsed]


def parse(program: str | None, message: str) -> tuple[str, Parsed]:
    """The shape and the fields of one message of a program; never fails, whatever they hold."""
    if not program:
        return OTHER, {}
    if len(message) > _PARSED_BYTES and not message.startswith("<Event"):
        message = message[:_PARSED_BYTES]
    repeated = _REPEATED.fullmatch(message) if message.startswith("message repeated ") else None
    if repeated:
        shape, fields = _parse(program, repeated[2])
        fields["repeat"] = repeated[1]
        return shape, fields
    return _parse(program, message)


def _parse(program: str, message: str) -> tuple[str, Parsed]:
    shape, parser, service = _known(program)
    if service or message.startswith("pam_"):
        fields = pam.parse(message, service or _service(program))
        if fields:
            return ("linux.pam" if shape == OTHER else shape), fields
    if parser is firewall.parse:
        fields = firewall.parse(message)
        return ("linux.firewall" if fields else OTHER), fields
    if parser is sysmon.parse:
        fields = sysmon.parse(message)
        return (f"linux.sysmon.{fields['EventID']}" if fields else OTHER), fields
    return shape, parser(message)


def _nothing(_message: str) -> Parsed:
    return {}


@lru_cache(maxsize=4096)
def _known(program: str) -> tuple[str, Parser, str]:
    """Shape and parser of a program, and its PAM service where the tag says all is PAM's."""
    name = _service(program)
    shape, parser = _PROGRAMS.get(name, (OTHER, _nothing))
    return shape, parser, name if program.endswith(_PAM_PROGRAM) else ""


@lru_cache(maxsize=4096)
def _service(program: str) -> str:
    """A program's bare name: no path, no argument in parentheses, lower case."""
    return program.partition("(")[0].rpartition("/")[2].lower()


def _table() -> dict[str, tuple[str, Parser]]:
    table: dict[str, tuple[str, Parser]] = {
        "sshd": ("linux.sshd", sshd.parse),
        "sshd-session": ("linux.sshd", sshd.parse),
        "sshd-auth": ("linux.sshd", sshd.parse),
        "sudo": ("linux.sudo", privilege.sudo),
        "su": ("linux.su", privilege.su),
        "login": ("linux.login", privilege.login),
        "systemd-logind": ("linux.systemd_logind", privilege.logind),
        "kernel": (OTHER, firewall.parse),
        "ulogd": (OTHER, firewall.parse),
        "sysmon": (OTHER, sysmon.parse),
    }
    for name in ("cron", "crond", "crontab", "anacron", "atd", "run-parts", "fcron"):
        table[name] = ("linux.cron", jobs.parse)
    for name in accounts.PROGRAMS:
        table[name] = (f"linux.{name}", accounts.parse)
    return table


_PROGRAMS: Final = _table()

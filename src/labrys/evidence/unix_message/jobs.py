"""Reads the messages of cron and its kin: which job ran for whom, and who changed the table."""

import re
from typing import Final

from labrys.evidence.unix_message.address import Parsed

_CRON: Final = re.compile(
    r"\((?P<user>[^)]*)\) (?P<verb>[A-Za-z]+(?: [A-Za-z]+){0,8})(?: \((?P<what>.*)\))?", re.DOTALL
)
_TABLE_VERBS: Final = ("REPLACE", "LIST", "DELETE", "BEGIN EDIT", "END EDIT", "EDIT", "ABORT EDIT")
_OTHERS: Final = tuple(
    (event, re.compile(form))
    for event, form in (
        ("job_started", r"Job [`'](?P<command>[^']*)' started"),
        ("job_finished", r"Job [`'](?P<command>[^']*)' terminated(?P<reason>.*)"),
        ("job_started", r"Starting job \d+ \((?P<command>\S+)\) for user '(?P<user>[^']*)' .*"),
        ("job_started", r"(?:\(\S+\) )?starting (?P<command>\S+)"),
        ("job_finished", r"(?:\(\S+\) )?finished (?P<command>\S+)"),
    )
)


def parse(message: str) -> Parsed:
    """`(root) CMD (command)`, `(alice) REPLACE (alice)`, `Job 'cron.daily' started`."""
    if found := _CRON.fullmatch(message):
        return _cron(found)
    for event, form in _OTHERS:
        if found := form.fullmatch(message):
            return {"event": event, **found.groupdict()}
    return {}


def _cron(found: "re.Match[str]") -> Parsed:
    user, verb, what = found.groups()
    if verb == "CMD":
        return {"event": "command", "user": user, "command": (what or "").strip() or None}
    fields: Parsed = {"event": verb.lower().replace(" ", "_"), "user": user}
    if what:
        fields["target_user" if verb in _TABLE_VERBS else "reason"] = what
    return fields

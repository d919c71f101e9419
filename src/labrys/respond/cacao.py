"""An incident's advice as a CACAO playbook: steps for people, and a command where we have one.

Source: CACAO Security Playbooks Version 2.0, OASIS Committee Specification 01. Identifiers are
UUIDv5, so that the same incident gives the same playbook.
"""

import shlex
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid5

from labrys.report.contents import Row
from labrys.report.levels import SEVERITY
from labrys.report.visible import iso

_OURS: Final = UUID("0d7c2f4e-1b63-5a0e-8a43-5f0e9c5d7b12")
_FIRST: Final = "2026-01-01T00:00:00.000Z"
_ACTIVITY: Final = "eliminate-risk"
"""What every playbook of type `mitigation` must do."""
_SEVERITY: Final = {1: 10, 2: 30, 3: 50, 4: 75, 5: 100}

Item = dict[str, Any]


def playbook(incident: Row, case: str, *, block: bool) -> Item:
    """The playbook of an incident (a row of `ocsf.schema.INCIDENT`) of the case folder `case`.

    `block`: it has something that `labrys respond block` would block, so that is the first step.
    """
    uid = incident["uid"]
    created = iso(incident["time_end"]) or _FIRST
    people, machine = _id("security-category", uid), _id("linux", uid)
    steps = list(_steps(incident, case, people, machine, block=block))
    keys = [_id("action", f"{uid}|{number}") for number in range(len(steps))]
    start, end = _id("start", uid), _id("end", uid)
    workflow: Item = {start: {"type": "start", "on_completion": (*keys, end)[0]}}
    for at, (key, step) in enumerate(zip(keys, steps, strict=True)):
        workflow[key] = {**step, "on_completion": keys[at + 1] if at + 1 < len(keys) else end}
    workflow[end] = {"type": "end"}
    agents: Item = {
        people: {"type": "security-category", "name": "Incident response", "category": ["siem"]},
    }
    if block:
        agents[machine] = {"type": "linux", "name": "The gateway that runs labrys and nftables"}
    return {
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": _id("playbook", uid),
        "name": f"Respond to: {incident['title']}"[:400],
        "description": incident["summary"],
        "playbook_types": ["mitigation"],
        "playbook_activities": [_ACTIVITY],
        "created_by": _id("identity", "labrys"),
        "created": created,
        "modified": created,
        "severity": _SEVERITY.get(int(incident["severity_id"] or 0), 0),
        "labels": [SEVERITY[incident["severity_id"]].lower()],
        "workflow_start": start,
        "workflow": workflow,
        "agent_definitions": agents,
    }


def _steps(incident: Row, case: str, people: str, machine: str, *, block: bool) -> Iterator[Item]:
    if block:
        lake = shlex.quote(case)
        yield _action(
            "Block what the incident names on this gateway, with the guards of labrys",
            "bash",
            f"labrys respond block --lake {lake} --incident {incident['uid']}"
            f" && labrys respond apply --lake {lake} --connector nftables --yes",
            machine,
        )
    for text in incident["advice"] or ["Read the incident and decide what to do."]:
        yield _action(text, "manual", text, people)


def _action(name: str, kind: str, command: str, agent: str) -> Item:
    made = {"type": kind, "command": command, "playbook_activity": _ACTIVITY}
    return {"type": "action", "name": name[:400], "commands": [made], "agent": agent}


def _id(kind: str, key: str) -> str:
    return f"{kind}--{uuid5(_OURS, f'{kind}|{key}')}"

"""Audit events, in every form the samples have it."""

from pathlib import Path
from typing import Any

import pytest

from labrys.evidence.kubernetes_audit.events import recognise
from labrys.evidence.test_cloud_event import read_rows
from labrys.evidence.values import MULTI

SAMPLES = Path(__file__).parent / "samples"


@pytest.mark.parametrize("name", ["audit.log", "list.json", "aks.ndjson"])
def test_events(name: str) -> None:
    executed, created = read_rows("kubernetes_audit", SAMPLES / name)
    assert executed["objectRef.subresource"] == "exec"
    assert executed["user.groups"].split(MULTI) == ["dev", "system:authenticated"]
    assert executed["responseStatus.code"] == "101"
    assert executed["_time"] == 1_741_066_140_123
    assert created["requestObject.spec.volumes.hostPath.path"] == "/"
    capabilities = "requestObject.spec.containers.securityContext.capabilities.add"
    assert created[capabilities].split(MULTI) == ["SYS_ADMIN", "NET_ADMIN"]


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"kind": "Event", "apiVersion": "v1"},
        {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": []},
        {"apiVersion": 7},
        {"auditID": "x", "verb": "get"},
    ],
)
def test_not_an_audit_event(record: dict[str, Any]) -> None:
    assert recognise(record) is None

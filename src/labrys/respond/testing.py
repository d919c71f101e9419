"""Findings for the tests of blocking."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from labrys.ocsf.schema import FINDING

Entity = tuple[str, str, str]


def finding(
    uid: str, *entities: Entity, tactics: Sequence[str] = (), severity: int = 4
) -> dict[str, Any]:
    """A finding that names these entities (type, value, role)."""
    empty: dict[str, Any] = dict.fromkeys(FINDING.names)
    return empty | {
        "uid": uid,
        "detector": "test",
        "title": f"title of {uid}",
        "severity_id": severity,
        "tactics": list(tactics),
        "techniques": [],
        "entities": [
            {"type": kind, "value": value, "role": role} for kind, value, role in entities
        ],
        "evidence": [],
        "reasons": [],
    }


def table(*rows: dict[str, Any]) -> pa.Table:
    """Findings as triage and reports take them."""
    return pa.Table.from_pylist(list(rows), FINDING)

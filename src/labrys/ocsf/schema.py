"""Findings and incidents as Arrow rows: what crosses from detection to triage to reports.

A finding is an OCSF Detection Finding (class 2004), an incident an OCSF Incident Finding (2005);
`labrys.report` writes them out under OCSF's own attribute names.
"""

from enum import IntEnum
from typing import Final

import pyarrow as pa

OCSF_VERSION: Final = "1.8.0"
DETECTION_FINDING: Final = 2004
INCIDENT_FINDING: Final = 2005


class Severity(IntEnum):
    """OCSF `severity_id`."""

    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


ENTITY_TYPES: Final = (
    "host",
    "user",
    "ip",
    "domain",
    "hash",
    "process",
    "file",
    "url",
    "account",
    "service",
    "registry",
    "session",
    "user_agent",
    "resource",
    "message",
    "campaign",
)
"""What an entity can be; `process` values are `host|guid` or `host|pid|image`."""

ENTITY: Final = pa.struct([("type", pa.string()), ("value", pa.string()), ("role", pa.string())])
"""`role` says what it did: actor, target, source, destination, device, parent, object."""

EVIDENCE: Final = pa.struct(
    [("_id", pa.string()), ("_source", pa.string()), ("_offset", pa.int64())]
)
REASON: Final = pa.struct(
    [("feature", pa.string()), ("value", pa.string()), ("weight", pa.float64())]
)

FINDING: Final = pa.schema(
    [
        ("uid", pa.string()),  # deterministic: detector, rule or model, record ids
        ("detector", pa.string()),
        ("version", pa.string()),
        ("rule_uid", pa.string()),  # rule id or model id
        ("title", pa.string()),
        ("author", pa.string()),
        ("time_start", pa.int64()),  # epoch ms UTC; null when the records have no time
        ("time_end", pa.int64()),
        ("severity_id", pa.int8()),
        ("confidence", pa.int8()),  # 0 to 100
        ("techniques", pa.list_(pa.string())),  # ATT&CK ids: T1059.001
        ("tactics", pa.list_(pa.string())),  # ATT&CK tactic short names: execution
        ("entities", pa.list_(ENTITY)),
        ("evidence", pa.list_(EVIDENCE)),
        ("reasons", pa.list_(REASON)),  # ordered, strongest first
        ("shape", pa.string()),
        ("advice", pa.string()),
    ]
)

INCIDENT: Final = pa.schema(
    [
        ("uid", pa.string()),
        ("title", pa.string()),
        ("summary", pa.string()),
        ("rank", pa.int32()),
        ("score", pa.float64()),
        ("severity_id", pa.int8()),
        ("confidence", pa.int8()),
        ("time_start", pa.int64()),
        ("time_end", pa.int64()),
        ("tactics", pa.list_(pa.string())),  # in kill-chain order
        ("techniques", pa.list_(pa.string())),
        ("entities", pa.list_(ENTITY)),
        ("findings", pa.list_(pa.string())),  # uids
        ("links", pa.list_(pa.string())),  # why each finding belongs, same order as `findings`
        ("advice", pa.list_(pa.string())),  # what to do next, most urgent first
    ]
)

"""Findings as a Timesketch timeline: JSON lines with message, datetime, timestamp_desc.

Source: Timesketch user guide, "Import from JSON or CSV". `timestamp` is in microseconds. A finding
without a time stands at 1970, and says so, because Timesketch drops what has none.
"""

from collections.abc import Iterator
from typing import Any

from labrys.report.contents import Report, Row
from labrys.report.levels import SEVERITY
from labrys.report.lines import json_line
from labrys.report.visible import iso


def write(report: Report) -> Iterator[bytes]:
    """The lines of the timeline, in bounded memory."""
    ranks = report.incidents["rank"].to_pylist()
    titles = report.incidents["title"].to_pylist()
    for row, incident, why in report.each_finding():
        made = _event(row)
        if incident >= 0:
            made["incident"] = titles[incident]
            made["incident_why"] = why
            made["tag"].append(f"incident-{ranks[incident]}")
        yield json_line(made)


def _event(row: Row) -> dict[str, Any]:
    start = row["time_start"] if iso(row["time_start"]) else None
    severity = SEVERITY.get(row["severity_id"] or 1, "")
    evidence = row["evidence"] or []
    made: dict[str, Any] = {
        "message": f"[{severity}] {row['title']}",
        "datetime": iso(start or 0),
        "timestamp": (start or 0) * 1000,
        "timestamp_desc": "Finding" if start is not None else "Finding of unknown time",
        "tag": ["labrys", severity.lower(), *(row["tactics"] or ()), *(row["techniques"] or ())],
        "data_type": "labrys:finding",
        "finding_uid": row["uid"],
        "rule_uid": row["rule_uid"],
        "rule_author": row["author"],
        "detector": row["detector"],
        "severity": row["severity_id"],
        "confidence": row["confidence"],
        "shape": row["shape"],
    }
    if row["time_end"] is not None and row["time_end"] != start:
        made["end_datetime"] = iso(row["time_end"])
    for entity in row["entities"] or ():
        name = f"{entity['type']}_{entity['role']}" if entity["role"] else entity["type"]
        made.setdefault(name, []).append(entity["value"])
    if evidence:
        made["evidence_source"] = evidence[0]["_source"]
        made["evidence_offset"] = evidence[0]["_offset"]
        made["evidence_id"] = evidence[0]["_id"]
        made["evidence_count"] = len(evidence)
    return made

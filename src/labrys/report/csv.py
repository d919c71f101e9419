"""Findings as a spreadsheet, one line each, with the incident each belongs to and why.

Source: RFC 4180. Cells that a spreadsheet would take for a formula are quoted with an apostrophe:
the text in them was perhaps written by an attacker.
"""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any, Final

from labrys.report.contents import BATCH, Report, Row
from labrys.report.levels import SEVERITY
from labrys.report.visible import iso, visible

COLUMNS: Final = (
    "incident",
    "incident_uid",
    "incident_title",
    "time_start",
    "time_end",
    "severity",
    "confidence",
    "title",
    "rule_uid",
    "rule_author",
    "detector",
    "tactics",
    "techniques",
    "hosts",
    "users",
    "addresses",
    "entities",
    "why",
    "source",
    "offset",
    "record_id",
    "records",
    "advice",
    "finding_uid",
)
LONGEST: Final = 3600
"""Characters kept of a cell: written out, even the strangest fit into a spreadsheet's 32,767."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write(report: Report) -> Iterator[bytes]:
    """The lines of the spreadsheet, UTF-8, in bounded memory."""
    heads = [
        (row["rank"], row["uid"], row["title"])
        for row in report.incidents.select(["rank", "uid", "title"]).to_pylist()
    ]
    text = StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow(COLUMNS)
    for number, (row, incident, why) in enumerate(report.each_finding(), start=1):
        head = heads[incident] if incident >= 0 else ("", "", "")
        lines.writerow([cell(value) for value in (*head, *_cells(row, why))])
        if number % BATCH == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def cell(value: object) -> str:
    """A value as text that no spreadsheet runs and no terminal obeys."""
    raw = "" if value is None else str(value)
    text = visible(raw, LONGEST)
    if not isinstance(value, str):
        return text
    # A blank before a formula does not stop every spreadsheet, so blanks are looked through.
    formula = raw.startswith(_FORMULA) or raw.lstrip().startswith(_FORMULA)
    return f"'{text}" if formula else text


def _cells(row: Row, why: str) -> tuple[Any, ...]:
    entities = row["entities"] or []
    evidence = row["evidence"] or []
    first: dict[str, Any] = evidence[0] if evidence else {}
    return (
        iso(row["time_start"]),
        iso(row["time_end"]),
        SEVERITY.get(row["severity_id"] or 1, ""),
        row["confidence"],
        row["title"],
        row["rule_uid"],
        row["author"],
        row["detector"],
        " ".join(row["tactics"] or ()),
        " ".join(row["techniques"] or ()),
        *(_values(entities, kind) for kind in ("host", "user", "ip")),
        "; ".join(f"{each['type']}:{each['value']}" for each in entities),
        why,
        first.get("_source"),
        first.get("_offset"),
        first.get("_id"),
        len(evidence),
        row["advice"],
        row["uid"],
    )


def _values(entities: list[Row], kind: str) -> str:
    return "; ".join(dict.fromkeys(each["value"] for each in entities if each["type"] == kind))

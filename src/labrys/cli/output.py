"""Writes what a scan came to, in the format asked for."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from labrys.cli.stream import opened

if TYPE_CHECKING:
    from labrys.lake.case import Case
    from labrys.report.contents import Report
    from labrys.report.summary import Summary
    from labrys.scan.run import Scan


_ACTING: Final = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_COPIES: Final = 5
"""So many files with the content of others are named; formats for machines have all."""


class Form(StrEnum):
    """The formats of a report; each is a module of `labrys.report`."""

    TABLE = "table"
    NDJSON = "ndjson"
    CSV = "csv"
    HTML = "html"
    STIX = "stix"
    MISP = "misp"
    NAVIGATOR = "navigator"
    TIMESKETCH = "timesketch"


_JSON: Final = (Form.NDJSON, Form.STIX, Form.MISP, Form.NAVIGATOR, Form.TIMESKETCH)


def report_of(case: "Case", scan: "Scan", form: Form) -> "Report":
    """The contents of a report; the page also shows the fields of the records it refers to, and
    what is shared says of a message where its links lead."""
    from labrys.cli.records import evidence_fields, message_fields
    from labrys.report.contents import Report

    records = {}
    if form is Form.HTML:
        records = evidence_fields(case, scan)
    elif form in (Form.STIX, Form.MISP):
        records = message_fields(case, scan)
    return Report.of(scan.findings, scan.triage, summary_of(scan), records, scan.places)


def summary_of(scan: "Scan") -> "Summary":
    """What was read, what could not be, and what ran."""
    import labrys
    from labrys.evidence.unpack.walk import text
    from labrys.report.summary import DetectorRun, Problem, RuleRejected, SourceRead, Summary

    problems = [Problem(row.name, text) for row in scan.sources for text in row.problems]
    problems += [Problem(text(str(scan.case)), note) for note in scan.notes]
    partial = [row for row in scan.sources if row.state == "partial"]
    problems += [Problem(row.name, "read in part; scan again to go on") for row in partial]
    duplicates = [row for row in scan.sources if row.state == "duplicate"]
    omitted = [
        f"{row.name} has the content of {row.same_as}: read once" for row in duplicates[:_COPIES]
    ]
    if len(duplicates) > _COPIES:
        omitted.append(f"{len(duplicates) - _COPIES:,} more files with the content of others")
    omitted += [
        f"exception {each.id} hides {count:,} findings: {each.why}"
        for each, count in scan.excluded
        if count
    ]
    copies: dict[str, list[str]] = {}
    for row in duplicates:
        copies.setdefault(row.same_as, []).append(row.name)
    counts = dict.fromkeys(scan.detectors, 0)
    for entry in scan.findings["detector"].value_counts().to_pylist():
        counts[entry["values"]] = entry["counts"]
    rules = {"sigma": len(scan.rules.rules), "sigma.correlation": len(scan.rules.correlations)}
    return Summary(
        version=labrys.__version__,
        case=text(scan.case.name),
        time_start=scan.time_start,
        time_end=scan.time_end,
        sources=tuple(
            SourceRead(row.name, row.format, row.size, row.rows, row.unparsed)
            for row in scan.sources
            if row.digest
        ),
        shapes=scan.shapes,
        problems=tuple(problems),
        detectors=tuple(
            DetectorRun(name, rules.get(name, 0), count)
            for name, count in counts.items()
            if name != "sigma.match"
        ),
        rejected=tuple(
            RuleRejected(one.path, one.title, one.reason, one.waiting)
            for one in scan.rules.rejected
        ),
        seconds={"whole scan": scan.cpu_seconds},
        omitted=tuple(omitted),
        copies=copies,
    )


def narrowed(report: "Report", wanted: str) -> "Report":
    """A report of one incident, by its rank or the beginning of its id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from labrys.triage.named import incident

    row = incident(report.incidents, wanted)
    mine = pc.is_in(report.findings["uid"], value_set=pa.array(row["findings"], pa.string()))
    return replace(
        report,
        findings=report.findings.filter(mine),
        incidents=report.incidents.filter(pc.equal(report.incidents["uid"], row["uid"])),
        folded=report.folded.slice(0, 0),
    )


def write(report: "Report", form: Form, out: Path | None) -> None:
    """Write a report to a file, or to standard output."""
    pieces: Iterator[bytes]
    if form is Form.TABLE:
        from labrys.report.table import write as draw

        to_screen = out is None and sys.stdout.isatty()
        width = shutil.get_terminal_size((100, 40)).columns
        color = to_screen and "NO_COLOR" not in os.environ
        pieces = draw(report, width=width, color=color, whole=out is not None)
    else:
        pieces = import_module(f"labrys.report.{form.value}").write(report)
    if form in _JSON:
        pieces = map(spelled, pieces)
    with opened(out) as stream:
        for piece in pieces:
            stream.write(piece)


def spelled(json: bytes) -> bytes:
    """JSON that says the same, with what acts on a terminal or reorders a line as `\\u…`."""
    made = _ACTING.sub(lambda found: f"\\u{ord(found.group()):04x}", json.decode())
    return made.encode()

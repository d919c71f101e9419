"""Findings and incidents → what people and programs read: one module for each format.

Every format is a pure function `write(report) -> Iterator[bytes]`; `FORMATS` names them.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Final

from labrys.report.contents import Report
from labrys.report.summary import DetectorRun, Problem, RuleRejected, SourceRead, Summary, verdict

FORMATS: Final = {
    "table": "labrys.report.table",
    "ndjson": "labrys.report.ndjson",
    "csv": "labrys.report.csv",
    "html": "labrys.report.html",
    "stix": "labrys.report.stix",
    "misp": "labrys.report.misp",
    "navigator": "labrys.report.navigator",
    "timesketch": "labrys.report.timesketch",
}


def write(report: Report, form: str) -> Iterator[bytes]:
    """The report in one of `FORMATS`, in pieces; KeyError for any other. Modules load when used."""
    made: Iterator[bytes] = import_module(FORMATS[form]).write(report)
    return made


__all__ = [
    "FORMATS",
    "DetectorRun",
    "Problem",
    "Report",
    "RuleRejected",
    "SourceRead",
    "Summary",
    "verdict",
    "write",
]

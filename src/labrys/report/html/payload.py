"""What the page shows, as compact JSON: names once, findings as short rows that refer to them.

Bounded: the worst incidents, of each its first findings with every rule present, and a budget for
the whole page. What is left out is counted, and the page says so.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys import __version__
from labrys.lake.places import NOWHERE
from labrys.ocsf.attack import notice, technique
from labrys.report.contents import Report, Row
from labrys.report.summary import Summary, verdict
from labrys.report.visible import visible
from labrys.triage.chain import in_order, order, tactic_name
from labrys.triage.identity import identify, process_name

INCIDENTS: Final = 300
PER_INCIDENT: Final = 200
FINDINGS: Final = 4000
_TACTIC: Final = re.compile(r"[a-z]+(-[a-z]+)*")
_NEWER: Final = 6
"""How many tactics that we have no name for have a place in the kill chain, at its end."""
_AT_LEAST: Final = 3
_PER_RULE: Final = 5
"""Findings of each rule that are shown before any rule shows more."""
_FIELDS: Final = 40
_FIELD: Final = 400
_RECORDS: Final = 400_000
"""Characters of evidence fields in all."""
_LISTED: Final = 500


@dataclass(slots=True)
class _Names:
    """Values that rows refer to by number."""

    numbers: dict[Any, int] = field(default_factory=dict)
    values: list[Any] = field(default_factory=list)

    def number(self, key: Any, value: Any) -> int:
        """The number of a value, known by its key."""
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = len(self.values)
            self.values.append(value)
        return found


@dataclass(slots=True)
class _Page:
    rules: _Names = field(default_factory=_Names)
    entities: _Names = field(default_factory=_Names)
    sources: _Names = field(default_factory=_Names)
    techniques: dict[str, str] = field(default_factory=dict)
    records: dict[str, dict[str, str]] = field(default_factory=dict)
    spent: int = 0
    left: int = FINDINGS


def payload(report: Report) -> dict[str, Any]:
    """Everything on the page."""
    page = _Page()
    incidents = []
    listed = report.incidents.slice(0, INCIDENTS).to_pylist()
    for number, row in enumerate(listed):
        # However large the first incidents are, every later one still shows a few findings.
        kept = _AT_LEAST * (len(listed) - number - 1)
        most = max(_AT_LEAST, min(PER_INCIDENT, page.left - kept))
        incidents.append(_incident(report, page, number, row, most))
    used = {tactic for row in incidents for tactic in row["tactics"]}
    newer = sorted(name for name in used - order().keys() if _TACTIC.fullmatch(name))
    tactics = in_order([*order(), *newer[:_NEWER]])
    split = {"stealth", "defense-impairment"}
    left_out = {"defense-evasion"} - used if used & split else split - used
    return {
        "version": visible(report.summary.version or __version__, 40),
        "case": visible(report.summary.case, 200),
        "verdict": verdict(report.summary, report.incidents.num_rows),
        "inconclusive": report.summary.inconclusive,
        "span": _span(report),
        "counts": {
            "incidents": report.incidents.num_rows,
            "findings": report.findings.num_rows,
            "records": report.summary.records,
            "sources": len(report.summary.sources),
            "unparsed": report.summary.unparsed,
            "folded": int(sum(report.folded["count"].to_pylist())),
        },
        "severities": _severities(report.incidents),
        "tactics": [[name, tactic_name(name)] for name in tactics if name not in left_out],
        "incidents": incidents,
        "folded": [_folded(row) for row in report.folded.slice(0, _LISTED).to_pylist()],
        "foldedRules": report.folded.num_rows,
        "rules": page.rules.values,
        "entities": page.entities.values,
        "sources": page.sources.values,
        "techniques": page.techniques,
        "records": page.records,
        "scan": _scan(report.summary),
        "notice": notice(),
    }


def _incident(report: Report, page: _Page, number: int, row: Row, most: int) -> dict[str, Any]:
    found = report.members(number)
    chosen = _chosen(found, most)
    page.left -= len(chosen)
    rows = found.take(pa.array(chosen, pa.int64())).to_pylist()
    known = _identities(rows)
    for uid in row["techniques"] or ():
        named = technique(uid)
        page.techniques[visible(uid, 20)] = named.name if named else ""
    return {
        "uid": row["uid"],
        "rank": row["rank"],
        "title": visible(row["title"], 300),
        "summary": visible(row["summary"], 2000),
        "score": row["score"],
        "severity": row["severity_id"],
        "confidence": row["confidence"],
        "start": row["time_start"],
        "end": row["time_end"],
        "tactics": [visible(name, 40) for name in row["tactics"] or ()],
        "techniques": [visible(uid, 20) for uid in row["techniques"] or ()],
        "advice": [visible(step, 600) for step in row["advice"] or ()],
        "total": found.num_rows,
        "rules": pc.count_distinct(found["rule_uid"]).as_py(),
        "perTactic": _per_tactic(found),
        "findings": [_finding(report, page, each, known) for each in rows],
    }


def _chosen(found: pa.Table, most: int) -> list[int]:
    """The rows to show: some of every rule, worst rules first, and others spread over the rest."""
    if found.num_rows <= most:
        return list(range(found.num_rows))
    rule = found["rule_uid"].combine_chunks().dictionary_encode().indices.to_numpy()
    severity = found["severity_id"].fill_null(1).to_numpy()
    sorting = np.lexsort((np.arange(len(rule)), rule))
    begin = np.searchsorted(rule[sorting], rule[sorting])
    nth = np.empty(len(rule), np.int64)
    nth[sorting] = np.arange(len(rule)) - begin
    first = np.flatnonzero(nth < _PER_RULE)
    first = first[np.lexsort((first, nth[first], -severity[first]))][:most]
    rest = np.setdiff1d(np.arange(len(rule)), first)
    spread = rest[np.linspace(0, len(rest) - 1, max(0, most - len(first))).astype(int)]
    made: list[int] = np.union1d(first, spread).tolist()
    return made


def _identities(rows: list[Row]) -> dict[tuple[str, str], tuple[str, str, bool]]:
    """For each entity as written: what it is called, how it compares, and whether it tells much."""
    pairs = sorted({(e["type"], e["value"]) for row in rows for e in row["entities"] or ()})
    found = identify([kind for kind, _ in pairs], [value for _, value in pairs])
    programs = _programs(rows)
    longest: dict[tuple[str, str], str] = {}
    for (kind, value), each in zip(pairs, found, strict=True):
        if kind == "process" and value in programs and each.key:
            longest[kind, each.key] = process_name(each.key, programs[value])
            continue
        have = longest.setdefault((kind, each.key), each.shown)
        if len(each.shown) > len(have):
            longest[kind, each.key] = each.shown
    return {
        pair: (longest[pair[0], each.key] or pair[1], each.key or pair[1], each.alone or each.part)
        for pair, each in zip(pairs, found, strict=True)
    }


def _programs(rows: list[Row]) -> dict[str, str]:
    """The program of each process, where a finding names both in the same role."""
    made: dict[str, str] = {}
    for row in rows:
        files: dict[bool, str] = {}
        for each in row["entities"] or ():
            if each["type"] == "file" and each["role"] in ("actor", "parent"):
                files.setdefault(each["role"] == "parent", each["value"])
        for each in row["entities"] or ():
            path = files.get(each["role"] == "parent")
            if each["type"] == "process" and path:
                made.setdefault(each["value"], path)
    return made


def _finding(
    report: Report, page: _Page, row: Row, known: Mapping[tuple[str, str], tuple[str, str, bool]]
) -> list[Any]:
    """One finding as a row; `incident.js` names the columns."""
    entities = []
    for each in row["entities"] or ():
        shown, key, telling = known[each["type"], each["value"]]
        place = report.where.of(each["value"]) if each["type"] == "ip" else NOWHERE
        if place:
            shown = f"{shown} ({place})"
        value = [visible(each["type"], 20), visible(shown, 160), int(telling)]
        number = page.entities.number((each["type"], key), value)
        if number not in entities:
            entities.append(number)
    evidence = row["evidence"] or []
    first = evidence[0] if evidence else None
    if first:
        _keep_record(report, page, first["_id"])
    return [
        _rule(page, row),
        row["time_start"],
        row["time_end"] if row["time_end"] != row["time_start"] else None,
        row["severity_id"] or 1,
        row["confidence"],
        entities[:16],
        visible(row["why"] or "", 300),
        page.sources.number(first["_source"], visible(first["_source"], 300)) if first else -1,
        first["_offset"] if first else None,
        visible(first["_id"], 60) if first else "",
        len(evidence),
        [
            [visible(each["feature"], 80), visible(each["value"], 200), each["weight"]]
            for each in (row["reasons"] or ())[:8]
        ],
    ]


def _rule(page: _Page, row: Row) -> int:
    value = {
        "uid": visible(row["rule_uid"] or "", 80),
        "title": visible(row["title"] or row["rule_uid"] or "", 200),
        "author": visible(row["author"] or "", 120),
        "detector": visible(row["detector"] or "", 40),
        "shape": visible(row["shape"] or "", 80),
        "tactics": [visible(name, 40) for name in row["tactics"] or ()],
        "techniques": [visible(uid, 20) for uid in row["techniques"] or ()],
        "advice": visible(row["advice"] or "", 400),
    }
    return page.rules.number((row["rule_uid"], row["title"], row["shape"]), value)


def _keep_record(report: Report, page: _Page, uid: str) -> None:
    record = report.records.get(uid)
    if record is None or page.spent > _RECORDS or uid in page.records:
        return
    made = {
        visible(name, 80): visible(value, _FIELD)
        for name, value in list(record.items())[:_FIELDS]
        if value not in (None, "")
    }
    if len(record) > _FIELDS:
        made["…"] = f"{len(record) - _FIELDS} more fields"
    page.spent += sum(len(name) + len(value) for name, value in made.items())
    page.records[visible(uid, 60)] = made


def _per_tactic(found: pa.Table) -> dict[str, list[int]]:
    """For each tactic how many findings show it, and how bad the worst is."""
    made: dict[str, list[int]] = {}
    rows = pa.table(
        {
            "key": pc.binary_join(found["tactics"].combine_chunks(), " "),
            "severity": found["severity_id"],
        }
    )
    grouped = rows.group_by("key").aggregate([("severity", "max"), ("severity", "count")])
    for key, worst, count in zip(*(grouped[name].to_pylist() for name in _GROUPED), strict=True):
        for tactic in (key or "").split():
            have = made.setdefault(visible(tactic, 40), [0, 0])
            have[0] += count
            have[1] = max(have[1], worst or 1)
    return made


_GROUPED: Final = ("key", "severity_max", "severity_count")


def _span(report: Report) -> list[int | None]:
    """From when to when the evidence is, or else the incidents."""
    summary = report.summary
    if summary.time_start is not None:
        return [summary.time_start, summary.time_end]
    begun, ended = report.incidents["time_start"], report.incidents["time_end"]
    return [pc.min(begun).as_py(), pc.max(ended).as_py()]


def _severities(incidents: pa.Table) -> list[int]:
    """How many incidents there are of each severity, 1 to 5."""
    made = np.bincount(
        np.asarray(incidents["severity_id"].fill_null(1).to_numpy(), int), minlength=6
    )
    return [int(count) for count in made[1:6]]


def _folded(row: Row) -> list[Any]:
    return [
        visible(row["title"] or row["rule_uid"], 200),
        row["severity_id"],
        row["count"],
        row["hosts"],
        row["time_start"],
        row["time_end"],
        visible(row["detector"] or "", 40),
        visible(row["author"] or "", 120),
    ]


def _scan(summary: Summary) -> dict[str, Any]:
    """What was read and run; of each list at most `_LISTED`, and how many there were."""
    shapes = sorted(summary.shapes.items(), key=lambda item: (-item[1], item[0]))
    unread = sorted(summary.sources, key=lambda each: bool(each.format) and not each.unparsed)
    return {
        "sources": [
            [visible(each.name, 300), visible(each.format, 40), each.size, each.records, each.unparsed]
            for each in unread[:_LISTED]
        ],
        "sourceCount": len(summary.sources),
        "shapes": [[visible(name, 120), count] for name, count in shapes[:_LISTED]],
        "problems": [
            [visible(each.source, 300), each.offset, visible(each.reason, 400), each.count]
            for each in summary.problems[:_LISTED]
        ],
        "problemCount": len(summary.problems),
        "detectors": [
            [visible(each.id, 60), each.rules, each.findings]
            for each in summary.detectors[:_LISTED]
        ],
        "rejected": [
            [visible(each.path, 300), visible(each.title, 200), visible(each.reason, 400), each.waiting]
            for each in summary.rejected[:_LISTED]
        ],
        "rejectedCount": len(summary.rejected),
        "seconds": [[visible(name, 40), value] for name, value in summary.seconds.items()],
        "omitted": [visible(text, 400) for text in summary.omitted[:_LISTED]],
    }  # fmt: skip

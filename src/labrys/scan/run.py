"""One scan from paths to incidents: read, search, correlate, join."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.contract import RowDetector, WindowDetector
from labrys.detect.registry import detectors as discovered
from labrys.detect.sigma.findings import MATCH
from labrys.detect.sigma.ir import RuleSet
from labrys.lake.case import Case
from labrys.lake.engine import connect
from labrys.lake.ledger import SourceRow
from labrys.scan.detection import (
    CORRELATION,
    correlator_digest,
    run_correlations,
    run_windows,
    search_remotely,
    search_rest,
    unique,
)
from labrys.scan.ingest import CONTAINER, DiskFull, Reading, Watcher, ingest
from labrys.scan.rules import load
from labrys.triage import Triage, incidents


@dataclass(frozen=True, slots=True)
class Options:
    """What to scan, with what; every field but `paths` has a default that works."""

    paths: tuple[Path, ...]
    rules: tuple[Path, ...] = ()
    placeholders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    engine: str = "duckdb"
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan came to; `sources` are those of the paths given, `shapes` rows of the case."""

    case: Path
    sources: tuple[SourceRow, ...]
    shapes: Mapping[str, int]
    findings: pa.Table
    triage: Triage
    rules: RuleSet
    detectors: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def inconclusive(self) -> bool:
        """Whether something could not be read, so that silence about it means nothing."""
        return bool(self.notes) or any(
            row.problems or row.unparsed or row.state in ("failed", "unknown", "partial")
            for row in self.sources
        )


def scan(case: Case, options: Options, watch: Watcher) -> Scan:
    """Scan `options.paths` into `case`. What is there already is not read again."""
    begun = time.monotonic()
    watch.step("loading rules")
    rules, sigma = load(options.rules, options.placeholders)
    rows: list[RowDetector] = [sigma] if _wanted("sigma", options) else []
    rows += [made for made in discovered() if made.kind == "row" and _wanted(made.id, options)]
    windows = [made for made in discovered() if made.kind == "window" and _wanted(made.id, options)]
    remote = options.engine != "duckdb"
    notes: list[str] = []
    watch.step("finding evidence")
    try:
        names = ingest(case, options.paths, options.reading, () if remote else rows, watch)
    except DiskFull as full:
        notes.append(f"{full}: the rest was not read; free some space and scan again")
        names = frozenset(row.name for row in case.sources())
    engine = connect(case, options.engine) if remote else None
    try:
        if engine is None:
            search_rest(case, rows, watch)
        else:
            search_remotely(case, engine, rows, watch)
        run_windows(case, engine, windows, watch)
        if sigma in rows and (made := run_correlations(case, rules, sigma, watch)) is not None:
            notes.extend(f"correlation {uid} cannot run: {why}" for uid, why in made.problems)
    finally:
        if engine is not None:
            engine.close()
    return conclude(case, names, rules, rows, windows, notes, begun, watch)


def conclude(
    case: Case,
    names: frozenset[str],
    rules: RuleSet,
    rows: Sequence[RowDetector],
    windows: Sequence[WindowDetector],
    notes: Sequence[str],
    begun: float,
    watch: Watcher,
) -> Scan:
    """Join what the detectors have found to incidents, and say what was read."""
    watch.step("joining findings")
    current = {name: each.digest for each in rows for name in each.emits}
    current |= {each.id: each.digest for each in windows}
    current |= {CORRELATION: correlator_digest(each) for each in rows if MATCH in each.emits}
    findings = unique(case.findings(current))
    findings = findings.filter(pc.not_equal(findings["detector"], MATCH))
    sources = [row for row in case.sources() if row.format != CONTAINER]
    return Scan(
        case=case.path,
        sources=tuple(row for row in sources if _belongs(row.name, names)),
        shapes={shape: held.rows for shape, held in case.shapes().items()},
        findings=findings,
        triage=incidents(findings),
        rules=rules,
        detectors=tuple(current),
        notes=tuple(notes),
        seconds=time.monotonic() - begun,
    )


def _wanted(detector: str, options: Options) -> bool:
    return not options.only or detector in options.only


def _belongs(name: str, names: frozenset[str]) -> bool:
    return name in names or name.partition("!/")[0] in names

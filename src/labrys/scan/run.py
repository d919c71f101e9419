"""One scan from paths to incidents: read, search, correlate, join."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.decisions import Exclusion, hidden, kept, lessons
from labrys.detect.contract import RowDetector, WindowDetector
from labrys.detect.registry import detectors as discovered
from labrys.detect.sigma.findings import MATCH
from labrys.detect.sigma.ir import RuleSet
from labrys.lake.case import Case
from labrys.lake.engine import connect
from labrys.lake.ledger import SourceRow
from labrys.lake.places import Places
from labrys.scan.detection import (
    CORRELATION,
    correlator_digest,
    placed,
    run_correlations,
    run_windows,
    search_remotely,
    search_rest,
    unique,
)
from labrys.scan.ingest import CONTAINER, DiskFull, Reading, Watcher, ingest, writing
from labrys.scan.rules import armed, load
from labrys.settings import Asset
from labrys.triage import Triage, incidents
from labrys.triage.roles import roles


@dataclass(frozen=True, slots=True)
class Options:
    """What to scan, with what; every field but `paths` has a default that works."""

    paths: tuple[Path, ...]
    rules: tuple[Path, ...] = ()
    placeholders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    engine: str = "duckdb"
    engine_memory: str = "2GB"
    decisions: str = ""
    assets: Mapping[str, Asset] = field(default_factory=dict)
    places: Places = field(default_factory=Places)
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan came to; `sources` are those of the paths given, `shapes` rows of the case.

    `excluded` says how many findings each exception hides; they are not among `findings`.
    """

    case: Path
    sources: tuple[SourceRow, ...]
    shapes: Mapping[str, int]
    findings: pa.Table
    triage: Triage
    rules: RuleSet
    detectors: tuple[str, ...]
    notes: tuple[str, ...]
    excluded: tuple[tuple[Exclusion, int], ...]
    seconds: float
    cpu_seconds: float
    time_start: int | None = None
    time_end: int | None = None
    places: Places = field(default_factory=Places)

    @property
    def inconclusive(self) -> bool:
        """Whether something could not be read, so that silence about it means nothing."""
        return bool(self.notes) or any(
            row.problems or row.unparsed or row.state in ("failed", "unknown", "partial")
            for row in self.sources
        )


@dataclass(frozen=True, slots=True)
class Equipment:
    """The detectors of a scan, and the rules of the Sigma detector (None when it does not run)."""

    rules: RuleSet
    sigma: RowDetector | None
    rows: tuple[RowDetector, ...]
    windows: tuple[WindowDetector, ...]

    def current(self) -> dict[str, str]:
        """Under which name, and as which version, each of them leaves findings."""
        names = {name: each.digest for each in self.rows for name in each.emits}
        names |= {each.id: each.digest for each in self.windows}
        if self.sigma is not None:
            names[CORRELATION] = correlator_digest(self.sigma)
        return names


def equip(options: Options) -> Equipment:
    """Load the detectors that `options` ask for."""
    rules, sigma = load(options.rules, options.placeholders)
    wanted = [made for made in discovered() if _wanted(made.id, options)]
    asked = _wanted(sigma.id, options)
    rows: list[RowDetector] = [sigma] if asked else []
    return Equipment(
        rules=rules,
        sigma=sigma if asked else None,
        rows=(*rows, *(armed(made, rules, sigma) for made in wanted if made.kind == "row")),
        windows=tuple(placed(made, options.places) for made in wanted if made.kind == "window"),
    )


def scan(case: Case, options: Options, watch: Watcher) -> Scan:
    """Scan `options.paths` into `case`. What is there already is not read again."""
    begun = _now()
    watch.step("loading rules")
    tools = equip(options)
    notes: list[str] = []
    watch.step("finding evidence")
    try:
        at_once = tools.rows if options.engine == "duckdb" else ()
        names = ingest(case, options.paths, options.reading, at_once, watch)
    except DiskFull as full:
        notes.append(f"{full}: the rest was not read; free some space and scan again")
        names = frozenset(row.name for row in case.sources())
    if not names:
        notes.append("there are no files in what was given: nothing was read")
    try:
        with writing(case):
            notes.extend(detect_rest(case, tools, options, watch))
    except DiskFull as full:
        notes.append(f"{full}: not everything was searched; free some space and scan again")
    watch.step("joining findings")
    sources = _named(_sources(case), names)
    return _concluded(case, tools, sources, tuple(notes), begun, options)


def detect_rest(case: Case, tools: Equipment, options: Options, watch: Watcher) -> Iterator[str]:
    """Run what has not yet run on all there is; what the user must know about it."""
    engine = connect(case, options.engine) if options.engine != "duckdb" else None
    try:
        if engine is None:
            search_rest(case, tools.rows, watch)
        else:
            search_remotely(case, engine, tools.rows, watch)
        run_windows(case, engine, tools.windows, watch, options.engine_memory, options.places)
        if tools.sigma is not None:
            for uid, why in run_correlations(case, tools.rules, tools.sigma, watch):
                yield f"correlation {uid} cannot run: {why}"
    finally:
        if engine is not None:
            engine.close()


def concluded(
    case: Case,
    tools: Equipment,
    names: frozenset[str],
    notes: tuple[str, ...],
    begun: tuple[float, float],
    options: Options,
) -> Scan:
    """What the case holds now of the sources of these names; `begun` as `_now` gives it."""
    sources = _named(_sources(case), names)
    return _concluded(case, tools, sources, notes, begun, options)


def reopened(
    case: Case,
    decisions: str = "",
    assets: Mapping[str, Asset] | None = None,
    places: Places | None = None,
) -> Scan:
    """What earlier scans of a case came to, from what they found; nothing is read again.

    `decisions` is where exceptions are kept (see `labrys.decisions`), `assets` what people say of
    their hosts and accounts, `places` what is known of addresses.
    """
    nothing = RuleSet("", (), (), (), ())
    tools = Equipment(nothing, None, (), ())
    said = Options((), decisions=decisions, assets=assets or {}, places=places or Places())
    return _concluded(case, tools, tuple(_sources(case)), (), _now(), said)


def found_in(case: Case, tools: Equipment | None = None) -> pa.Table:
    """All findings of a case that are for people, whether an exception hides them or not."""
    current = tools.current() if tools is not None else {}
    findings = unique(case.findings(current or None))
    return findings.filter(pc.not_equal(findings["detector"], MATCH))


def _concluded(
    case: Case,
    tools: Equipment,
    sources: tuple[SourceRow, ...],
    notes: tuple[str, ...],
    begun: tuple[float, float],
    options: Options,
) -> Scan:
    every = found_in(case, tools)
    decided = kept(case.path, options.decisions)
    exclusions = decided.exclusions
    masks = hidden(every, exclusions)
    findings = every if not masks else every.filter(pa.array(~np.logical_or.reduce(masks)))
    seen = roles(case) if findings.num_rows else {}
    parts = case.segments()
    now, cpu = _now()
    return Scan(
        case=case.path,
        sources=sources,
        shapes={shape: held.rows for shape, held in case.shapes().items()},
        findings=findings,
        triage=incidents(findings, lessons(decided), options.assets, seen),
        rules=tools.rules,
        detectors=tuple(tools.current()),
        notes=notes,
        excluded=tuple(
            (each, int(mask.sum())) for each, mask in zip(exclusions, masks, strict=True)
        ),
        seconds=now - begun[0],
        cpu_seconds=cpu - begun[1],
        time_start=min(
            (part.time_min for part in parts if part.time_min is not None), default=None
        ),
        time_end=max((part.time_max for part in parts if part.time_max is not None), default=None),
        places=options.places,
    )


def _now() -> tuple[float, float]:
    """Seconds on the clock, and of processor time with that of the workers that have ended."""
    return time.monotonic(), sum(os.times()[:4])


def _sources(case: Case) -> list[SourceRow]:
    return [row for row in case.sources() if row.format != CONTAINER]


def _wanted(detector: str, options: Options) -> bool:
    return not options.only or detector in options.only


def _named(rows: list[SourceRow], names: frozenset[str]) -> tuple[SourceRow, ...]:
    """The sources of these names, what is in them, and what they are copies of."""
    mine = [row for row in rows if row.name in names or row.name.partition("!/")[0] in names]
    known = {row.name for row in mine}
    originals = {row.same_as for row in mine if row.state == "duplicate"} - known
    return (*mine, *(row for row in rows if row.name in originals))

"""Runs detectors over what rests in the case: rows not yet searched, windows, correlations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.contract import Divisible, RowDetector, WindowDetector
from labrys.detect.sigma import cache
from labrys.detect.sigma.correlate import correlate, from_findings, plan
from labrys.detect.sigma.correlate.plan import Problem
from labrys.detect.sigma.findings import MATCH
from labrys.detect.sigma.ir import RuleSet
from labrys.lake.case import Case, Result
from labrys.lake.engine import DuckEngine, Engine, columns_of, compiled, connect, table
from labrys.lake.places import ADDRESS, COUNTRY, NONE, Places
from labrys.ocsf.schema import FINDING
from labrys.ocsf.sql import class_columns
from labrys.ocsf.vocabulary import class_named
from labrys.scan.ingest import Watcher, search

CORRELATION: Final = "sigma.correlation"
_CORRELATOR_VERSION: Final = "1"


def search_rest(case: Case, detectors: Sequence[RowDetector], watch: Watcher) -> None:
    """Search every segment that a detector, as it is now, has not seen: new rules, old evidence."""
    for detector in detectors:
        rest = case.segments(without=(detector.emits[0], detector.digest))
        if rest:
            watch.step(f"searching {len(rest)} segments again with {detector.id}")
        for segment in rest:
            for result in search(detector, case.tables(segment)):
                case.put_findings(segment, result)


@dataclass(frozen=True, slots=True)
class OnShape:
    """A row detector bound to a shape, as the function an engine runs where the rows are."""

    detector: RowDetector
    shape: str

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The findings in each batch."""
        for batch in batches:
            yield from self.detector.detect(self.shape, pa.Table.from_batches([batch])).to_batches()


def search_remotely(
    case: Case, engine: Engine, detectors: Sequence[RowDetector], watch: Watcher
) -> None:
    """Search the whole case on an engine, where its workers are."""
    for detector in detectors:
        if case.up_to_date(detector.emits[0], detector.digest):
            continue
        watch.step(f"searching with {detector.id} on the engine")
        found = [FINDING.empty_table()]
        for shape in case.shapes():
            # It is sent to every worker, so only as much of it as the shape needs.
            bound = detector.for_shape(shape) if isinstance(detector, Divisible) else detector
            if bound is not None:
                rows = engine.map_arrow(shape, OnShape(bound, shape), FINDING)
                found.append(rows.read_all())
        whole = pa.concat_tables(found)
        for name in detector.emits:
            mine = whole.filter(pc.equal(whole["detector"], name))
            case.put_findings(None, Result(name, detector.digest, mine))


def run_windows(
    case: Case,
    engine: Engine | None,
    detectors: Sequence[WindowDetector],
    watch: Watcher,
    memory: str = "2GB",
    places: Places = NONE,
) -> None:
    """Run the window detectors whose view has rows, unless nothing has changed since.

    `memory` is what DuckDB, where `engine` is None, may hold before it spills to the case; it also
    fills in countries that `places` knows and logs do not say.
    """
    stale = [each for each in detectors if not case.up_to_date(each.id, each.digest)]
    if not stale:
        return
    asked = engine or connect(case, memory=memory)
    try:
        for view in dict.fromkeys(each.reads for each in stale):
            readers = [each for each in stale if each.reads == view]
            if asked.views.find(view) is None:
                found = {each.id: FINDING.empty_table() for each in readers}
            else:
                watch.step(f"looking for {', '.join(each.id for each in readers)} in {view}")
                found = _found(asked, view, readers, places)
            for each in readers:
                case.put_findings(None, Result(each.id, each.digest, found[each.id]))
    finally:
        if engine is None:
            asked.close()


@dataclass(frozen=True, slots=True)
class Placed:
    """A window detector that may find otherwise with other tables of places."""

    detector: WindowDetector
    places: Places

    @property
    def id(self) -> str:
        """As the detector's."""
        return self.detector.id

    @property
    def digest(self) -> str:
        """The detector's, with that of the tables."""
        return f"{self.detector.digest}:{self.places.digest}"

    @property
    def reads(self) -> str:
        """As the detector's."""
        return self.detector.reads

    def features(self, events: Any) -> Any:
        """As the detector's."""
        return self.detector.features(events)

    def score(self, rows: pa.Table) -> pa.Table:
        """As the detector's."""
        return self.detector.score(rows)


def placed(detector: WindowDetector, places: Places) -> WindowDetector:
    """The detector, as one that heeds the tables where the view it reads says where sources are."""
    known = class_named(detector.reads)
    heeds = places and known is not None and COUNTRY in class_columns(known.uid)
    return Placed(detector, places) if heeds else detector


def _found(
    engine: Engine, view: str, readers: Sequence[WindowDetector], places: Places
) -> dict[str, pa.Table]:
    """What the detectors that read one view find in it."""
    if not isinstance(engine, DuckEngine):
        rows = {each.id: engine.arrow(each.features(table(engine, view))) for each in readers}
    else:
        queries = {each.id: _query(engine, each) for each in readers}
        columns = {name for query in queries.values() for name in query["columns"]}
        located = bool(places) and {ADDRESS, COUNTRY} <= columns
        engine.keep(view, sorted(columns | {"_shape"} if located else columns))
        if located:
            engine.locate(view, places)
        rows = {name: engine.sql(query["sql"]).read_all() for name, query in queries.items()}
    return {each.id: each.score(rows[each.id]) for each in readers}


def _query(engine: Engine, detector: WindowDetector) -> dict[str, Any]:
    """A detector's features as SQL, by an earlier run if there was one: Ibis costs more than it."""
    view = engine.views.find(detector.reads)
    columns = sorted(view.columns.items()) if view is not None else []
    asked = repr((detector.id, detector.digest, columns, version("ibis-framework"), 4))
    name = f"{sha256(asked.encode()).hexdigest()[:40]}.query"
    kept = cache.blob(name)
    if kept is None:
        expression = detector.features(table(engine, detector.reads))
        made = {"sql": compiled(expression), "columns": columns_of(expression)}
        kept = orjson.dumps(made)
        cache.put_blob(name, kept)
    query: dict[str, Any] = orjson.loads(kept)
    return query


def run_correlations(
    case: Case, rules: RuleSet, detector: RowDetector, watch: Watcher
) -> tuple[Problem, ...]:
    """Correlate the matches that the Sigma detector has left, unless nothing has changed.

    Returns the correlations that cannot run, and why.
    """
    digest = correlator_digest(detector)
    if not rules.correlations:
        return ()
    if case.up_to_date(CORRELATION, digest):
        return plan(rules)[1]
    watch.step("correlating")
    matches = from_findings(unique(case.findings({MATCH: detector.digest})))
    made = correlate(rules, matches)
    names = pa.repeat(pa.scalar(CORRELATION), made.findings.num_rows)
    at = FINDING.get_field_index("detector")
    found = made.findings.set_column(at, FINDING.field(at), names)
    case.put_findings(None, Result(CORRELATION, digest, found))
    return made.problems


def correlator_digest(detector: RowDetector) -> str:
    """Changes with whatever could change what the correlations find."""
    return f"{_CORRELATOR_VERSION}:{detector.digest}"


def unique(findings: pa.Table) -> pa.Table:
    """Findings with each uid once: segments searched here and on an engine may overlap."""
    uids = findings["uid"].combine_chunks().dictionary_encode()
    if len(uids.dictionary) == findings.num_rows:
        return findings
    rows = pa.table({"code": uids.indices, "row": pa.array(range(len(uids)), pa.int64())})
    first = rows.group_by("code").aggregate([("row", "min")])["row_min"]
    return findings.take(first.take(pc.sort_indices(first)))

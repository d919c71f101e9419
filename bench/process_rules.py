"""Sigma's process-creation rules over a million process events, at three degrees of repetition.

Counted for labrys: dictionary-encoding the text columns and matching every rule, in batches of the
size a scan commits, in one process; not counted: making up the events, loading the rules. The
findings row builds the whole findings too. Peers run the same rules over fewer events (each of
their rules reads each event, so their cost grows with the number of events; what is counted for
each is said in its note), and labrys over exactly those beside them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

from bench.data import Skipped, peer, process_rules, workspace
from bench.measure import Cost, Failed, child, command
from bench.table import LABRYS, Row, per_event

Found = Mapping[str, Sequence[Any]]
"""Rule uid → what it matched, ascending."""

EVENTS: Final = 1_000_000
PEER_EVENTS: Final = 20_000
SAMPLE: Final = 400
_MATCH: Final = "match, {} repetition"
_FINDINGS: Final = "match and build findings, {}"
_READ: Final = """from_file {events} {{ read_ndjson raw=true }}
summarize rows=count()
write_ndjson"""
_SIGMA: Final = """from_file {events} {{ read_ndjson raw=true }}
sigma path={rules}
rule = finding_info.analytic.uid
row = evidences[0].data.row
select rule, row
write_ndjson"""


def run(*, quick: bool) -> list[Row]:
    """All rows."""
    with workspace() as folder:
        rules = process_rules(folder)
        env = {"LABRYS_CACHE": str(folder / "cache")}
        child("process_steps.prepare", env=env, rules=rules)
        rows: list[Row] = []
        for repetition in ("low", "medium", "high"):
            count = EVENTS // 20 if quick else EVENTS
            rows.extend(_ours(folder, rules, repetition, count, env))
        rows.extend(_beside_peers(folder, rules, PEER_EVENTS // 10 if quick else PEER_EVENTS, env))
        return _compared(rows)


def _compared(rows: list[Row]) -> list[Row]:
    """Each row by our cost per event for the same work over the million of medium repetition."""
    ours = {row.work: row for row in rows}
    match, findings = ours[_MATCH.format("medium")], ours[_FINDINGS.format("medium")]
    return [
        replace(row, ratio=per_event(row, findings if "findings" in row.work else match))
        for row in rows
    ]


def _ours(
    folder: Path, rules: Path, repetition: str, count: int, env: dict[str, str]
) -> Iterator[Row]:
    events, pairs = folder / f"{repetition}.arrow", folder / f"{repetition}.pairs"
    child(
        "process_steps.generate",
        env=env,
        count=count,
        repetition=repetition,
        rules=rules,
        out=events,
    )
    cost, made = child("process_steps.match", env=env, events=events, rules=rules, out=pairs)
    _, said = child(
        "process_steps.check", env=env, events=events, pairs=pairs, rules=rules, sample=SAMPLE
    )
    note = (
        f"{made['rules']:,} rules, {made['hits']:,} matches of {made['matching']} rules; "
        f"{said['rows']} rows (half of them matched) × all rules against the plain evaluator; "
        f"not counted: reading the events ({made['cpu']['read']:.2f} s) and rules from the cache "
        f"({made['cpu']['rules']:.2f} s)"
    )
    spent = made["cpu"]["encode"] + made["cpu"]["match"]
    yield Row(
        _MATCH.format(repetition),
        LABRYS,
        cpu=spent,
        events=count,
        peak=cost.peak,
        equal=said["equal"],
        note=note,
    )
    cost, made = child("process_steps.find", env=env, events=events, rules=rules)
    spent = made["cpu"]["encode"] + made["cpu"]["detect"]
    yield Row(
        _FINDINGS.format(repetition),
        LABRYS,
        cpu=spent,
        events=count,
        peak=cost.peak,
        note=f"{made['findings']:,} findings",
    )
    events.unlink()


def _beside_peers(folder: Path, rules: Path, count: int, env: dict[str, str]) -> Iterator[Row]:
    events, pairs = folder / "few.arrow", folder / "few.pairs"
    child(
        "process_steps.generate", env=env, count=count, repetition="medium", rules=rules, out=events
    )
    cost, made = child("process_steps.match", env=env, events=events, rules=rules, out=pairs)
    lines, names = folder / "few.ndjson", folder / "fields.json"
    child("process_steps.as_lines", env=env, events=events, rules=rules, out=lines, fields=names)
    _, ours = child("process_steps.rows_by_rule", pairs=pairs)
    spent = made["cpu"]["encode"] + made["cpu"]["match"]
    yield Row(
        f"match, {count:,} events",
        LABRYS,
        cpu=spent,
        events=count,
        peak=cost.peak,
        note="the peers' events, of medium repetition; their ratios are to what labrys takes for "
        "each of the million",
    )
    yield _duckdb(events, rules, count, env, ours)
    yield _sqlite(lines, names, rules, count, ours)
    yield _tenzir(folder, lines, rules, count, ours)


def _duckdb(events: Path, rules: Path, count: int, env: dict[str, str], ours: Found) -> Row:
    cost, made = child("sql.duckdb_rules", env=env, events=events, rules=rules)
    equal, differ = agreement(ours, made["found"], set(made["failed"]))
    note = (
        "one SELECT for each rule, translated from our compiled form, over lower-cased columns in "
        "memory; counted: the queries, not loading or lower-casing. "
        f"{len(made['failed'])} rules cannot be put so. {differ}"
    )
    work = f"match, {count:,} events"
    return Row(
        work,
        "DuckDB SQL",
        cpu=made["cpu"]["queries"],
        events=count,
        peak=cost.peak,
        equal=equal,
        note=note,
    )


def _sqlite(lines: Path, names: Path, rules: Path, count: int, ours: Found) -> Row:
    work, tool = f"match, {count:,} events", "pySigma → SQLite"
    try:
        python = peer("LABRYS_BENCH_PYSIGMA_SQLITE")
        out = lines.with_suffix(".sqlite.json")
        script = Path(__file__).parent / "peers" / "sqlite.py"
        cost = command([python, script, rules, lines, names, out])
    except (Skipped, Failed) as reason:
        return Row(work, tool, note=str(reason))
    made = json.loads(out.read_text())
    equal, differ = agreement(ours, made["found"], set(made["failed"]))
    note = (
        "pysigma-backend-sqlite's own SQL, one query for each rule, table in memory; counted: the "
        f"queries, not parsing the rules ({made['cpu']['rules']:.1f} s) or inserting. "
        f"{len(made['failed'])} rules do not convert or run. {differ}"
    )
    return Row(
        work,
        tool,
        cpu=made["cpu"]["queries"],
        events=count,
        peak=cost.peak,
        equal=equal,
        note=note,
    )


def _tenzir(folder: Path, lines: Path, rules: Path, count: int, ours: Found) -> Row:
    work, tool = f"match and build findings, {count:,} events", "Tenzir sigma"
    answer, empty = folder / "tenzir.ndjson", folder / "empty.ndjson"
    empty.write_text('{"row":-1}\n')
    try:
        whole = tenzir(tenzir_pipeline(lines, rules), answer)
        start = tenzir(tenzir_pipeline(empty, rules))
        reading = tenzir(_READ.format(events=json.dumps(str(lines))))
        bare = tenzir(_READ.format(events=json.dumps(str(empty))))
    except (Skipped, Failed) as reason:
        return Row(work, tool, note=str(reason))
    _, found = child("process_steps.tenzir_rows", answer=answer)
    equal, differ = agreement(ours, found, set())
    note = (
        f"of {whole.cpu:.1f} s for NDJSON to matches, not counted: starting up and loading the "
        f"rules ({start.cpu:.1f} s), reading the lines ({reading.cpu - bare.cpu:.1f} s). {differ}"
    )
    return Row(
        work,
        tool,
        cpu=whole.cpu - start.cpu - (reading.cpu - bare.cpu),
        events=count,
        peak=whole.peak,
        tree=whole.tree,
        equal=equal,
        note=note,
    )


def tenzir(pipeline: str, out: Path | None = None) -> Cost:
    """Run a pipeline."""
    program = peer("LABRYS_BENCH_TENZIR", "tenzir")
    # It reads these as a configuration's values: some random names of folders are no such.
    home = Path(gettempdir(), "labrys-bench-tenzir")
    state: list[str | Path] = [
        "--state-directory",
        home / "state",
        "--cache-directory",
        home / "cached",
    ]
    return command([program, *state, pipeline], stdout=out)


def tenzir_pipeline(events: Path, rules: Path) -> str:
    """TQL: the rules' ids and row numbers that match."""
    return _SIGMA.format(events=json.dumps(str(events)), rules=json.dumps(str(rules)))


def agreement(ours: Found, theirs: Found, without: set[str]) -> tuple[str, str]:
    """Whether two answers name the same rows for each rule, and in what they differ."""
    every = (set(ours) | set(theirs)) - without
    unlike = sorted(uid for uid in every if ours.get(uid, []) != theirs.get(uid, []))
    if not unlike:
        return "yes", f"The same row ids for all {len(every)} matching rules"
    some = ", ".join(
        f"{uid} {len(ours.get(uid, []))}:{len(theirs.get(uid, []))}" for uid in unlike[:4]
    )
    lost = sum(len(set(ours.get(uid, [])) - set(theirs.get(uid, []))) for uid in unlike)
    more = sum(len(set(theirs.get(uid, [])) - set(ours.get(uid, []))) for uid in unlike)
    return f"no ({len(unlike)} rules)", (
        f"Of {len(every)} matching rules {len(unlike)} differ ({lost} matches only ours, "
        f"{more} only theirs; rule, rows ours:theirs: {some})"
    )

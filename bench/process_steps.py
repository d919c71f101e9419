"""The steps of `process_rules`, each run in a process of its own (`measure.child`)."""

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.child import Laps
from bench.generate import SHAPE, process_events
from bench.scanning import plain_evaluator
from labrys.detect.sigma.fields import Column, derive
from labrys.detect.sigma.ir import RuleSet
from labrys.detect.sigma.logsource import FieldMap, bind
from labrys.detect.sigma.match.engine import Batch, Engine
from labrys.evidence.records import LEADING
from labrys.scan.ingest import Reading
from labrys.scan.rules import load


def prepare(rules: str) -> None:
    """Compile the rules into the cache."""
    load([Path(rules)])


def generate(count: int, repetition: str, rules: str, out: str) -> None:
    """Make up events that hold fragments of the rules' literals; keep them as an Arrow file."""
    compiled, _ = load([Path(rules)])
    table = process_events(count, repetition, literals(compiled))
    with pa.OSFile(out, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def literals(rules: RuleSet) -> dict[str, list[str]]:
    """What rules look for, by field."""
    made: dict[str, list[str]] = {}
    for atom in rules.atoms:
        if atom.field and atom.op in ("contains", "starts", "ends", "eq") and len(atom.value) > 3:
            made.setdefault(atom.field, []).append(atom.value)
    return made


def match(events: str, rules: str, out: str) -> dict[str, Any]:
    """Encode and match in batches of a scan's size; keep the (rule, row) pairs."""
    laps = Laps()
    with laps.lap("read"):
        table = read(events)
    with laps.lap("rules"):
        compiled, _ = load([Path(rules)])
        engine = Engine(compiled, Engine(compiled).compiled())
        numbers, fields = bound(compiled)
    found_rules, found_rows = [], []
    for first, part in batches(table):
        with laps.lap("encode"):
            part = encoded(part)
        with laps.lap("match"):
            resolve = resolver(part, fields)
            batch = Batch(part.num_rows, partial(searched, part))
            made = engine.match(numbers, batch, resolve)
        for number, rows in made.rows.items():
            found_rules.append(np.full(len(rows), number, np.int64))
            found_rows.append(rows + first)
    empty = np.empty(0, np.int64)
    pairs = pa.table(
        {
            "rule": np.concatenate([empty, *found_rules]),
            "row": np.concatenate([empty, *found_rows]),
        }
    )
    uids = pa.array([rule.uid for rule in compiled.rules])
    pairs = pairs.append_column("uid", uids.take(pairs["rule"]))
    with pa.OSFile(out, "wb") as sink, pa.ipc.new_file(sink, pairs.schema) as writer:
        writer.write_table(pairs)
    return {
        "cpu": laps.cpu,
        "rules": len(numbers),
        "hits": pairs.num_rows,
        "matching": len(pairs["rule"].unique()),
    }


def find(events: str, rules: str) -> dict[str, Any]:
    """The same through the detector, which builds the findings too."""
    laps = Laps()
    table = read(events)
    _, detector = load([Path(rules)])
    findings = 0
    for _, part in batches(table):
        with laps.lap("encode"):
            part = encoded(part)
        with laps.lap("detect"):
            findings += detector.detect(SHAPE, part).num_rows
    return {"cpu": laps.cpu, "findings": findings}


def check(events: str, pairs: str, rules: str, sample: int) -> dict[str, Any]:
    """A sample of rows × all rules against the plain evaluator of the tests."""
    reference = plain_evaluator()
    table, found = read(events), read(pairs)
    compiled, _ = load([Path(rules)])
    numbers, fields = bound(compiled)
    draw = random.Random(11)
    matched = found["row"].unique().to_pylist()
    rows = set(draw.sample(matched, min(sample // 2, len(matched))))
    while len(rows) < min(sample, table.num_rows):
        rows.add(draw.randrange(table.num_rows))
    chosen = sorted(rows)
    ours: dict[int, set[int]] = {row: set() for row in chosen}
    for rule, row in zip(found["rule"].to_pylist(), found["row"].to_pylist(), strict=True):
        if row in ours:
            ours[row].add(rule)
    part = table.take(pa.array(chosen))
    unlike = 0
    for row, event in zip(chosen, reference.events(compiled, part, fields), strict=True):
        theirs = {
            number
            for number in numbers
            if reference.holds(compiled.rules[number].when, compiled, event)
        }
        unlike += len(theirs ^ ours[row])
    return {
        "rows": len(chosen),
        "matches": sum(map(len, ours.values())),
        "equal": "yes" if not unlike else f"no ({unlike} pairs)",
    }


def as_lines(events: str, rules: str, out: str, fields: str) -> None:
    """The events as JSON lines with the fields that rules name and a row number, for peers."""
    table = read(events)
    compiled, _ = load([Path(rules)])
    named = rule_columns(compiled, table)
    Path(fields).write_text(json.dumps(list(named)))
    columns = {name: column.to_pylist() for name, column in named.items() if column is not None}
    with Path(out).open("w", encoding="utf-8") as stream:
        for row in range(table.num_rows):
            said = {name: cells[row] for name, cells in columns.items() if cells[row] is not None}
            stream.write(json.dumps({"row": row, **said}) + "\n")


def rows_by_rule(pairs: str) -> dict[str, list[int]]:
    """Rule uid → ascending rows."""
    return grouped(read(pairs).select(["uid", "row"]).to_pylist(), "uid")


def tenzir_rows(answer: str) -> dict[str, list[int]]:
    """Rule uid → ascending rows, from Tenzir's answer."""
    with Path(answer).open(encoding="utf-8") as stream:
        return grouped([json.loads(line) for line in stream], "rule")


def grouped(rows: list[dict[str, Any]], name: str) -> dict[str, list[int]]:
    """Rows by a column."""
    made: dict[str, set[int]] = {}
    for row in rows:
        made.setdefault(row[name], set()).add(int(row["row"]))
    return {key: sorted(values) for key, values in made.items()}


def read(path: str) -> pa.Table:
    """A whole Arrow file."""
    with pa.OSFile(path) as source, pa.ipc.open_file(source) as opened:
        return opened.read_all()


def batches(table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """(first row, rows) in pieces of the size at which a scan commits."""
    rows = max(int(Reading().flush_bytes * table.num_rows / max(table.nbytes, 1)), 1)
    for first in range(0, table.num_rows, rows):
        yield first, table.slice(first, rows)


def encoded(table: pa.Table) -> pa.Table:
    """Text columns by dictionary, as a scan does it."""
    columns = [
        pa.concat_arrays(column.chunks).dictionary_encode()
        if name != "_id" and pa.types.is_string(column.type)
        else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.table(columns, names=table.column_names)


def searched(table: pa.Table) -> list[Column]:
    """The columns that keywords are looked for in."""
    return [table[name] for name in table.column_names if name not in LEADING.names]


def bound(rules: RuleSet) -> tuple[list[int], FieldMap]:
    """The rules' numbers and how they read the events; all of one log source."""
    (source,) = {rule.logsource for rule in rules.rules}
    fields = bind(source, SHAPE)
    if fields is None or fields.where:
        raise ValueError(f"{source} does not read the whole of {SHAPE}")
    return list(range(len(rules.rules))), fields


def resolver(table: pa.Table, fields: FieldMap) -> Callable[[str], Column | None]:
    """Rule field → column, each made once."""
    made: dict[str, Column | None] = {}

    def resolve(name: str) -> Column | None:
        if name not in made:
            made[name] = derive(fields.column(name), table)
        return made[name]

    return resolve


def rule_columns(rules: RuleSet, table: pa.Table) -> dict[str, Column | None]:
    """Every field that a rule names, as a column; None where the events lack it."""
    _, fields = bound(rules)
    resolve = resolver(table, fields)
    names = {atom.field for atom in rules.atoms if atom.field is not None}
    names |= {atom.value for atom in rules.atoms if atom.op == "fieldref"}
    return {name: resolve(name) for name in sorted(names)}

"""The compiled rules as SQL, one SELECT for each, run by DuckDB."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from bench.child import Laps
from bench.process_steps import read, rule_columns
from labrys.detect.sigma.ir import All, Any_, Atom, Leaf, Node, Not, RuleSet
from labrys.scan.rules import load

_TESTS = {"contains": "contains", "starts": "starts_with", "ends": "suffix"}


class Unsupported(Exception):
    """What this SQL cannot say."""


def duckdb_rules(events: str, rules: str) -> dict[str, Any]:
    """Every rule's rows by DuckDB; loading and lower-casing happen before."""
    laps = Laps()
    compiled, _ = load([Path(rules)])
    table = read(events)
    columns = {
        name: pa.nulls(table.num_rows, pa.string()) if column is None else plain(column)
        for name, column in rule_columns(compiled, table).items()
    }
    lowered = {f"{name} lowered": pc.utf8_lower(column) for name, column in columns.items()}
    numbers = pa.array(range(table.num_rows), pa.int64())
    whole = pa.table({"row number": numbers, **columns, **lowered})
    with duckdb.connect(":memory:") as db:
        db.register("arrow", whole)
        db.execute("CREATE TABLE events AS SELECT * FROM arrow")
        db.unregister("arrow")
        found: dict[str, list[int]] = {}
        failed: dict[str, str] = {}
        for rule in compiled.rules:
            try:
                query = f'SELECT "row number" FROM events WHERE {condition(rule.when, compiled)}'
                with laps.lap("queries"):
                    rows = db.execute(query).fetchnumpy()["row number"]
            except (Unsupported, duckdb.Error) as reason:
                failed[rule.uid] = str(reason)[:200]
                continue
            if len(rows):
                found[rule.uid] = sorted(rows.tolist())
    return {"cpu": laps.cpu, "found": found, "failed": failed}


def plain(column: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as plain text."""
    made = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    return made.cast(pa.string())


def condition(node: Node, rules: RuleSet) -> str:
    """A condition as SQL that is never null."""
    if isinstance(node, Leaf):
        return f"coalesce({comparison(rules.atoms[node.atom])}, false)"
    if isinstance(node, Not):
        return f"(NOT {condition(node.part, rules)})"
    word, empty = (" AND ", "true") if isinstance(node, All) else (" OR ", "false")
    assert isinstance(node, All | Any_)
    return f"({word.join(condition(part, rules) for part in node.parts) or empty})"


def comparison(atom: Atom) -> str:
    """One atom as SQL."""
    if atom.field is None:
        raise Unsupported("a keyword is searched in every column")
    column = named(atom.field if atom.cased or atom.op == "re" else f"{atom.field} lowered")
    value = text(atom.value if atom.cased or atom.op == "re" else atom.value.lower())
    if atom.op == "eq":
        return f"{column} = {value}"
    if atom.op in _TESTS:
        return f"{_TESTS[atom.op]}({column}, {value})"
    if atom.op == "glob":
        return f"regexp_full_match({column}, {text(''.join(globbed(atom.value.lower())))}, 's')"
    if atom.op == "re":
        # DuckDB's own flags say otherwise than RE2's defaults about line ends: say them inside.
        flags = "".join(sorted(set(atom.flags)))
        return (
            f"regexp_matches({column}, {text(f'(?{flags}:{atom.value})' if flags else atom.value)})"
        )
    if atom.op == "null":
        return f"{column} IS NULL"
    if atom.op == "exists":
        return f"{column} IS {'NOT ' if atom.value == 'true' else ''}NULL"
    if atom.op == "fieldref" and not atom.flags:
        return f"{column} = {named(atom.value if atom.cased else f'{atom.value} lowered')}"
    raise Unsupported(f"no SQL for {atom.op} {atom.flags}")


def globbed(value: str) -> Iterator[str]:
    """A glob as a regular expression."""
    signs = {"*": ".*", "?": "."}
    characters = iter(value)
    for char in characters:
        if char == "\\":
            following = next(characters, "")
            yield (
                re.escape(following)
                if following in ("*", "?", "\\") and following
                else (re.escape("\\") + "".join(globbed(following)))
            )
        else:
            yield signs.get(char) or re.escape(char)


def named(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A quoted string."""
    return "'" + value.replace("'", "''") + "'"

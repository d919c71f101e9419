"""Sigma rules as pySigma's SQLite backend puts them, run by SQLite.

Runs under a Python of its own that has pysigma-backend-sqlite: `sqlite.py RULES LINES FIELDS OUT`.
"""

import json
import re
import resource
import sqlite3
import sys
from pathlib import Path

from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError


def main() -> None:
    """Convert, insert, query; the answer goes to OUT as JSON."""
    rules, lines, fields, out = map(Path, sys.argv[1:])
    begun = used()
    parsed = SigmaCollection.load_ruleset([str(rules)])
    backend = sqliteBackend()
    queries: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    for rule in parsed:
        try:
            queries[str(rule.id)] = backend.convert_rule(rule)
        except (SigmaError, NotImplementedError) as reason:
            failed[str(rule.id)] = str(reason)[:200]
    after_rules = used()
    db = sqlite3.connect(":memory:")
    db.create_function("REGEXP", 2, regexp, deterministic=True)
    names = [*json.loads(fields.read_text()), "row"]
    columns = ", ".join(f'"{name}" TEXT COLLATE NOCASE' for name in names[:-1])
    db.execute(f'CREATE TABLE logs ({columns}, "row" INTEGER)')
    marks = ", ".join("?" * len(names))
    with lines.open(encoding="utf-8") as stream:
        events = (json.loads(line) for line in stream)
        rows = ([event.get(name) for name in names] for event in events)
        db.executemany(f"INSERT INTO logs VALUES ({marks})", rows)
    after_insert = used()
    found: dict[str, list[int]] = {}
    for uid, several in queries.items():
        try:
            for query in several:
                wanted = query.replace("SELECT * FROM logs", 'SELECT "row" FROM logs', 1)
                rows_found = [row for (row,) in db.execute(wanted)]
                if rows_found:
                    found[uid] = sorted({*found.get(uid, []), *rows_found})
        except sqlite3.Error as reason:
            failed[uid] = str(reason)[:200]
    cpu = {
        "rules": after_rules - begun,
        "insert": after_insert - after_rules,
        "queries": used() - after_insert,
    }
    out.write_text(json.dumps({"cpu": cpu, "found": found, "failed": failed}))


def regexp(pattern: str, value: str | None) -> bool:
    """SQLite's REGEXP operator."""
    return value is not None and re.search(pattern, value) is not None


def used() -> float:
    """CPU seconds of this process so far."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


if __name__ == "__main__":
    main()

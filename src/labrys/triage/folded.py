"""Folds weak findings that belong to no incident into a handful of lines."""

from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa

from labrys.ocsf.schema import Severity
from labrys.triage.arrays import Ints, numbered, unique
from labrys.triage.chain import order
from labrys.triage.columns import NO_TIME, Columns
from labrys.triage.entities import KIND
from labrys.triage.identity import cut

FOLDED: Final = pa.schema(
    [
        ("rule_uid", pa.string()),  # empty where a line stands for several rules
        ("title", pa.string()),
        ("detector", pa.string()),
        ("author", pa.string()),
        ("severity_id", pa.int8()),
        ("count", pa.int64()),
        ("hosts", pa.int64()),  # how many different hosts; 0 where none is named
        ("time_start", pa.int64()),
        ("time_end", pa.int64()),
        ("line", pa.string()),
        ("findings", pa.list_(pa.string())),
    ]
)
"""Weak findings that belong to no incident: one row for each rule, worst and most frequent first.

Where that would be more than `LINES` rows, all but the most frequent rules share one with those of
their severity and tactic; and where even these are more, the rarest share the last one.
"""

LINES: Final = 5
_WIDTH: Final = 1 << 10
_NAMED: Final = 3
"""A line of several rules names so many, the most frequent first."""


def folded(columns: Columns, noise: Ints) -> pa.Table:
    """The rows for these findings, each in one of them."""
    line = _lines(columns, noise)
    sorting = np.lexsort((noise, columns.rule[noise], line))
    noise, line = noise[sorting], line[sorting]
    begins = np.flatnonzero(np.append(True, line[1:] != line[:-1])) if len(line) else line
    bounds = [*begins.tolist(), len(line)]
    hosts = _hosts(columns, noise, begins)
    rows = [
        _row(columns, noise[begin:end], int(hosts[place]))
        for place, (begin, end) in enumerate(pairwise(bounds))
    ]
    made = pa.Table.from_pylist(rows, schema=FOLDED)
    lists = pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), columns.text("uid", noise))
    at = FOLDED.get_field_index("findings")
    made = made.set_column(at, FOLDED.field(at), lists)
    keys = [("severity_id", "descending"), ("count", "descending"), ("rule_uid", "ascending")]
    return made.sort_by([*keys, ("title", "ascending")])


def _lines(columns: Columns, noise: Ints) -> Ints:
    """The line of each finding: a number that its rule, its kind or the rest has."""
    rules, line = numbered(columns.rule[noise])
    if len(rules) <= LINES:
        return line
    severity = np.zeros(len(rules), np.int64)
    np.maximum.at(severity, line, columns.severity[noise])
    stage = np.array([place_of(attack.tactics) for attack in columns.attacks] or [0], np.int64)
    tactic = np.zeros(len(rules), np.int64)
    np.maximum.at(tactic, line, stage[columns.attack[noise]])
    kinds, kind = numbered(severity * _WIDTH + tactic)
    if len(kinds) <= LINES:
        # What lines are to spare go to the rules that would hide the others in their kind.
        many = np.where(np.bincount(kind)[kind] > 1, np.bincount(line), 0)
        own = np.lexsort((rules, -many))[: LINES - len(kinds)]
        kind[own] = len(kinds) + np.arange(len(own))
        return np.asarray(kind[line])
    line = kind[line]
    worst = np.lexsort((kinds, -np.bincount(line), -kinds // _WIDTH))
    place = np.empty(len(kinds), np.int64)
    place[worst] = np.arange(len(kinds))
    made: Ints = np.minimum(place, LINES - 1)[line]
    return made


def place_of(tactics: tuple[str, ...]) -> int:
    """The place of a finding's first tactic in the kill chain; 0 without one that is known."""
    return 1 + order().get(tactics[0], -1) if tactics else 0


def _row(columns: Columns, numbers: Ints, hosts: int) -> dict[str, Any]:
    timed = numbers[columns.start[numbers] != NO_TIME]
    severity = int(columns.severity[numbers].max())
    rules, place = numbered(columns.rule[numbers])
    counts = np.bincount(place)
    foremost = np.lexsort((rules, -counts))
    first = np.array([np.argmax(place == rule) for rule in foremost[:_NAMED]])
    titles = [text or "?" for text in columns.text("title", numbers[first]).to_pylist()]
    title = titles[0]
    if len(rules) > 1:
        named = ", ".join(cut(text, 60) for text in titles)
        rest = len(rules) - len(titles)
        title = f"{len(rules)} rules ({named}{f' and {rest} more' if rest else ''})"
    return {
        "rule_uid": columns.rules[rules[0]] if len(rules) == 1 else "",
        "title": title,
        "detector": columns.text("detector", numbers[first[:1]])[0].as_py(),
        "author": columns.text("author", numbers[first[:1]])[0].as_py() if len(rules) == 1 else "",
        "severity_id": severity,
        "count": len(numbers),
        "hosts": hosts,
        "time_start": int(columns.start[timed].min()) if len(timed) else None,
        "time_end": int(columns.end[timed].max()) if len(timed) else None,
        "line": _line(title, len(numbers), hosts, severity),
    }


def _hosts(columns: Columns, noise: Ints, begins: Ints) -> Ints:
    """How many different hosts the findings of each run name."""
    run_of = np.full(len(columns.rule), -1)
    run_of[noise] = np.searchsorted(begins, np.arange(len(noise)), side="right") - 1
    is_host = columns.identities.kind[columns.identity] == KIND["host"]
    run = run_of[columns.owner[is_host]]
    width = max(1, len(columns.identities))
    pairs = unique(run[run >= 0] * width + columns.identity[is_host][run >= 0])
    return np.bincount(pairs // width, minlength=max(1, len(begins)))


def _line(name: str, count: int, hosts: int, severity: int) -> str:
    times = "once" if count == 1 else f"{count:,} times"
    where = f" on {hosts:,} host{'' if hosts == 1 else 's'}" if hosts else ""
    return f"{name}: {times}{where}, {Severity(severity).name.lower()}"

"""Findings → incidents: the few things that happened, ranked and explained, and the noise folded."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import pyarrow as pa

from labrys.ocsf.schema import INCIDENT, Severity
from labrys.triage import rank
from labrys.triage.advice import steps
from labrys.triage.chain import in_order
from labrys.triage.columns import KIND, NO_TIME, Columns, Ints, read, unique
from labrys.triage.explain import summary, title
from labrys.triage.group import group
from labrys.triage.nodes import fold
from labrys.triage.story import Story, members, stories
from labrys.triage.why import why

FOLDED: Final = pa.schema(
    [
        ("rule_uid", pa.string()),
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
"""Weak findings that belong to no incident: one row for each rule, most frequent first."""


_NAMED_BY: Final = ("title", "detector", "author")


@dataclass(frozen=True, slots=True)
class Triage:
    """What came out: `incidents` (`ocsf.schema.INCIDENT`) by rank, and `folded` (`FOLDED`).

    Every finding is in exactly one row of one of them.
    """

    incidents: pa.Table
    folded: pa.Table


def incidents(findings: pa.Table) -> Triage:
    """Join findings (`ocsf.schema.FINDING`) to incidents; a pure function of their set.

    The order of the rows does not matter, and findings of one uid count once.
    """
    columns = read(findings)
    nodes = fold(columns)
    groups = group(nodes, columns)
    who = members(columns, nodes, groups)
    told = stories(columns, nodes, groups, who)
    reasons = pa.array(why(columns, nodes, groups), pa.string())
    order = _ranking(told)
    table = pa.Table.from_pylist(
        [_row(told[number], place) for place, number in enumerate(order, start=1)], schema=INCIDENT
    )
    spans = [(told[number].begin, told[number].end) for number in order]
    finding = who.finding[_positions(spans)]
    links = reasons.take(pa.array(nodes.node[finding]))
    table = _set_lists(table, spans, {"findings": columns.text("uid", finding), "links": links})
    return Triage(table, _folded(columns, who.noise))


def _ranking(told: list[Story]) -> list[int]:
    """The numbers of the incidents, worst first."""
    keys = [(-rank.score(story), -rank.severity(story), story.anchor) for story in told]
    return sorted(range(len(told)), key=keys.__getitem__)


def _set_lists(
    table: pa.Table, spans: list[tuple[int, int]], columns: dict[str, pa.Array]
) -> pa.Table:
    """Fill in the columns that hold one entry for each finding, without a Python list of them."""
    offsets = pa.array(np.cumsum([0, *(end - begin for begin, end in spans)]), pa.int32())
    for name, values in columns.items():
        made = pa.ListArray.from_arrays(offsets, values)
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), made)
    return table


def _positions(spans: list[tuple[int, int]]) -> Ints:
    parts = [np.arange(begin, end) for begin, end in spans]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _row(story: Story, place: int) -> dict[str, Any]:
    severity = rank.severity(story)
    return {
        "uid": blake2b(b"incident|" + story.anchor.encode(), digest_size=12).hexdigest(),
        "title": title(story),
        "summary": summary(story),
        "rank": place,
        "score": rank.score(story),
        "severity_id": severity,
        "confidence": rank.confidence(story),
        "time_start": None if story.start == NO_TIME else story.start,
        "time_end": None if story.finish == NO_TIME else story.finish,
        "tactics": in_order(rank.tactics(story)),
        "techniques": sorted({uid for hit in story.hits for uid in hit.attack.techniques}),
        "entities": [
            {"type": each.kind, "value": each.shown, "role": each.role} for each in story.cast.named
        ],
        "advice": steps(story, severity),
    }


def _folded(columns: Columns, noise: Ints) -> pa.Table:
    """One row for each rule, with every finding it stands for."""
    noise = noise[np.lexsort((noise, columns.rule[noise]))]
    rule = columns.rule[noise]
    begins = np.flatnonzero(np.append(True, rule[1:] != rule[:-1])) if len(rule) else rule
    ends = np.append(begins[1:], len(rule)) if len(rule) else begins
    hosts = _hosts(columns, noise, begins)
    firsts = [columns.text(name, noise[begins]).to_pylist() for name in _NAMED_BY]
    rows = []
    for place, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        numbers = noise[begin:end]
        timed = numbers[columns.start[numbers] != NO_TIME]
        severity = int(columns.severity[numbers].max())
        rows.append(
            {
                "rule_uid": columns.rules[rule[begin]],
                **{name: firsts[at][place] for at, name in enumerate(_NAMED_BY)},
                "severity_id": severity,
                "count": end - begin,
                "hosts": int(hosts[place]),
                "time_start": int(columns.start[timed].min()) if len(timed) else None,
                "time_end": int(columns.end[timed].max()) if len(timed) else None,
                "line": _line(str(firsts[0][place]), end - begin, int(hosts[place]), severity),
            }
        )
    order = sorted(
        range(len(rows)),
        key=lambda at: (-rows[at]["severity_id"], -rows[at]["count"], rows[at]["rule_uid"]),
    )
    made = pa.Table.from_pylist([rows[at] for at in order], schema=FOLDED)
    spans = [(int(begins[at]), int(ends[at])) for at in order]
    return _set_lists(made, spans, {"findings": columns.text("uid", noise[_positions(spans)])})


def _hosts(columns: Columns, noise: Ints, begins: Ints) -> Ints:
    """How many different hosts the findings of each run name."""
    run_of = np.full(len(columns.rule), -1)
    run_of[noise] = np.searchsorted(begins, np.arange(len(noise)), side="right") - 1
    is_host = columns.identities.kind[columns.identity] == KIND["host"]
    run = run_of[columns.owner[is_host]]
    width = max(1, len(columns.identities.key))
    pairs = unique(run[run >= 0] * width + columns.identity[is_host][run >= 0])
    return np.bincount(pairs // width, minlength=max(1, len(begins)))


def _line(name: str, count: int, hosts: int, severity: int) -> str:
    times = "once" if count == 1 else f"{count:,} times"
    where = f" on {hosts:,} host{'' if hosts == 1 else 's'}" if hosts else ""
    return f"{name}: {times}{where}, {Severity(severity).name.lower()}"

"""Findings → incidents: the few things that happened, ranked and explained, and the noise folded."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from labrys.decisions import Lessons
from labrys.ocsf.schema import INCIDENT
from labrys.settings import Asset
from labrys.triage import rank
from labrys.triage.advice import steps
from labrys.triage.arrays import Ints
from labrys.triage.assets import assets
from labrys.triage.chain import in_order
from labrys.triage.columns import NO_TIME, read
from labrys.triage.explain import summary, title
from labrys.triage.folded import folded
from labrys.triage.group import group
from labrys.triage.likelihood import confidence
from labrys.triage.nodes import fold
from labrys.triage.said import said
from labrys.triage.story import Story, members, stories
from labrys.triage.why import why


@dataclass(frozen=True, slots=True)
class Triage:
    """What came out: `incidents` (`ocsf.schema.INCIDENT`) by rank, and `folded` (`FOLDED`).

    Every finding is in exactly one row of one of them.
    """

    incidents: pa.Table
    folded: pa.Table


def incidents(
    findings: pa.Table,
    lessons: Lessons | None = None,
    stated: Mapping[str, Asset] | None = None,
    seen: Mapping[str, str] | None = None,
) -> Triage:
    """Join findings (`ocsf.schema.FINDING`) to incidents; a pure function of their set.

    The order of the rows does not matter, and findings of one uid count once. `lessons` is what
    people have decided about them, `stated` what they say of their hosts and accounts, `seen` what
    the records show hosts to be (`labrys.triage.roles`).
    """
    columns = read(findings)
    nodes = fold(columns)
    groups = group(nodes, columns, said(columns, nodes, lessons or Lessons()))
    who = members(columns, nodes, groups)
    told = stories(columns, nodes, groups, who, assets(columns, stated or {}, seen))
    reasons = pa.array(why(columns, nodes, groups), pa.string())
    node = nodes.node[who.finding]
    del nodes, groups  # large, and no longer needed
    order = _ranking(told)
    table = pa.Table.from_pylist(
        [_row(told[number], place, len(told)) for place, number in enumerate(order, start=1)],
        schema=INCIDENT,
    )
    spans = [(told[number].begin, told[number].end) for number in order]
    chosen = _positions(spans)
    finding = who.finding[chosen]
    links = reasons.take(pa.array(node[chosen]))
    table = _set_lists(table, spans, {"findings": columns.text("uid", finding), "links": links})
    return Triage(table, folded(columns, who.noise))


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


def _row(story: Story, place: int, incidents: int) -> dict[str, Any]:
    severity, score = rank.severity(story), rank.score(story)
    return {
        "uid": blake2b(b"incident|" + story.anchor.encode(), digest_size=12).hexdigest(),
        "title": title(story),
        "summary": summary(story),
        "rank": place,
        "score": score,
        "severity_id": severity,
        "confidence": confidence(story, score, severity, incidents),
        "time_start": None if story.start == NO_TIME else story.start,
        "time_end": None if story.finish == NO_TIME else story.finish,
        "tactics": in_order(rank.tactics(story)),
        "techniques": sorted({uid for hit in story.hits for uid in hit.attack.techniques}),
        "entities": [
            {"type": each.kind, "value": each.shown, "role": each.role} for each in story.cast.named
        ],
        "advice": steps(story, severity),
    }

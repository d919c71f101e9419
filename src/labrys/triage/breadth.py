"""Incidents of weak findings that show many stages of an attack on one host within an hour."""

from typing import Final

import numpy as np

from labrys.ocsf.schema import Severity
from labrys.triage.arrays import Flags, Ints
from labrys.triage.columns import Columns
from labrys.triage.entities import KIND
from labrys.triage.links import BREADTH, Links
from labrys.triage.marks import stage_of
from labrys.triage.nodes import HOUR, Nodes
from labrys.triage.rarity import places

_LIFTING: Final = 3
"""So many stages on one host within an hour are an incident, however weak each finding is."""


def breadth(nodes: Nodes, columns: Columns, who: Flags) -> tuple[Flags, Links]:
    """Weak findings that show many stages on one host within an hour, as groups of their own."""
    host = places(nodes, columns)
    hosted = np.zeros(len(host), np.bool_)
    hosted[host >= 0] = columns.identities.kind[host[host >= 0]] == KIND["host"]
    tactic = stage_of(columns)[columns.attack[nodes.first]]
    # What is only informational happens all day, and says nothing by happening beside something.
    known = who & hosted & nodes.timed & (nodes.severity >= Severity.LOW)
    numbers = np.flatnonzero(known & (tactic >= 0))
    numbers = numbers[np.lexsort((numbers, nodes.start[numbers], host[numbers]))]
    where, start = host[numbers], nodes.start[numbers]
    place = np.arange(len(numbers))
    breadth = np.zeros(len(numbers), np.int64)
    for step in np.unique(tactic[numbers]):
        last = np.maximum.accumulate(np.where(tactic[numbers] == step, place, -1))
        seen = last >= 0
        near = (where[last] == where) & (start - start[last] <= HOUR)
        breadth += seen & near
    peaks = np.flatnonzero(breadth >= _LIFTING)
    within = _within(where, start, peaks)
    chosen = np.flatnonzero(within)
    same = (where[chosen][1:] == where[chosen][:-1]) & (np.diff(start[chosen]) <= HOUR)
    node, other = numbers[chosen][1:][same], numbers[chosen][:-1][same]
    lifted = np.zeros(len(host), np.bool_)
    lifted[numbers[chosen]] = True
    gap = np.diff(start[chosen])[same]
    return lifted, Links(node, other, np.full(len(node), BREADTH), gap)


def _within(where: Ints, start: Ints, peaks: Ints) -> Flags:
    """Entries on the same host at most an hour before a peak."""
    place = np.where(np.isin(np.arange(len(where)), peaks), np.arange(len(where)), len(where))
    following = np.minimum.accumulate(place[::-1])[::-1]
    good = following < len(where)
    inside = following[good]
    made = np.zeros(len(where), np.bool_)
    made[good] = (where[inside] == where[good]) & (start[inside] - start[good] <= HOUR)
    return made

"""What a case shows to be everyday, and what therefore says little where it stands alone.

How much a finding says depends on how often its rule fires without anything else being wrong. The
case itself tells: a rule that also fires on many other days is everyday there. What belongs to one
attack is near in time, so the days around a finding do not count against it. Where too little is
known of the time around a finding (a few files, hours of logs) nothing is everyday, and nothing
stands alone: then every finding of medium severity is worth an incident.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.ocsf.schema import Severity
from labrys.triage.columns import NO_TIME, Columns, Flags, Ints, numbered, unique
from labrys.triage.links import EVERYDAY, HABIT, Links, naming, together
from labrys.triage.nodes import DAY, HOUR, Nodes
from labrys.triage.rarity import MEMORY, USUAL, Rarity

WATCHED: Final = 48
"""In so many hours of the week around it a case must have anything, so that it can tell."""
_WEEK: Final = 7 * 24
_APART: Final = 2
"""Days at least so far away are another occasion, not the same attack."""
_DAYS: Final = 2
_SHARE: Final = 0.2
"""Everyday is what fires on this share of the other days, and on `_DAYS` of them at least."""
_DEEDS: Final = 2
"""So many different things must have been done for an incident of medium findings alone."""
_SECOND: Final = 1000


@dataclass(frozen=True, slots=True)
class Habits:
    """For each node: whether its rule is `everyday` at that time, at how many `places` its rule
    fires at all, and whether the case knows enough of the time around it to tell (`watched`)."""

    everyday: Flags
    places: Ints
    watched: Flags


def habits(nodes: Nodes, columns: Columns, rare: Rarity) -> Habits:
    """What the whole case shows, the days after a finding as well as those before it."""
    watched = _watched(nodes, columns)
    fired, days = _other_days(nodes)
    often = watched & (fired >= np.maximum(_DAYS, _SHARE * days))
    return Habits(often, _places(nodes, rare), watched)


def _watched(nodes: Nodes, columns: Columns) -> Flags:
    hours = unique(columns.start[columns.timed] // HOUR)
    hour = nodes.start // HOUR
    around = np.searchsorted(hours, hour + _WEEK // 2) - np.searchsorted(hours, hour - _WEEK // 2)
    made: Flags = nodes.timed & (around >= WATCHED)
    return made


def _other_days(nodes: Nodes) -> tuple[Ints, Ints]:
    """On how many days before and after each node its rule fired, and how many there are."""
    day = nodes.start // DAY
    days = unique(day[nodes.timed])
    width = len(days) + 1
    base = nodes.rule * width
    cells = unique((base + np.searchsorted(days, day))[nodes.timed])
    memory = MEMORY * HOUR // DAY
    fired, all_days = np.zeros(len(day), np.int64), np.zeros(len(day), np.int64)
    for first, last in ((day - memory, day - _APART), (day + _APART, day + memory)):
        begin, end = np.searchsorted(days, first), np.searchsorted(days, last, side="right")
        fired += np.searchsorted(cells, base + end) - np.searchsorted(cells, base + begin)
        all_days += end - begin
    return fired, all_days


def _places(nodes: Nodes, rare: Rarity) -> Ints:
    width = int(rare.place.max(initial=0)) + 2
    pairs = unique(nodes.rule * width + rare.place + 1)
    made: Ints = np.bincount(pairs // width, minlength=1)[nodes.rule]
    return made


def kept_together(nodes: Nodes, rare: Rarity, known: Habits, left: Flags) -> Links:
    """Links of everyday nodes that belong to nothing else, so that none is lost.

    What fires at one place only is one incident there. What fires at several and is of high
    severity is one incident of the whole case; of medium severity it is none.
    """
    habit = left & known.everyday & (nodes.severity >= Severity.MEDIUM)
    here = np.flatnonzero(habit & (known.places == 1))
    all_over = np.flatnonzero(
        habit & (known.places > 1) & (nodes.severity >= Severity.HIGH)
    )
    return together(
        [
            _one_after_another(nodes, here, rare.place[here], HABIT),
            _one_after_another(nodes, all_over, np.full(len(all_over), -1), EVERYDAY),
        ]
    )


def _one_after_another(nodes: Nodes, chosen: Ints, place: Ints, kind: int) -> Links:
    sorting = np.lexsort((chosen, nodes.start[chosen], place))
    chosen, place = chosen[sorting], place[sorting]
    same = place[1:] == place[:-1]
    node, other = chosen[1:][same], chosen[:-1][same]
    gap = np.maximum(nodes.start[node] - nodes.end[other], 0)
    gap[~nodes.timed[node] | ~nodes.timed[other]] = NO_TIME
    key = naming(kind, place[1:][same]) if kind >= 0 else np.full(len(node), kind)
    return Links(node, other, key, gap)


def lone(nodes: Nodes, rare: Rarity, known: Habits, labels: Ints, strong: Flags) -> Flags:
    """Nodes of groups in which nothing serious happened, and no two things agree.

    `strong` are the nodes that carry the group. Rules that fire on the same deed say one thing.
    """
    inside = np.flatnonzero(labels >= 0)
    carrying = inside[(strong | ((rare.surprise > USUAL) & ~known.everyday))[inside]]
    group = labels[carrying]
    deeds = np.bincount(_deeds(nodes, rare, carrying, group), minlength=len(labels))
    worst = np.zeros(len(labels), np.int64)
    np.maximum.at(worst, labels[inside], nodes.severity[inside] * strong[inside])
    watched = np.ones(len(labels), np.bool_)
    np.logical_and.at(watched, labels[inside], known.watched[inside])
    alone = watched & (worst == Severity.MEDIUM) & (deeds < _DEEDS)
    made: Flags = (labels >= 0) & alone[labels]
    return made


def _deeds(nodes: Nodes, rare: Rarity, chosen: Ints, group: Ints) -> Ints:
    """The group of each different thing that was done in it, each once.

    A deed is what happened at a place in one second; two are the same where the same rule is the
    first to name both.
    """
    moment = nodes.start[chosen] // _SECOND
    place = rare.place[chosen]
    rule = nodes.rule[chosen]
    sorting = np.lexsort((rule, moment, place, group))
    group, place, moment, rule = (each[sorting] for each in (group, place, moment, rule))
    fresh = np.ones(len(group), np.bool_)
    fresh[1:] = (
        (group[1:] != group[:-1]) | (place[1:] != place[:-1]) | (moment[1:] != moment[:-1])
    )
    width = int(nodes.rule.max(initial=0)) + 1
    kinds = unique(group[fresh] * width + rule[fresh])
    made: Ints = kinds // width
    return made

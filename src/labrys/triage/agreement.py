"""Which incidents are too thin to stand alone: nothing serious in them, and no two things agree.

In a case that knows its ordinary life, one medium finding of one rule is most often nothing. What
makes it an incident is that different things were done at about the same time, each of which
hardly ever happens there. So each different deed of an incident counts by how much news it is, and
an incident needs `ENOUGH` of that, or one serious deed. What is serious and thin is one incident
for each rule, at all its places.
"""

from typing import Final

import numpy as np

from labrys.ocsf.schema import Severity
from labrys.triage.arrays import Flags, Ints
from labrys.triage.habits import Habits, one_after_another
from labrys.triage.links import SAME_RULE, Links
from labrys.triage.marks import different
from labrys.triage.nodes import HOUR, Nodes
from labrys.triage.rarity import USUAL, Rarity

ENOUGH: Final = 1.75
"""As much as two medium deeds, neither of which is ever seen on other days (1 each), or nearly."""
_WEAK: Final = 0.5
"""A weak finding that is unusual there counts so much of a medium one."""
_FEW: Final = 3.0
"""Of groups with one serious rule and less than this: the same rule again is the same again."""
_LASTING: Final = 12
"""What was news when it began and goes on for so many hours is enough by itself."""
_SECOND: Final = 1000


def thin(
    nodes: Nodes, rare: Rarity, known: Habits, labels: Ints, carrying: Flags
) -> tuple[Flags, Links]:
    """The nodes of groups that are no incident, and links of those that are one by their rule.

    `labels` are the groups (-1: none), and `carrying` the nodes that groups grow from.
    """
    size = len(labels)
    inside = np.flatnonzero(labels >= 0)
    watched = np.ones(size, np.bool_)
    np.logical_and.at(watched, labels[inside], known.watched[inside])
    worst = np.zeros(size, np.int64)
    held = inside[carrying[inside]]
    np.maximum.at(worst, labels[held], nodes.severity[held])
    deeds, hours = _deeds(nodes, rare, known, labels, carrying)
    lasts = (hours >= _LASTING) & (rare.surprise[deeds] > USUAL)
    group, news = labels[deeds], np.where(lasts, ENOUGH, known.news[deeds])
    weak = nodes.severity[deeds] < Severity.MEDIUM
    strength = np.bincount(group, np.where(weak, 0, news), size)
    total = strength + np.bincount(group, np.where(weak, _WEAK * news, 0), size)
    none = watched & (worst == Severity.MEDIUM) & (total < ENOUGH)
    dropped: Flags = (labels >= 0) & none[labels]
    serious = nodes.severity[deeds] >= Severity.HIGH
    single = different(group[serious], nodes.rule[deeds[serious]], size) == 1
    alike = (
        watched & (worst == Severity.HIGH) & ((strength < ENOUGH) | (single & (strength < _FEW)))
    )
    telling = _foremost(nodes, known, labels, deeds[alike[group] & ~weak])
    rule = nodes.rule[telling]
    return dropped, one_after_another(nodes, telling, rule, np.full(len(rule), SAME_RULE))


def _deeds(
    nodes: Nodes, rare: Rarity, known: Habits, labels: Ints, carrying: Flags
) -> tuple[Ints, Ints]:
    """A node for each different thing that was done in each group, and in how many hours it was.

    A deed is what happened at a place in one second: rules that fire on the same record say one
    thing. Two deeds are the same where the same rule, of the most serious the least news, names
    both.
    """
    telling = carrying | (rare.surprise > USUAL)
    chosen = np.flatnonzero((labels >= 0) & (telling | nodes.strong) & ~known.everyday)
    second, hour = nodes.start // _SECOND, nodes.start // HOUR
    spot = (rare.place[chosen], second[chosen], labels[chosen])
    order = (nodes.rule[chosen], known.news[chosen], -nodes.severity[chosen], *spot)
    chosen = chosen[np.lexsort(order)]
    chosen = chosen[_fresh(labels[chosen], second[chosen], rare.place[chosen])]
    chosen = chosen[np.lexsort((hour[chosen], nodes.rule[chosen], labels[chosen]))]
    begins = np.flatnonzero(_fresh(labels[chosen], nodes.rule[chosen]))
    if not len(begins):
        return begins, begins
    more = np.minimum(nodes.count - 1, nodes.end // HOUR - hour)[chosen]
    fresh = _fresh(labels[chosen], nodes.rule[chosen], hour[chosen])
    hours = np.add.reduceat(fresh + more, begins)
    kept = np.logical_or.reduceat(telling[chosen], begins)
    return chosen[begins[kept]], hours[kept]


def _foremost(nodes: Nodes, known: Habits, labels: Ints, deeds: Ints) -> Ints:
    """The most serious deed of each group, of several the one that is most news."""
    order = (nodes.rule[deeds], -known.news[deeds], -nodes.severity[deeds], labels[deeds])
    deeds = deeds[np.lexsort(order)]
    return deeds[_fresh(labels[deeds])]


def _fresh(*columns: Ints) -> Flags:
    """Where any of the sorted columns changes."""
    made = np.zeros(len(columns[0]), np.bool_)
    made[:1] = True
    for each in columns:
        made[1:] |= each[1:] != each[:-1]
    return made

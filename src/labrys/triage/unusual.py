"""Finds incidents in weak findings that are each unusual, and near each other.

Two unusual findings are tied when it would be a coincidence that they are so near: when fewer than
`CHANCE` findings at least as surprising as the weaker of them are expected, at that place (or in
the whole case), in the time between them. How many are expected is counted in the case, so that in
a large or restless network only seconds tie, in a quiet one hours. What is tied is an incident when
its rules together are surprising enough. Smaller bursts at one of its places, days around it, join
it; so do unusual findings beside a serious one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.ocsf.schema import Severity
from labrys.triage.arrays import Flags, Ints, unique
from labrys.triage.links import AT_ONCE, BESIDE, UNUSUAL, Links, components, naming, together
from labrys.triage.nodes import DAY, HOUR, MINUTE, Nodes
from labrys.triage.rarity import LEARNING, USUAL, Rarity
from labrys.triage.ties import Shares

CHANCE: Final = 0.03
FLOOR: Final = USUAL
"""Bits from which a finding is unusual."""
ENOUGH: Final = 40.0
"""Bits above the floor that the rules of a burst must have together to be an incident."""
OUTSTANDING: Final = 160.0
"""Bits of a burst that is far beyond chance: what has less than half of them may belong to it."""
_RULES: Final = 4
_LEVELS: Final = np.array([FLOOR, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0])
_LONGEST: Final = 12 * HOUR
_CASE_WIDE: Final = HOUR
_AROUND: Final = 3 * DAY
_TELLING: Final = 1.5
"""Smaller bursts of so many bits above the floor join an incident at their place."""
_BESIDE: Final = 2 * MINUTE
"""Whatever else a place reports this close to something unusual there is most likely about it."""


@dataclass(frozen=True, slots=True)
class Unusual:
    """Which nodes are in incidents for being unusual, and what ties them.

    `burst` are those that made the incident; `member` also what joined it for being near.
    """

    burst: Flags
    member: Flags
    links: Links


@dataclass(frozen=True, slots=True)
class _Windows:
    """How far apart findings of each level may be, at one place and in the whole case."""

    place: Ints
    case: Ints

    def of(self, surprise: Shares) -> Ints:
        """The window at a place for findings so surprising."""
        level = np.searchsorted(_LEVELS, surprise, side="right") - 1
        made: Ints = self.place[np.maximum(level, 0)]
        return made


def unusual(nodes: Nodes, rare: Rarity, free: Flags, core: Flags, news: Flags) -> Unusual:
    """Incidents of `free` nodes that are unusual, together with such of `core`, the nodes that
    incidents grow from by themselves; beside these, weak nodes count only where they are `news`."""
    who = _odd(nodes, rare) & ((free & _low(nodes)) | core)
    tied = _tied(nodes, rare, who, _windows(nodes, rare, who))
    label = components(len(who), [tied])
    # What is serious by itself tells its own story; days apart it is no part of another's.
    alone = ~np.isin(label, label[core & who])
    known = who & ~(alone | core | news)
    if known.any():
        who &= ~known
        tied = _tied(nodes, rare, who, _windows(nodes, rare, who))
        label = components(len(who), [tied])
        alone = ~np.isin(label, label[core & who])
    bits, rules = weigh(nodes, rare, label, who)
    burst = who & (bits[label] >= ENOUGH) & (rules[label] >= _RULES)
    lesser = burst & alone & (bits[label] < OUTSTANDING / 2)
    around = nearest(
        nodes, rare, lesser, burst & alone & (bits[label] >= OUTSTANDING), _days(who), UNUSUAL
    )
    around = around.of(_first_of(label[around.node], around.gap))
    burst &= ~np.isin(label, label[around.node])
    smaller = who & alone & ~burst & (bits[label] >= _TELLING)
    around = nearest(nodes, rare, smaller, burst & alone, _days(who), UNUSUAL)
    around = around.of(_first_of(label[around.node], around.gap))
    taken = burst | (smaller & np.isin(label, label[around.node]))
    others = free & nodes.timed & ~who
    beside = nearest(nodes, rare, others, burst, np.full(len(who), _BESIDE), BESIDE)
    taken[beside.node] = True
    tied = tied.of(np.flatnonzero(taken[tied.node] & taken[tied.other]))
    return Unusual(burst, taken, together([tied, around, beside]))


def beside_serious(nodes: Nodes, rare: Rarity, free: Flags, core: Flags) -> Links:
    """Ties of `free` nodes that are unusual to what is serious at their place about that time."""
    who = _odd(nodes, rare) & free & _low(nodes)
    window = _windows(nodes, rare, who).of(rare.surprise)
    return nearest(nodes, rare, who, core, window, UNUSUAL)


def _odd(nodes: Nodes, rare: Rarity) -> Flags:
    brief = nodes.end - nodes.start <= HOUR
    made: Flags = brief & nodes.timed & (rare.place >= 0) & (rare.surprise >= FLOOR)
    return made


def _low(nodes: Nodes) -> Flags:
    """What is only informational is not even counted."""
    made: Flags = (nodes.severity >= Severity.LOW) & (nodes.severity < Severity.MEDIUM)
    return made


def _days(who: Flags) -> Ints:
    return np.full(len(who), _AROUND)


def weigh(nodes: Nodes, rare: Rarity, label: Ints, who: Flags) -> tuple[Shares, Ints]:
    """For each label the bits above the floor of its rules, each rule once, and how many rules."""
    chosen = np.flatnonzero(who & (rare.surprise >= FLOOR))
    order = chosen[np.lexsort((-rare.surprise[chosen], nodes.rule[chosen], label[chosen]))]
    group, rule = label[order], nodes.rule[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (group[1:] != group[:-1]) | (rule[1:] != rule[:-1])
    best = order[first]
    above = rare.surprise[best] - FLOOR
    bits: Shares = np.bincount(label[best], above, len(label)).astype(np.float64)
    return bits, np.bincount(label[best], minlength=len(label))


def _windows(nodes: Nodes, rare: Rarity, who: Flags) -> _Windows:
    hour = nodes.start // HOUR
    judged = nodes.timed & (rare.place >= 0) & (rare.history >= LEARNING)
    hours = max(1, len(unique(hour[judged])))
    spots = max(1, len(unique(rare.place[judged])))
    width = int(rare.place.max(initial=0)) + 1
    place, case = [], []
    for level in _LEVELS:
        chosen = who & (rare.surprise >= level)
        cells = max(1, len(unique(hour[chosen] * width + rare.place[chosen])))
        place.append(min(_LONGEST, int(CHANCE * HOUR * hours * spots / cells)))
        case.append(min(_CASE_WIDE, int(CHANCE * HOUR * hours / cells)))
    return _Windows(np.array(place), np.array(case))


def _tied(nodes: Nodes, rare: Rarity, who: Flags, limits: _Windows) -> Links:
    found = []
    for level, here, anywhere in zip(_LEVELS, limits.place, limits.case, strict=True):
        chosen = np.flatnonzero(who & (rare.surprise >= level))
        place = rare.place[chosen]
        found.append(_chain(nodes, chosen, place, naming(UNUSUAL, place), int(here)))
        alike = np.full(len(chosen), AT_ONCE)
        found.append(_chain(nodes, chosen, alike, alike, int(anywhere)))
    return together(found)


def _chain(nodes: Nodes, chosen: Ints, key: Ints, link: Ints, window: int) -> Links:
    """Link each of the chosen nodes to the one before it with the same key, if it is near."""
    sorting = np.lexsort((chosen, nodes.start[chosen], key))
    node, key, link = chosen[sorting], key[sorting], link[sorting]
    gap = np.maximum(nodes.start[node][1:] - nodes.end[node][:-1], 0)
    good = (key[1:] == key[:-1]) & (gap <= window)
    return Links(node[1:][good], node[:-1][good], link[1:][good], gap[good])


def nearest(nodes: Nodes, rare: Rarity, leaves: Flags, to: Flags, window: Ints, kind: int) -> Links:
    """Link each leaf to the nearest node of `to` at its place, if it is within its window."""
    target = np.flatnonzero(to & nodes.timed & (rare.place >= 0))
    target = target[np.lexsort((target, nodes.start[target], rare.place[target]))]
    leaf = np.flatnonzero(leaves & np.isin(rare.place, unique(rare.place[target])))
    order = np.concatenate([target, leaf])
    is_leaf = np.arange(len(order)) >= len(target)
    sorting = np.lexsort((order, is_leaf, nodes.start[order], rare.place[order]))
    order, is_leaf = order[sorting], is_leaf[sorting]
    places = np.arange(len(order))
    before = np.maximum.accumulate(np.where(is_leaf, -1, places))
    after = np.minimum.accumulate(np.where(is_leaf, len(order), places)[::-1])[::-1]
    parts = []
    for beside in (before, after):
        at = np.flatnonzero(is_leaf & (beside >= 0) & (beside < len(order)))
        node, other = order[at], order[beside[at]]
        ahead = nodes.start[other] - nodes.end[node]
        gap = np.maximum(nodes.start[node] - nodes.end[other], 0)
        gap = np.where(ahead > 0, -ahead, gap)
        good = (rare.place[node] == rare.place[other]) & (np.abs(gap) <= window[node])
        node, other, gap = node[good], other[good], gap[good]
        parts.append(Links(node, other, naming(kind, rare.place[node]), gap))
    both = together(parts)
    return both.of(_first_of(both.node, both.gap))


def _first_of(group: Ints, gap: Ints) -> Ints:
    """The entry with the smallest gap of each group."""
    order = np.lexsort((np.arange(len(group)), np.abs(gap), group))
    first = np.ones(len(order), np.bool_)
    first[1:] = group[order][1:] != group[order][:-1]
    made: Ints = order[first]
    return made

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
from labrys.triage.arrays import Flags, Ints, numbered, unique
from labrys.triage.columns import NO_TIME, Columns
from labrys.triage.links import EVERYDAY, HABIT, Links, naming, together
from labrys.triage.nodes import DAY, HOUR, Nodes
from labrys.triage.rarity import MEMORY, Rarity
from labrys.triage.ties import Shares

WATCHED: Final = 48
"""In so many hours of the week around it a case must have anything, so that it can tell."""
_WEEK: Final = 7 * 24
_APART: Final = 2
"""Days at least so far away are another occasion, not the same attack."""
_DAYS: Final = 2
_SHARE: Final = 0.2
"""Everyday is what fires on this share of the other days, and on `_DAYS` of them at least."""
_SEVERAL: Final = 5
_TIMES: Final = 8
"""What comes in so many times the number of any other day is not everyday, whatever the rule."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What the case knows of each node's rule at that time.

    `everyday`: it fires on many other days too; `news`: 1 where it fires on no other day, towards
    0 where it fires at every place on every day; `places`: at how many it fires at all; `watched`:
    whether the case knows enough of the time around the node to say any of this.
    """

    everyday: Flags
    news: Shares
    places: Ints
    watched: Flags

    @property
    def fresh(self) -> Flags:
        """What fires on no other day, as far as is known."""
        made: Flags = ~self.watched | (self.news == 1)
        return made


def habits(nodes: Nodes, columns: Columns, rare: Rarity) -> Habits:
    """What the whole case shows, the days after a finding as well as those before it.

    All of it depends on rule and day alone, of which there are few.
    """
    watched = _watched(nodes, columns)
    day = nodes.start // DAY
    days = unique(day[nodes.timed])
    at = np.searchsorted(days, day)
    cells, cell = numbered(nodes.rule * (len(days) + 1) + at)
    width = int(rare.place.max(initial=0)) + 2
    everywhere = unique((cell * width + rare.place + 1)[nodes.timed])
    at_places = cells[everywhere // width]
    anything = unique((at * width + rare.place + 1)[nodes.timed]) // width
    of_rules = unique(cells[cell] // (len(days) + 1) * width + rare.place + 1) // width
    del day, at, everywhere
    known = _OfCells(cells, days)
    fired, of_days = known.other_days(unique(at_places), np.arange(len(days)))
    fired_at, of_places = known.other_days(at_places, anything)
    most = np.zeros(len(cells), np.int64)
    np.maximum.at(most, cell[nodes.timed], nodes.count[nodes.timed])
    flood = nodes.count > (_TIMES * np.maximum(1, known.most_on_others(most)))[cell]
    often = fired >= np.maximum(_DAYS, _SHARE * of_days)
    news = np.clip(1 - np.log1p(2 * fired_at) / np.log(2 * (of_places + 1)), 0, 1)
    return Habits(
        everyday=watched & often[cell] & ~flood,
        news=np.where(flood, 1.0, news[cell]),
        places=np.bincount(of_rules, minlength=1)[nodes.rule],
        watched=watched,
    )


class _OfCells:
    """What is known of each (rule, day), from the other days on which its rule fired."""

    def __init__(self, cells: Ints, days: Ints) -> None:
        self._rule, at = np.divmod(cells, len(days) + 1)
        day = np.append(days, 0)[at]
        memory = MEMORY * HOUR // DAY
        self._cells, self._base = cells, cells - at
        self._spans = [
            (np.searchsorted(days, first), np.searchsorted(days, last, side="right"))
            for first, last in ((day - memory, day - _APART), (day + _APART, day + memory))
        ]

    def other_days(self, of_rule: Ints, of_case: Ints) -> tuple[Ints, Ints]:
        """How many of these sorted (rule, day) and of these sorted days are on other days."""
        fired, there = np.zeros((2, len(self._cells)), np.int64)
        for begin, end in self._spans:
            fired += _between(of_rule, self._base + begin, self._base + end)
            there += _between(of_case, begin, end)
        return fired, there

    def most_on_others(self, values: Ints) -> Ints:
        """The largest of the values that cells of the same rule have on other days."""
        (_, until), (since, _) = self._spans
        rule = np.concatenate([[-1], self._rule, [-1]])
        padded = np.concatenate([[0], values, [0]])
        before = np.searchsorted(self._cells, self._base + until)
        after = np.searchsorted(self._cells, self._base + since) + 1
        running = _running(padded, rule), _running(padded[::-1], rule[::-1])[::-1]
        made = np.zeros(len(values), np.int64)
        for most, at in zip(running, (before, after), strict=True):
            made = np.maximum(made, np.where(rule[at] == self._rule, most[at], 0))
        return made


def _running(values: Ints, group: Ints) -> Ints:
    """The largest value so far in each run of a group."""
    number = np.cumsum(np.append(True, group[1:] != group[:-1]))
    width = int(values.max(initial=0)) + 1
    made: Ints = np.maximum.accumulate(number * width + values) - number * width
    return made


def _between(ordered: Ints, low: Ints, high: Ints) -> Ints:
    made: Ints = np.searchsorted(ordered, high) - np.searchsorted(ordered, low)
    return made


def _watched(nodes: Nodes, columns: Columns) -> Flags:
    hours = unique(columns.start[columns.timed] // HOUR)
    hour = nodes.start // HOUR
    made: Flags = nodes.timed & (_between(hours, hour - _WEEK // 2, hour + _WEEK // 2) >= WATCHED)
    return made


def kept_together(nodes: Nodes, rare: Rarity, known: Habits, left: Flags) -> Links:
    """Links of everyday nodes that belong to nothing else, so that none is lost that matters.

    Where `_SEVERAL` rules fire day after day at one place and nowhere else, these are an incident
    of their own, whoever is there since long ago. All others are one incident of the whole case,
    except what is of medium severity and fires at several places: that is none.
    """
    habit = left & known.everyday
    single = habit & (known.places == 1) & (rare.place >= 0)
    width = int(rare.place.max(initial=0)) + 2
    rules = unique(nodes.rule[single] * width + rare.place[single])
    many = np.bincount(rules % width, minlength=width) >= _SEVERAL
    own = single & many[rare.place]
    chosen = np.flatnonzero(own)
    rest = np.flatnonzero(habit & ~own & (single | (nodes.severity >= Severity.HIGH)))
    return together(
        [
            one_after_another(nodes, chosen, rare.place[chosen], naming(HABIT, rare.place[chosen])),
            one_after_another(nodes, rest, *np.full((2, len(rest)), EVERYDAY)),
        ]
    )


def one_after_another(nodes: Nodes, chosen: Ints, same: Ints, key: Ints) -> Links:
    """Link each chosen node to the one before it that is the `same`, however long before."""
    sorting = np.lexsort((chosen, nodes.start[chosen], same))
    chosen, same, key = chosen[sorting], same[sorting], key[sorting]
    alike = same[1:] == same[:-1]
    node, other = chosen[1:][alike], chosen[:-1][alike]
    gap = np.maximum(nodes.start[node] - nodes.end[other], 0)
    gap[~nodes.timed[node] | ~nodes.timed[other]] = NO_TIME
    return Links(node, other, key[1:][alike], gap)

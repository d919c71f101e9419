"""How surprising it is that a rule fires at a place: learnt from the case itself, as time goes on.

The surprise of a finding is minus the binary logarithm of the chance that its rule fires at its
place (host, or else user or account) in any one hour, judged only by what came before: 0 bits for
what fires all the time, ten and more for what was never seen anywhere in days. Places lend each
other their experience, so that an everyday rule is hardly surprising on a new host. Three habits
keep the estimate honest:

* what is older than `MEMORY` is forgotten, so that habits may change;
* the last `BLIND` hours teach nothing, so that an attacker who repeats himself does not become
  normal while his attack is young;
* with less than `LEARNING` hours of history nothing is surprising: everything is new then.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.triage.arrays import Flags, Ints, numbered, unique
from labrys.triage.columns import NO_TIME, Columns
from labrys.triage.entities import KIND
from labrys.triage.nodes import HOUR, Nodes
from labrys.triage.ties import Shares

MEMORY: Final = 30 * 24
BLIND: Final = 12
LEARNING: Final = 12
USUAL: Final = 4.5
"""Bits below which something is usual: it fires about every day (24 hours are 4.6 bits)."""
_SETTLED: Final = 24
"""After so many hours of history it is known what fires at a place all the time."""
_TRUST: Final = 24.0
"""So many hours of a place's own history weigh as much as what all places say."""


@dataclass(frozen=True, slots=True)
class Rarity:
    """For each node: `surprise` in bits, its `place` (an identity, -1 without one).

    `before`: in how many hours of the `history` hours (those in which the case has anything) its
    rule fired there before.
    """

    surprise: Shares
    place: Ints
    before: Ints
    history: Ints

    @property
    def usual(self) -> Flags:
        """What fires at its place about every day, and is known to."""
        made: Flags = (self.history >= _SETTLED) & (self.surprise < USUAL)
        return made

    @property
    def chronic(self) -> Flags:
        """What fires at its place in every other hour or more, and has done so for days."""
        made: Flags = (self.history >= _SETTLED) & (self.surprise < 1.0)
        return made


def rarity(nodes: Nodes, columns: Columns) -> Rarity:
    """The rarity of every node at its own time; what has no time or place is not surprising."""
    place = places(nodes, columns)
    nothing = np.zeros(len(nodes.rule), np.int64)
    judged = np.flatnonzero(nodes.timed & (place >= 0))
    if not len(judged):
        return Rarity(np.zeros(len(nodes.rule)), place, nothing, nothing.copy())
    hour = np.where(columns.timed, columns.start // HOUR, NO_TIME)
    hours = unique(hour[columns.timed])
    known = columns.timed & (place[nodes.node] >= 0)
    cells = _Cells(
        columns.rule[known], place[nodes.node[known]], np.searchsorted(hours, hour[known])
    )
    now = nodes.start[judged] // HOUR
    since = np.searchsorted(hours, now - MEMORY)
    until = np.maximum(since, np.searchsorted(hours, now - BLIND, side="right"))
    here, everywhere = cells.counts(nodes.rule[judged], place[judged], since, until)
    history = until - since
    others = np.maximum(1, cells.places(until))
    usual = (everywhere - here + 0.5) / ((history + 1) * others)
    chance = np.minimum(1.0, (here + _TRUST * usual) / (history + _TRUST))
    bits = np.where(history >= LEARNING, -np.log2(chance), 0.0)
    surprise = np.zeros(len(nodes.rule))
    surprise[judged] = bits
    before, length = nothing, nothing.copy()
    before[judged], length[judged] = here, history
    return Rarity(surprise, place, before, length)


def places(nodes: Nodes, columns: Columns) -> Ints:
    """The first host each node names, or else the first telling identity; -1 without any."""
    made = np.full(len(nodes.rule), -1)
    identities = columns.identities
    for kept in (identities.part, identities.alone, identities.kind == KIND["host"]):
        chosen = kept[nodes.identity]
        made[nodes.owner[chosen][::-1]] = nodes.identity[chosen][::-1]
    return made


class _Cells:
    """Which rule fired at which place in which hour, each combination once."""

    def __init__(self, rule: Ints, place: Ints, hour: Ints) -> None:
        self._width = int(hour.max(initial=0)) + 2
        self._span = int(place.max(initial=0)) + 1
        self._pairs, pair = numbered(rule * self._span + place)
        self._here = unique(pair * self._width + hour)
        pair, hour = np.divmod(self._here, self._width)
        self._everywhere = np.sort(self._pairs[pair] // self._span * self._width + hour)
        first = np.full(self._span, self._width)
        np.minimum.at(first, self._pairs[pair] % self._span, hour)
        self._first = np.sort(first)

    def counts(self, rule: Ints, place: Ints, since: Ints, until: Ints) -> tuple[Ints, Ints]:
        """In how many cells of [since, until) the rule fired at the place, and at all places."""
        pair = np.searchsorted(self._pairs, rule * self._span + place)
        return (
            _between(self._here, pair * self._width, since, until),
            _between(self._everywhere, rule * self._width, since, until),
        )

    def places(self, until: Ints) -> Ints:
        """How many places were seen before."""
        return np.searchsorted(self._first, until)


def _between(ordered: Ints, base: Ints, since: Ints, until: Ints) -> Ints:
    return np.searchsorted(ordered, base + until) - np.searchsorted(ordered, base + since)

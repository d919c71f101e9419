"""Finds events that follow one another: the chains of ordered correlations and sequences.

A chain takes at most one event for each step, the steps in their order, each event following the
one before it: at a later time, or at the same time and then, in the same source, at a greater
offset; events of different sources at the same time may follow either way, because clocks that
count seconds cannot tell. For each instant only the latest start of each kind of chain is kept, so
the state of a group is steps × steps numbers, however many events it has.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.detect.sigma.correlate.windows import Ints

NEVER: Final = -(1 << 62)

Arrival = tuple[int, int, int]
"""Place, offset and latest start of an event at the present instant."""


@dataclass(frozen=True, slots=True)
class Events:
    """Rows sorted by group and time: when (on the ruler), which rule, and where they were read."""

    ruler: Ints
    rule: Ints
    place: Ints
    offset: Ints


@dataclass(frozen=True, slots=True)
class Chains:
    """`best[m - 1][i]`: latest start of a chain of `m` steps that ended up to row i's time.

    `done[i]`: latest start of a chain of all steps that ended at row i's time. NEVER where none.
    """

    best: Ints
    done: Ints


def chains(
    events: Events, groups: Sequence[tuple[int, int]], steps: Sequence[int], until: int = -1
) -> Chains:
    """The chains in each of the row ranges `groups`; `steps` names the rule of each step.

    An event of the rule `until` ends every chain that began before it.
    """
    best = np.full((len(steps), len(events.ruler)), NEVER, np.int64)
    done = np.full(len(events.ruler), NEVER, np.int64)
    roles: dict[int, tuple[int, ...]] = {}
    for step, rule in enumerate(steps):
        roles[rule] = (*roles.get(rule, ()), step)
    for start, stop in groups:
        walk = _Walk(roles, len(steps), until)
        rows = [column[start:stop].tolist() for column in _columns(events)]
        found = [walk.instant(*instant) for instant in _instants(*rows)]
        sizes = [size for size, _, _ in found]
        best[:, start:stop] = np.repeat(np.array([row for _, row, _ in found]), sizes, axis=0).T
        done[start:stop] = np.repeat(np.array([end for _, _, end in found]), sizes)
    return Chains(best, done)


def _columns(events: Events) -> tuple[Ints, Ints, Ints, Ints]:
    return events.ruler, events.rule, events.place, events.offset


def _instants(
    ruler: list[int], rule: list[int], place: list[int], offset: list[int]
) -> list[tuple[int, list[int], list[int], list[int]]]:
    """The rows of each instant: its time, their rules, places and offsets."""
    found = []
    start = 0
    for stop in range(1, len(ruler) + 1):
        if stop == len(ruler) or ruler[stop] != ruler[start]:
            part = slice(start, stop)
            found.append((ruler[start], rule[part], place[part], offset[part]))
            start = stop
    return found


class _Walk:
    """The chains of one group while its instants pass in order."""

    def __init__(self, roles: dict[int, tuple[int, ...]], count: int, until: int) -> None:
        self._roles, self._count, self._until = roles, count, until
        # The latest start of a chain of m steps (first index m - 1) whose last step is j.
        self._before = [[NEVER] * count for _ in range(count)]
        self._best = [NEVER] * count

    def instant(
        self, now: int, rule: list[int], place: list[int], offset: list[int]
    ) -> tuple[int, tuple[int, ...], int]:
        """Take the rows of one instant; how many they were, best starts so far, start of done."""
        if len(rule) == 1:
            fresh = self._alone(now, rule[0])
        else:
            fresh = self._together(now, rule, place, offset)
        done = NEVER
        for length, step, start in fresh:
            self._before[length][step] = max(self._before[length][step], start)
            self._best[length] = max(self._best[length], start)
            if length == self._count - 1 and start > done:
                done = start
        best = tuple(self._best)
        if self._until in rule:
            self._forget(now)
        return len(rule), best, done

    def _alone(self, now: int, rule: int) -> list[tuple[int, int, int]]:
        fresh = []
        for step in self._roles.get(rule, ()):
            fresh.append((0, step, now))
            for length in range(1, step + 1):
                start = max(self._before[length - 1][:step])
                if start > NEVER:
                    fresh.append((length, step, start))
        return fresh

    def _together(
        self, now: int, rule: list[int], place: list[int], offset: list[int]
    ) -> list[tuple[int, int, int]]:
        rows: dict[int, list[tuple[int, int]]] = {}
        for one, where, at in zip(rule, place, offset, strict=True):
            for step in self._roles.get(one, ()):
                rows.setdefault(step, []).append((where, at))
        fresh: list[tuple[int, int, int]] = []
        arrivals: list[list[Arrival]] = [[] for _ in range(self._count)]
        for step in sorted(rows):
            came: list[tuple[int, list[Arrival]]] = [(0, [(w, a, now) for w, a in rows[step]])]
            for length in range(1, step + 1):
                before = max(self._before[length - 1][:step])
                latest = _Latest(arrivals[length - 1])
                starts = [(w, a, max(before, latest.before(w, a))) for w, a in rows[step]]
                came.append((length, [arrival for arrival in starts if arrival[2] > NEVER]))
            for length, some in came:
                arrivals[length].extend(some)
                fresh.extend((length, step, start) for _, _, start in some)
        return fresh

    def _forget(self, now: int) -> None:
        for row in self._before:
            row[:] = [start if start >= now else NEVER for start in row]
        self._best = [start if start >= now else NEVER for start in self._best]


class _Latest:
    """Answers, for events of one instant, the latest start among those that one may follow."""

    def __init__(self, arrivals: list[Arrival]) -> None:
        self._places: dict[int, tuple[list[int], list[int]]] = {}
        for place, offset, start in sorted(arrivals):
            offsets, starts = self._places.setdefault(place, ([], []))
            offsets.append(offset)
            starts.append(max(start, starts[-1]) if starts else start)
        tops = sorted(((starts[-1], place) for place, (_, starts) in self._places.items()))[-2:]
        self._top = tops[::-1]

    def before(self, place: int, offset: int) -> int:
        """The latest start of an arrival elsewhere, or here at a lesser offset."""
        found = next((start for start, where in self._top if where != place), NEVER)
        if place in self._places:
            offsets, starts = self._places[place]
            below = bisect_left(offsets, offset)
            if below:
                found = max(found, starts[below - 1])
        return found

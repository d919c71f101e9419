"""Ties groups that go on days later: what is bad by itself, and happens again where it was before.

An intruder rests, and goes on from where he is: on the same host, from it (its address is the
source), or with the same file, hash or name. Groups that each show several different deeds, one of
them serious and none of them everyday, are one incident where they share such a place within a
week. Where much more was done, or hardly any other host shows as much, one serious deed more on the
same host, or on one that was reached from it, belongs to it for two weeks, or a few others
together. Other single alerts are never tied so, however near they are.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.ocsf.schema import Severity
from labrys.triage.arrays import Flags, Ints, unique
from labrys.triage.columns import Columns
from labrys.triage.entities import KIND
from labrys.triage.habits import Habits
from labrys.triage.links import BACK, Links, naming, together
from labrys.triage.marks import different, stage_of
from labrys.triage.nodes import DAY, Nodes

_WINDOW: Final = 7 * DAY
_LONGER: Final = 14 * DAY
"""Where much was done it is remembered for so long."""
_RULES: Final = 3
_STAGES: Final = 2
_MUCH_RULES: Final = 6
_MUCH_STAGES: Final = 4
_SOME_RULES: Final = 2
_SELDOM: Final = 2
"""Where several bad deeds are seen on no more hosts than these, they are as telling as many."""
_PLACES: Final = ("host", "ip", "file", "hash", "url", "domain")
_CROWDED: Final = 3
"""What such groups name on more hosts than these, and on a third of theirs, is no place of one."""


@dataclass(frozen=True, slots=True)
class _Weight:
    """By label: is its group several bad deeds (`sure`), many of them (`much`), or one or a few
    (`some`)."""

    sure: Flags
    much: Flags
    some: Flags


def returning(
    nodes: Nodes, columns: Columns, known: Habits, place: Ints, labels: Ints, carrying: Flags
) -> Links:
    """Links between the groups of `labels` (-1: none) that are one intrusion gone on later.

    `place` of each node as in `rarity`; `carrying` are the nodes that groups grow from. What fires
    at one place only, and never before much was done there, says as much on its second day.
    """
    able = carrying & nodes.timed & (labels >= 0) & (nodes.severity >= Severity.MEDIUM)
    telling = able & known.fresh
    much = _weight(nodes, columns, labels, place, telling).much
    telling |= able & _since(nodes, known, place, telling & much[labels])
    weight = _weight(nodes, columns, labels, place, telling)
    sure = telling & known.fresh & weight.sure[labels]
    owner, identity = _places(nodes, columns, place, sure, _PLACES)
    whole = np.ones(len(owner), np.bool_)
    more = telling & (weight.much | weight.some)[labels]
    at, host = _places(nodes, columns, place, more, ("host",))
    return together(
        [
            _one_after_another(nodes, labels, owner, identity, whole, _WINDOW),
            _one_after_another(nodes, labels, at, host, weight.much[labels[at]], _LONGER),
        ]
    )


def _since(nodes: Nodes, known: Habits, place: Ints, much: Flags) -> Flags:
    """Nodes of rules that fire at one place only, and first after the first of `much` there."""
    late = np.iinfo(np.int64).max
    first = np.full(int(nodes.rule.max(initial=0)) + 1, late)
    np.minimum.at(first, nodes.rule[nodes.timed], nodes.start[nodes.timed])
    begun = np.full(int(place.max(initial=0)) + 2, late)  # the last is for no place
    np.minimum.at(begun, place[much], nodes.start[much])
    made: Flags = (known.places == 1) & (first[nodes.rule] >= begun[place])
    return made


def _weight(nodes: Nodes, columns: Columns, labels: Ints, place: Ints, telling: Flags) -> _Weight:
    size = len(labels)
    chosen = np.flatnonzero(telling)
    group = labels[chosen]
    worst = np.zeros(size, np.int64)
    np.maximum.at(worst, group, nodes.severity[chosen])
    stage = stage_of(columns)[columns.attack[nodes.first]][chosen]
    staged = stage >= 0
    rules = different(group, nodes.rule[chosen], size)
    stages = different(group[staged], stage[staged], size)
    serious = worst >= Severity.HIGH
    sure = serious & (rules >= _RULES) & (stages >= _STAGES)
    much = sure & (rules >= _MUCH_RULES) & (stages >= _MUCH_STAGES)
    if len(unique(place[chosen][sure[group]])) <= _SELDOM:
        much = sure
    return _Weight(sure, much, (serious | (rules >= _SOME_RULES)) & ~much)


def _places(
    nodes: Nodes, columns: Columns, place: Ints, who: Flags, kinds: tuple[str, ...]
) -> tuple[Ints, Ints]:
    """Nodes and the identities they name that may be where an intruder is, or what he uses."""
    identities = columns.identities
    able = identities.alone | identities.part
    able &= np.isin(identities.kind, [KIND[name] for name in kinds])
    chosen = who[nodes.owner] & able[nodes.identity]
    owner, identity = nodes.owner[chosen].astype(np.int64), nodes.identity[chosen].astype(np.int64)
    spread = different(identity, place[owner] + 1, len(identities))
    hosts = len(unique(place[who]))
    usable = (spread <= _CROWDED) | (spread * _CROWDED <= hosts)
    return owner[usable[identity]], identity[usable[identity]]


def _one_after_another(
    nodes: Nodes, labels: Ints, owner: Ints, place: Ints, draws: Flags, window: int
) -> Links:
    """Link each node to the one before it at its place, where they are of two groups, one of which
    `draws` the other."""
    sorting = np.lexsort((owner, nodes.start[owner], place))
    owner, place, draws = owner[sorting], place[sorting], draws[sorting]
    parts = []
    for back in (False, True):
        order = np.arange(len(owner))[:: -1 if back else 1]
        one, at, pull = owner[order], place[order], draws[order]
        where = np.maximum.accumulate(np.where(pull, np.arange(len(one)), -1))
        earlier = np.append(-1, where[:-1]) if len(one) else where
        rows = np.flatnonzero(earlier >= 0)
        node, other = one[rows], one[earlier[rows]]
        good = (at[rows] == at[earlier[rows]]) & (labels[node] != labels[other])
        after = nodes.start[node] - nodes.end[other]
        ahead = nodes.start[other] - nodes.end[node]
        gap = np.where(after > 0, after, np.where(ahead > 0, -ahead, 0))
        good &= np.abs(gap) <= window
        key = naming(BACK, at[rows])
        parts.append(Links(node[good], other[good], key[good], gap[good]))
    return together(parts)

"""What marks an intruder: a file, hash or name of which different rules say different bad things,
or a host where many bad things that are seen nowhere else begin on one day.

What an intruder leaves behind is at work again and again, so that the rules that find it soon look
everyday (`labrys.triage.habits`). What so many rules agree about is none of the place's habits.
"""

from typing import Final

import numpy as np

from labrys.ocsf.schema import Severity
from labrys.triage.arrays import Flags, Ints, numbered, unique
from labrys.triage.chain import stages
from labrys.triage.columns import Columns
from labrys.triage.entities import KIND
from labrys.triage.nodes import DAY, Nodes

_KINDS: Final = ("file", "hash", "url", "domain")
_RULES: Final = 3
_STAGES: Final = 3
_HOSTS: Final = 3
"""What is on more hosts than these, and than a fifth of all, is more likely the place's own."""
_SHARE: Final = 5
_AT_ONCE_RULES: Final = 6
_AT_ONCE_STAGES: Final = 4
_FEW_PLACES: Final = 2
_DAYS: Final = 1 << 22
"""More days than there can be."""
_UNSEEN: Final = 2 * DAY
"""So long a case must have known nothing of what begins."""


def marked(nodes: Nodes, columns: Columns, place: Ints) -> Flags:
    """Nodes that name a mark, or are of what began at a host; `place` of each node as in `rarity`.

    A mark is named by rules of medium severity or more, several of them, of several stages of an
    attack, at least one of high severity, and on few hosts.
    """
    identities = columns.identities
    kinds = [KIND[name] for name in _KINDS]
    able = identities.alone & np.isin(identities.kind, kinds)
    chosen = able[nodes.identity] & (nodes.severity >= Severity.MEDIUM)[nodes.owner]
    owner, identity = nodes.owner[chosen].astype(np.int64), nodes.identity[chosen].astype(np.int64)
    count = len(identities)
    worst = np.zeros(count, np.int64)
    np.maximum.at(worst, identity, nodes.severity[owner])
    stage = stage_of(columns)[columns.attack[nodes.first]][owner]
    hosts = max(_HOSTS, len(unique(place[place >= 0])) // _SHARE)
    mark = able & (worst >= Severity.HIGH)
    mark &= different(identity, nodes.rule[owner], count) >= _RULES
    mark &= different(identity[stage >= 0], stage[stage >= 0], count) >= _STAGES
    mark &= different(identity, place[owner] + 1, count) <= hosts
    made = _begun(nodes, columns, place)
    made[nodes.owner[mark[nodes.identity]]] = True
    return made


def _begun(nodes: Nodes, columns: Columns, place: Ints) -> Flags:
    """Nodes of rules that fire nowhere but at a host (or two), of which many began there on a day."""
    known = nodes.timed & (place >= 0)
    known[known] = columns.identities.kind[place[known]] == KIND["host"]
    known &= nodes.severity >= Severity.MEDIUM
    if not known.any():
        return known
    rules = int(nodes.rule.max()) + 1
    first = np.full(rules, np.iinfo(np.int64).max)
    np.minimum.at(first, nodes.rule[nodes.timed], nodes.start[nodes.timed])
    # Not the earliest: one wrong date must not make everything of the case begin in it.
    begin = np.quantile(nodes.start[nodes.timed], 0.01, method="nearest")
    fresh = first >= begin + _UNSEEN
    fresh &= different(nodes.rule, place + 1, rules) <= _FEW_PLACES
    who = np.flatnonzero(known & fresh[nodes.rule])
    _, cell = numbered(place[who] * _DAYS + nodes.start[who] // DAY)
    cells = int(cell.max(initial=-1)) + 1
    stage = stage_of(columns)[columns.attack[nodes.first[who]]]
    worst = np.zeros(cells, np.int64)
    np.maximum.at(worst, cell, nodes.severity[who])
    many = different(cell, nodes.rule[who], cells) >= _AT_ONCE_RULES
    many &= different(cell[stage >= 0], stage[stage >= 0], cells) >= _AT_ONCE_STAGES
    many &= worst >= Severity.HIGH
    made = np.zeros(len(known), np.bool_)
    made[who[np.isin(place[who], place[who][many[cell]])]] = True
    return made


def different(group: Ints, value: Ints, count: int) -> Ints:
    """How many different values (from 0) each group has."""
    width = int(value.max(initial=0)) + 1
    return np.bincount(unique(group * width + value) // width, minlength=count)


def stage_of(columns: Columns) -> Ints:
    """The stage of the first tactic of each combination of `columns.attacks`; -1 without one."""
    known = stages()
    return np.array(
        [known.get(attack.tactics[0], -1) if attack.tactics else -1 for attack in columns.attacks]
        or [-1],
        np.int64,
    )

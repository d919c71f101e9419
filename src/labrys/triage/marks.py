"""What marks an intruder: a file, hash or name of which different rules say different bad things.

What an intruder leaves behind is at work again and again, so that the rules that find it soon look
everyday (`labrys.triage.habits`). What so many rules agree about is none of the place's habits.
"""

from typing import Final

import numpy as np

from labrys.ocsf.schema import Severity
from labrys.triage.arrays import Flags, Ints, unique
from labrys.triage.chain import stages
from labrys.triage.columns import Columns
from labrys.triage.entities import KIND
from labrys.triage.nodes import Nodes

_KINDS: Final = ("file", "hash", "url", "domain")
_RULES: Final = 3
_STAGES: Final = 3
_HOSTS: Final = 3
"""What is on more hosts than these, and than a fifth of all, is more likely the place's own."""
_SHARE: Final = 5


def marked(nodes: Nodes, columns: Columns, place: Ints) -> Flags:
    """Nodes that name a mark; `place` of each node as in `rarity`.

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
    made = np.zeros(len(nodes.rule), np.bool_)
    made[nodes.owner[mark[nodes.identity]]] = True
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

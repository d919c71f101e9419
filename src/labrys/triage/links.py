"""Links between nodes: what was used to tie them, and the groups that follow from that."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.triage.arrays import Ints

BREADTH: Final = -1
"""Key of a link by many stages of an attack on one host within an hour."""
SAME_RULE: Final = -2
"""Key of a link by the same rule and nothing else."""
AT_ONCE: Final = -3
"""Key of a link between unusual findings by time alone."""
DECIDED: Final = -4
"""Key of a link that somebody asked for."""
EVERYDAY: Final = -5
"""Key of a link between findings that are everyday, of which a case has one list."""
ONE_FILE: Final = -6
"""Key of a link between findings that have neither a time nor a host, only a file in common."""
AGAIN, UNUSUAL, BESIDE, HABIT, BACK = range(5)
"""Keys that also name an identity: the same rule again with it, unusual findings at it, whatever
else it reported beside something unusual, what fires only there, day after day, and what is bad
there once more."""
_KINDS: Final = 5
_NAMING: Final = -7


@dataclass(frozen=True, slots=True)
class Links:
    """Ties that were used: `node` belongs because of `other`, by `key`, `gap` ms apart.

    `gap` is `NO_TIME` where one of them has none; negative where `node` is earlier. Keys from 0 are
    those of `labrys.triage.ties.Keys`.
    """

    node: Ints
    other: Ints
    key: Ints
    gap: Ints

    def of(self, chosen: Ints) -> "Links":
        """Some of them."""
        return Links(self.node[chosen], self.other[chosen], self.key[chosen], self.gap[chosen])


def naming(kind: int, identity: Ints) -> Ints:
    """The key of a link of this kind (`AGAIN`, `HABIT` …) by an identity (-1: none)."""
    return np.where(identity < 0, SAME_RULE, _NAMING - _KINDS * identity - kind)


def named(key: int) -> tuple[int, int] | None:
    """Kind and identity of such a key; None for other keys."""
    if key > _NAMING:
        return None
    identity, kind = divmod(_NAMING - key, _KINDS)
    return kind, identity


def together(links: list[Links]) -> Links:
    """All of them, in this order."""
    return Links(
        *(
            np.concatenate([getattr(each, name) for each in links])
            for name in ("node", "other", "key", "gap")
        )
    )


def components(count: int, links: list[Links]) -> Ints:
    """Connected components by the smallest node number: hook roots to smaller ones, compress."""
    parent = np.arange(count)
    left = np.concatenate([each.node for each in links])
    right = np.concatenate([each.other for each in links])
    while len(left):
        low = np.minimum(parent[left], parent[right])
        high = np.maximum(parent[left], parent[right])
        apart = low < high
        left, right = left[apart], right[apart]
        np.minimum.at(parent, high[apart], low[apart])
        while True:
            above = parent[parent]
            if np.array_equal(above, parent):
                break
            parent = above
    return parent

"""Links nodes that share a key: strong ones chain along it in time, others join the nearest one.

Each step is linear in the number of keys: a node is linked to the one before it with the same key
if that is near enough, or, where it must not bridge what does not belong together, to the one node
that it is closest to.
"""

from typing import Final

import numpy as np

from labrys.triage.columns import NO_TIME, Flags, Ints, unique
from labrys.triage.links import Links
from labrys.triage.nodes import HOUR, Nodes
from labrys.triage.ties import HOST, STRONG, Keys

_NO_WINDOW: Final = np.iinfo(np.int64).max


def chain(nodes: Nodes, made: Keys, who: Flags, window: Ints) -> Links:
    """Link each node to the one before it with the same key, if it is near enough."""
    chosen = who[made.owner] & (window[made.key] > 0)
    owner, key = made.owner[chosen], made.key[chosen]
    start, end = nodes.start[owner], nodes.end[owner]
    sorting = np.lexsort((owner, end, start, key))
    owner, key, start, end = owner[sorting], key[sorting], start[sorting], end[sorting]
    before = _latest(key, end)
    same = key[1:] == key[:-1]
    earlier = before[:-1]
    gap = np.maximum(start[1:] - end[earlier], 0)
    gap[(start[1:] == NO_TIME) | (end[earlier] == NO_TIME)] = NO_TIME
    good = same & (gap <= window[key[1:]])
    return Links(owner[1:][good], owner[earlier][good], key[1:][good], gap[good])


def _latest(key: Ints, end: Ints) -> Ints:
    """For each entry the place of the entry with the latest end so far in its key."""
    rank = np.empty(len(end), np.int64)
    by_end = np.lexsort((-np.arange(len(end)), end))
    rank[by_end] = np.arange(len(end))
    best = np.maximum.accumulate(key * max(1, len(end)) + rank)
    made: Ints = by_end[best - key * max(1, len(end))] if len(end) else by_end
    return made


def attach(nodes: Nodes, made: Keys, leaves: Flags, to: Flags, window: Ints) -> Links:
    """Link each leaf to the one nearest node of `to` by its strongest key, or to none."""
    chosen = (leaves[made.owner] | to[made.owner]) & (window[made.key] > 0)
    owner, key = made.owner[chosen], made.key[chosen]
    useful = np.isin(key, unique(key[to[owner]]))
    owner, key = owner[useful], key[useful]
    sorting = np.lexsort((owner, nodes.start[owner], key))
    owner, key = owner[sorting], key[sorting]
    target = to[owner]
    parts = [
        _candidates(nodes, owner, key, target, beside)
        for beside in (_previous(target), _next(target))
    ]
    leaf, other, tie_key, gap = (np.concatenate(each) for each in zip(*parts, strict=True))
    far = np.where(gap == NO_TIME, 0, np.abs(gap))
    strong = np.isin(made.tie[tie_key], list(STRONG))
    # Being there at the same time means little for a weak finding that is there for hours.
    vague = ~nodes.strong & (nodes.end - nodes.start > HOUR)
    good = (far <= window[tie_key]) & (strong | ((gap != NO_TIME) & ~vague[leaf]))
    leaf, other, tie_key, gap, far = (each[good] for each in (leaf, other, tie_key, gap, far))
    best = np.lexsort((other, far, made.tie[tie_key], leaf))
    first = np.ones(len(best), np.bool_)
    first[1:] = leaf[best][1:] != leaf[best][:-1]
    best = best[first]
    return Links(leaf[best], other[best], tie_key[best], gap[best])


def _candidates(
    nodes: Nodes, owner: Ints, key: Ints, target: Flags, beside: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    """Leaves with a target beside them under the same key, and how far apart in time they are."""
    rows = np.flatnonzero(~target & (beside >= 0) & (beside < len(owner)))
    rows = rows[key[beside[rows]] == key[rows]]
    leaf, other = owner[rows], owner[beside[rows]]
    after = nodes.start[leaf] - nodes.end[other]
    ahead = nodes.start[other] - nodes.end[leaf]
    gap = np.where(after > 0, after, np.where(ahead > 0, -ahead, 0))
    gap[~nodes.timed[leaf] | ~nodes.timed[other]] = NO_TIME
    return leaf, other, key[rows], gap


def _previous(target: Flags) -> Ints:
    made: Ints = np.maximum.accumulate(np.where(target, np.arange(len(target)), -1))
    return made


def _next(target: Flags) -> Ints:
    places = np.where(target, np.arange(len(target)), len(target))
    made: Ints = np.minimum.accumulate(places[::-1])[::-1]
    return made


def leaf_window(made: Keys) -> Ints:
    """Nodes that must not bridge attach by strong keys and by pairs, but not by a host alone; what
    is there every day attaches by strong keys only."""
    single = made.right < 0
    strong = np.isin(made.tie, list(STRONG))
    return np.where(strong | ~single, made.window, 0)


def timeless(nodes: Nodes, made: Keys, left: Flags) -> Links:
    """Group what has no time and attached nowhere: by strong keys, and on the same host."""
    anytime = np.where(np.isin(made.tie, list(STRONG)) & (made.window > 0), _NO_WINDOW, 0)
    anytime[made.tie == HOST] = _NO_WINDOW
    return chain(nodes, made, left & ~nodes.timed, anytime)

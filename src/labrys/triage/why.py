"""Says of each finding why it belongs to its incident."""

from typing import Final

import numpy as np

from labrys.triage.arrays import Ints, unique
from labrys.triage.columns import NO_TIME, Columns
from labrys.triage.entities import KIND
from labrys.triage.explain import duration
from labrys.triage.group import Groups
from labrys.triage.identity import cut
from labrys.triage.links import (
    AGAIN,
    AT_ONCE,
    BACK,
    BESIDE,
    BREADTH,
    DECIDED,
    EVERYDAY,
    HABIT,
    ONE_FILE,
    SAME_RULE,
    UNUSUAL,
    Links,
    named,
)
from labrys.triage.nodes import Nodes
from labrys.triage.rarity import Rarity
from labrys.triage.ties import TIES
from labrys.triage.unusual import FLOOR

_NAMING: Final = {
    AGAIN: "same rule again with {}",
    UNUSUAL: "unusual on {}",
    BESIDE: "reported by {} beside something unusual",
    HABIT: "fires on {} alone, day after day",
    BACK: "several bad things at {} once more",
}
_BETWEEN: Final = {"user and address": "from", "user on host": "on", "address on host": "on"}


def why(columns: Columns, nodes: Nodes, groups: Groups) -> list[str | None]:
    """For each node what ties it to its incident; None for noise.

    A node is explained by its strongest tie to an earlier one, so that an incident reads forwards;
    only where there is none, by a tie to a later one.
    """
    made = _alone(nodes, groups)
    best = _best(groups)
    others = unique(best.other)
    titles = columns.text("title", nodes.first[others]).to_pylist()
    called = dict(zip(others.tolist(), (cut(text or "?", 60) for text in titles), strict=True))
    shown = _shown(columns, groups, unique(best.key))
    rows = zip(
        *(each.tolist() for each in (best.node, best.other, best.key, best.gap)), strict=True
    )
    for node, other, key, gap in rows:
        made[node] = f"{shown[key]}, {_apart(gap)} “{called[other]}”"
    for node in np.flatnonzero(groups.unusual & (groups.rare.surprise >= FLOOR)).tolist():
        made[node] = f"{_seldom(columns, groups.rare, node)}; {made[node]}"
    return made


def _seldom(columns: Columns, rare: Rarity, node: int) -> str:
    """How unusual a node is, in words."""
    before, history, place = (int(each[node]) for each in (rare.before, rare.history, rare.place))
    at = "on" if columns.identities.kind[place] == KIND["host"] else "with"
    where = f"{at} {cut(columns.identities.shown(place), 60)}"
    if not before:
        return f"never seen {where} in the {history} hours before"
    return f"seen {where} in {before} of the {history} hours before"


def _alone(nodes: Nodes, groups: Groups) -> list[str | None]:
    """What to say of nodes that no link names: they are an incident by themselves."""
    made: list[str | None] = [None] * len(nodes.rule)
    inside = np.flatnonzero(groups.group >= 0)
    single = nodes.count[inside] == 1
    for node, one in zip(inside.tolist(), single.tolist(), strict=True):
        made[node] = (
            "the only finding of this incident"
            if one
            else "same rule on the same host and account within the hour"
        )
    return made


def _best(groups: Groups) -> Links:
    """One link for each linked node: to an earlier node if it can be, by the strongest key."""
    links = groups.links
    inside = groups.group[links.node] >= 0
    node, other, key, gap = (
        each[inside] for each in (links.node, links.other, links.key, links.gap)
    )
    back = np.where(gap == NO_TIME, NO_TIME, -gap)
    both = Links(
        np.concatenate([node, other]),
        np.concatenate([other, node]),
        np.concatenate([key, key]),
        np.concatenate([gap, back]),
    )
    # Links without a key are weaker than every tie.
    strength = np.full(len(both.key), len(TIES))
    strength[both.key >= 0] = groups.keys.tie[both.key[both.key >= 0]]
    backwards = np.repeat([False, True], len(node))
    far = np.where(both.gap == NO_TIME, 0, np.abs(both.gap))
    sorting = np.lexsort((both.other, far, strength, backwards, both.node))
    first = np.ones(len(sorting), np.bool_)
    first[1:] = both.node[sorting][1:] != both.node[sorting][:-1]
    best = sorting[first]
    return Links(both.node[best], both.other[best], both.key[best], both.gap[best])


def _shown(columns: Columns, groups: Groups, used: Ints) -> dict[int, str]:
    """What each used key is, in words: `same user bob on ws01`."""
    shown, keys = columns.identities.shown, groups.keys
    made = {
        BREADTH: "one of many stages of an attack on this host within an hour",
        SAME_RULE: "same rule",
        AT_ONCE: "both unusual, and hardly ever so near each other",
        EVERYDAY: "everyday in this case, like all of this incident",
        ONE_FILE: "read from the same file",
        DECIDED: "somebody decided that they are one incident",
    }
    for key in used.tolist():
        if (found := named(key)) is not None:
            kind, identity = found
            made[key] = _NAMING[kind].format(cut(shown(identity), 60))
    for key in used[used >= 0].tolist():
        tie = TIES[keys.tie[key]]
        left, right = int(keys.left[key]), int(keys.right[key])
        text = cut(shown(left), 20 if tie.kinds[0] == "hash" else 90)
        if right >= 0:
            text += f" {_BETWEEN.get(tie.name, 'on')} {cut(shown(right), 60)}"
        noun = tie.kinds[0] if tie.name in _BETWEEN else tie.name
        made[key] = f"same {noun} {text}"
    return made


def _apart(gap: int) -> str:
    if gap == NO_TIME:
        return "time unknown, as"
    if gap == 0:
        return "at the time of"
    return f"{duration(gap)} after" if gap > 0 else f"{duration(-gap)} before"

"""Joins nodes to groups: strong findings chain along shared keys in time, weak ones only attach.

Each step is linear in the number of keys: nodes that may carry an incident are linked to the
one before them with the same key (union-find over those links); nodes that could bridge what does
not belong together (without time, very long, always there) join the one group they are closest
to, or stay among themselves; weak findings join a group by a strong key or not at all, except that
many stages on one host in a short time, or enough that is unusual (`labrys.triage.unusual`), are a
group of their own.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.ocsf.schema import Severity
from labrys.triage.chain import stages
from labrys.triage.columns import KIND, NO_TIME, Columns, Flags, Ints, unique
from labrys.triage.links import AGAIN, BREADTH, Links, components, naming, together
from labrys.triage.nodes import HOUR, LONG, Nodes
from labrys.triage.rarity import Rarity, places, rarity
from labrys.triage.said import Said
from labrys.triage.ties import HOST, STRONG, Keys, chronic, clock, keys
from labrys.triage.unusual import beside_serious, unusual

_LIFTING: Final = 3
"""So many stages on one host within an hour are an incident, however weak each finding is."""
_NO_WINDOW: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Groups:
    """`group` of each node: the smallest node number in it; -1 for what is only noise.

    `lifted` are weak nodes that are a group for their many stages, `burst` for their rarity;
    `unusual` are these, and what joined for being unusual too. `normal`: judged so by people.
    """

    group: Ints
    links: Links
    keys: Keys
    lifted: Flags
    burst: Flags
    unusual: Flags
    rare: Rarity
    normal: Flags


def group(nodes: Nodes, columns: Columns, people: Said) -> Groups:
    """The groups of a case, and by what they hold together; what people say goes before all else."""
    time = clock(nodes)
    made = keys(nodes, columns, time)
    rare = rarity(nodes, columns)
    noisy = chronic(nodes, time) | rare.chronic
    noisy |= rare.usual & (nodes.severity <= Severity.MEDIUM)
    core = nodes.strong & nodes.timed & ~noisy & (nodes.end - nodes.start <= LONG)
    weak = ~nodes.strong
    odd = unusual(nodes, rare, weak, core)
    found = [_chain(nodes, made, core, made.window), odd.links]
    leaves = nodes.strong & ~core
    strong = np.where(np.isin(made.tie, list(STRONG)), made.window, 0)
    attached = together(
        [
            _attach(nodes, made, leaves & ~noisy, core, _leaf_window(made)),
            _attach(nodes, made, leaves & noisy, core, strong),
        ]
    )
    found.append(attached)
    left = leaves.copy()
    left[attached.node] = False
    found.append(_timeless(nodes, made, left))
    single = _of_one_rule(nodes, components(len(core), found))
    found.append(_recurring(nodes, columns, (left | core) & single))
    found.append(_attach(nodes, made, weak & ~odd.member, nodes.strong, made.near))
    joined = nodes.strong | odd.member
    joined[found[-1].node] = True
    found.append(beside_serious(nodes, rare, ~joined, core))
    also = odd.member.copy()
    also[found[-1].node] = joined[found[-1].node] = True
    lifted, links = _lift(nodes, columns, ~joined & ~noisy)
    found.append(links)
    joined |= lifted
    joined[people.links.node] = joined[people.links.other] = True
    for mine in people.apart:
        joined |= mine
    found = people.cut([*found, people.links])
    labels = np.where(joined, components(len(core), found), -1)
    # What is kept apart is one incident, whether its own links hold it together or not.
    for mine in people.apart:
        labels[mine] = np.flatnonzero(mine)[:1]
    return Groups(labels, together(found), made, lifted, odd.burst, also, rare, people.normal)


def _chain(nodes: Nodes, made: Keys, who: Flags, window: Ints) -> Links:
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


def _attach(nodes: Nodes, made: Keys, leaves: Flags, to: Flags, window: Ints) -> Links:
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


def _leaf_window(made: Keys) -> Ints:
    """Nodes that must not bridge attach by strong keys and by pairs, but not by a host alone; what
    is there every day attaches by strong keys only."""
    single = made.right < 0
    strong = np.isin(made.tie, list(STRONG))
    return np.where(strong | ~single, made.window, 0)


def _timeless(nodes: Nodes, made: Keys, left: Flags) -> Links:
    """Group what has no time and attached nowhere: by strong keys, and on the same host."""
    anytime = np.where(np.isin(made.tie, list(STRONG)) & (made.window > 0), _NO_WINDOW, 0)
    anytime[made.tie == HOST] = _NO_WINDOW
    return _chain(nodes, made, left & ~nodes.timed, anytime)


def _of_one_rule(nodes: Nodes, labels: Ints) -> Flags:
    """Nodes of groups that hold findings of a single rule."""
    low = nodes.rule.copy()
    high = nodes.rule.copy()
    np.minimum.at(low, labels, nodes.rule)
    np.maximum.at(high, labels, nodes.rule)
    made: Flags = (low == high)[labels]
    return made


def _recurring(nodes: Nodes, columns: Columns, who: Flags) -> Links:
    """One rule again and again on one host, and nothing else, is one incident, however long."""
    numbers = np.flatnonzero(who)
    host = places(nodes, columns)[numbers]
    sorting = np.lexsort((numbers, nodes.start[numbers], host, nodes.rule[numbers]))
    numbers, host = numbers[sorting], host[sorting]
    rule = nodes.rule[numbers]
    same = (rule[1:] == rule[:-1]) & (host[1:] == host[:-1])
    node, other = numbers[1:][same], numbers[:-1][same]
    gap = np.maximum(nodes.start[node] - nodes.end[other], 0)
    gap[~nodes.timed[node] | ~nodes.timed[other]] = NO_TIME
    return Links(node, other, naming(AGAIN, host[1:][same]), gap)


def _lift(nodes: Nodes, columns: Columns, who: Flags) -> tuple[Flags, Links]:
    """Weak findings that show many stages on one host within an hour, as groups of their own."""
    host = places(nodes, columns)
    hosted = np.zeros(len(host), np.bool_)
    hosted[host >= 0] = columns.identities.kind[host[host >= 0]] == KIND["host"]
    tactic = _tactics(columns)[columns.attack[nodes.first]]
    # What is only informational happens all day, and says nothing by happening beside something.
    known = who & hosted & nodes.timed & (nodes.severity >= Severity.LOW)
    numbers = np.flatnonzero(known & (tactic >= 0))
    numbers = numbers[np.lexsort((numbers, nodes.start[numbers], host[numbers]))]
    where, start = host[numbers], nodes.start[numbers]
    place = np.arange(len(numbers))
    breadth = np.zeros(len(numbers), np.int64)
    for step in np.unique(tactic[numbers]):
        last = np.maximum.accumulate(np.where(tactic[numbers] == step, place, -1))
        seen = last >= 0
        near = (where[last] == where) & (start - start[last] <= HOUR)
        breadth += seen & near
    peaks = np.flatnonzero(breadth >= _LIFTING)
    within = _within(where, start, peaks)
    chosen = np.flatnonzero(within)
    same = (where[chosen][1:] == where[chosen][:-1]) & (np.diff(start[chosen]) <= HOUR)
    node, other = numbers[chosen][1:][same], numbers[chosen][:-1][same]
    lifted = np.zeros(len(host), np.bool_)
    lifted[numbers[chosen]] = True
    gap = np.diff(start[chosen])[same]
    return lifted, Links(node, other, np.full(len(node), BREADTH), gap)


def _within(where: Ints, start: Ints, peaks: Ints) -> Flags:
    """Entries on the same host at most an hour before a peak."""
    place = np.where(np.isin(np.arange(len(where)), peaks), np.arange(len(where)), len(where))
    following = np.minimum.accumulate(place[::-1])[::-1]
    good = following < len(where)
    inside = following[good]
    made = np.zeros(len(where), np.bool_)
    made[good] = (where[inside] == where[good]) & (start[inside] - start[good] <= HOUR)
    return made


def _tactics(columns: Columns) -> Ints:
    """The stage of the first tactic of each combination; -1 without one."""
    places = stages()
    return np.array(
        [places.get(attack.tactics[0], -1) if attack.tactics else -1 for attack in columns.attacks]
        or [-1],
        np.int64,
    )

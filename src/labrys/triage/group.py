"""Joins nodes to groups: strong findings chain along shared keys in time, weak ones only attach.

Each step is linear in the number of keys: nodes that may carry an incident are linked to the
one before them with the same key (union-find over those links); nodes that could bridge what does
not belong together (without time, very long, always there) join the one group they are closest
to, or stay among themselves; weak findings join a group by a strong key or not at all, except that
many stages on one host in a short time, or enough that is unusual (`labrys.triage.unusual`), are a
group of their own. What the case shows to be everyday (`labrys.triage.habits`) counts as weak, and
groups in which no two things agree (`labrys.triage.agreement`) are none.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc

from labrys.ocsf.schema import Severity
from labrys.triage.agreement import thin
from labrys.triage.arrays import Flags, Ints, ranked
from labrys.triage.attach import attach, chain, leaf_window, timeless
from labrys.triage.breadth import breadth
from labrys.triage.columns import Columns
from labrys.triage.entities import KIND
from labrys.triage.habits import Habits, habits, kept_together, one_after_another
from labrys.triage.links import AGAIN, BACK, ONE_FILE, Links, components, naming, together
from labrys.triage.marks import marked
from labrys.triage.nodes import LONG, Nodes
from labrys.triage.rarity import Rarity, places, rarity
from labrys.triage.returning import returning
from labrys.triage.said import Said
from labrys.triage.ties import HOST, STRONG, TIES, Keys, chronic, clock, keys
from labrys.triage.unusual import Unusual, beside_serious, nearest, unusual


@dataclass(frozen=True, slots=True)
class Groups:
    """`group` of each node: the smallest node number in it; -1 for what is only noise.

    `lifted` are weak nodes that are a group for their many stages, `burst` for their rarity;
    `unusual` are these, and what joined for being unusual too. `everyday`: of rules that fire on
    many other days too; `normal`: judged so by people.
    """

    group: Ints
    links: Links
    keys: Keys
    lifted: Flags
    burst: Flags
    unusual: Flags
    rare: Rarity
    everyday: Flags
    normal: Flags


@dataclass(frozen=True, slots=True)
class _Case:
    """The nodes and what is known of them: `core` are those that groups grow from, `common` is
    everyday, and `noisy` ties only by strong keys."""

    nodes: Nodes
    rare: Rarity
    known: Habits
    keys: Keys
    common: Flags
    noisy: Flags
    core: Flags


def group(nodes: Nodes, columns: Columns, people: Said) -> Groups:
    """The groups of a case, and by what they hold together; what people say goes before all else."""
    case = _known(nodes, columns)
    nodes, known = case.nodes, case.known
    weak = ~nodes.strong & ~case.common
    odd = unusual(nodes, case.rare, weak, case.core & known.fresh, known.fresh)
    found, joined = _serious(case, columns, odd)
    found.append(attach(nodes, case.keys, weak & ~odd.member, nodes.strong, case.keys.near))
    joined[found[-1].node] = True
    found.append(beside_serious(nodes, case.rare, ~joined & ~known.everyday, case.core))
    also = odd.member.copy()
    also[found[-1].node] = joined[found[-1].node] = True
    lifted, links = breadth(nodes, columns, ~joined & ~case.noisy & ~known.everyday)
    near = nearest(
        nodes, case.rare, lifted, case.core, np.full(len(lifted), TIES[HOST].window), BACK
    )
    found += [links, near]
    joined |= lifted
    grouped = np.where(joined, components(len(joined), found), -1)
    carrying = case.core | lifted | odd.burst
    dropped, links = thin(nodes, case.rare, known, grouped, carrying)
    grouped[dropped] = -1
    found += [links, returning(nodes, columns, known, case.rare.place, grouped, case.core)]
    labels, links = _decided(found, joined & ~dropped, people)
    return Groups(
        group=labels,
        links=links,
        keys=case.keys,
        lifted=lifted,
        burst=odd.burst,
        unusual=also & (labels >= 0),
        rare=case.rare,
        everyday=case.common,
        normal=people.normal,
    )


def _known(nodes: Nodes, columns: Columns) -> _Case:
    """What the case says of its nodes; everyday ones of medium severity are no longer strong."""
    rare = rarity(nodes, columns)
    known = habits(nodes, columns, rare)
    mark = marked(nodes, columns, rare.place)
    known = replace(known, everyday=known.everyday & ~mark, news=np.where(mark, 1.0, known.news))
    between = (nodes.severity >= Severity.MEDIUM) & (nodes.severity < Severity.CRITICAL)
    common = known.everyday & between
    rare = replace(rare, surprise=np.where(common, 0.0, rare.surprise))
    nodes = replace(nodes, strong=nodes.strong & ~(common & (nodes.severity == Severity.MEDIUM)))
    time = clock(nodes)
    noisy = chronic(nodes, time) | rare.chronic | common
    noisy |= rare.usual & (nodes.severity <= Severity.MEDIUM)
    noisy &= ~mark
    core = nodes.strong & nodes.timed & ~noisy & (nodes.end - nodes.start <= LONG)
    made = keys(nodes, columns, time, known.everyday)
    return _Case(nodes, rare, known, made, common, noisy, core)


def _serious(case: _Case, columns: Columns, odd: Unusual) -> tuple[list[Links], Flags]:
    """Links of what is of medium severity or more, and which nodes belong to a group by them."""
    nodes, made, core = case.nodes, case.keys, case.core
    found = [chain(nodes, made, core, made.window), odd.links]
    leaves = nodes.strong & ~core
    strong = np.where(np.isin(made.tie, list(STRONG)), made.window, 0)
    everyday = ~nodes.strong & case.common
    attached = together(
        [
            attach(nodes, made, leaves & ~case.noisy, core, leaf_window(made)),
            attach(nodes, made, leaves & case.noisy, core, strong),
            attach(nodes, made, everyday, core, made.near),
        ]
    )
    found.append(attached)
    left = leaves.copy()
    left[attached.node] = False
    found.append(timeless(nodes, made, left))
    found.append(_of_one_file(nodes, columns, left))
    single = _of_one_rule(nodes, components(len(core), found))
    found.append(_recurring(nodes, columns, (left | core) & single & ~case.common))
    left |= everyday
    left[attached.node] = False
    kept = kept_together(nodes, case.rare, case.known, left)
    joined = nodes.strong | odd.member
    joined[attached.node] = joined[kept.node] = joined[kept.other] = True
    return [*found, kept], joined


def _decided(found: list[Links], joined: Flags, people: Said) -> tuple[Ints, Links]:
    """The groups, and their links, after what people have said."""
    joined[people.links.node] = joined[people.links.other] = True
    for mine in people.apart:
        joined |= mine
    found = people.cut([*found, people.links])
    labels = np.where(joined, components(len(joined), found), -1)
    # What is kept apart is one incident, whether its own links hold it together or not.
    for mine in people.apart:
        labels[mine] = np.flatnonzero(mine)[:1]
    return labels, together(found)


def _of_one_rule(nodes: Nodes, labels: Ints) -> Flags:
    """Nodes of groups that hold findings of a single rule."""
    low = nodes.rule.copy()
    high = nodes.rule.copy()
    np.minimum.at(low, labels, nodes.rule)
    np.maximum.at(high, labels, nodes.rule)
    made: Flags = (low == high)[labels]
    return made


def _of_one_file(nodes: Nodes, columns: Columns, left: Flags) -> Links:
    """What has neither a time nor a host is about the file it was read from: a history of commands,
    an export. Messages are not: each is a thing of its own."""
    kinds = columns.identities.kind[nodes.identity]
    told = np.zeros(len(nodes.rule), np.bool_)
    told[nodes.owner[np.isin(kinds, [KIND["host"], KIND["message"]])]] = True
    numbers = np.flatnonzero(left & ~nodes.timed & ~told)
    file, names = ranked(columns.evidence("_source", nodes.first[numbers]))
    known = file >= int(pc.sum(pc.equal(names, "")).as_py() or 0)
    numbers, file = numbers[known], file[known]
    return one_after_another(nodes, numbers, file, np.full(len(numbers), ONE_FILE))


def _recurring(nodes: Nodes, columns: Columns, who: Flags) -> Links:
    """One rule again and again on one host, and nothing else, is one incident, however long."""
    numbers = np.flatnonzero(who)
    host = places(nodes, columns)[numbers]
    same = nodes.rule[numbers] * (int(host.max(initial=0)) + 2) + host + 1
    return one_after_another(nodes, numbers, same, naming(AGAIN, host))

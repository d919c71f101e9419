"""Gathers what is known about each incident, before it is ranked and put in words."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from labrys.ocsf.schema import ENTITY_TYPES, Severity
from labrys.triage.arrays import Flags, Ints, Small, integers, numbered, unique
from labrys.triage.assets import NOTHING, Assets
from labrys.triage.columns import NO_TIME, Attack, Columns
from labrys.triage.entities import KIND, ROLES
from labrys.triage.group import Groups
from labrys.triage.links import EVERYDAY
from labrys.triage.nodes import DAY, Nodes
from labrys.triage.ties import Shares
from labrys.triage.unusual import FLOOR, weigh

_PER_KIND: Final = 12
"""Of each kind an incident lists at most this many entities, the most involved first."""
_PER_HIT: Final = 3
"""Of each kind a rule's hits list at most this many."""
_ROLE_WEIGHT: Final = np.array([3, 2, 2, 1, 3, 1, 1, 1], np.int64)


@dataclass(frozen=True, slots=True)
class Named:
    """An entity of an incident: what people read, and what it did most prominently.

    `asset` is what it is to its owner, where that is known, and `weight` how much that counts.
    """

    kind: str
    shown: str
    role: str
    key: str
    asset: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part: `named` by kind and involvement, `more` how many of each kind there are."""

    named: tuple[Named, ...] = ()
    more: dict[str, int] = field(default_factory=dict)

    def of(self, kind: str) -> list[Named]:
        """The listed entities of one kind."""
        return [each for each in self.named if each.kind == kind]

    def count(self, kind: str) -> int:
        """How many entities of a kind there are, listed or not."""
        return self.more.get(kind, 0)


@dataclass(frozen=True, slots=True)
class Hits:
    """What one rule found in one incident; `first` is `NO_TIME` where no finding has a time.

    `rarity`: 1 for a rule seen on one host and day only, towards 0 for one seen everywhere.
    `usual`: it fires about every day there or in the whole case, and was never news; `bits`: how surprising it
    was there at most, 0 where it merely joined an incident that others had made; `normal`: people
    say that it is, there.
    """

    rule: str
    title: str
    detector: str
    severity: int
    confidence: int
    count: int
    first: int
    attack: Attack
    rarity: float
    advice: str
    cast: Cast
    usual: bool = False
    bits: float = 0.0
    normal: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """One incident's facts. `begin` and `end` bound its findings in `Members.finding`.

    `hits` are ordered by time; `anchor` is the uid of the finding that names the incident. `bits`
    say how unusual the weak findings are that made it an incident, 0 where others did. `habits`:
    it is the list of what is everyday in the case, of which no two things need to be about one.
    """

    begin: int
    end: int
    hits: tuple[Hits, ...]
    cast: Cast
    start: int
    finish: int
    anchor: str
    lifted: bool
    bits: float = 0.0
    habits: bool = False


@dataclass(frozen=True, slots=True)
class Members:
    """Which findings are in which incident: `finding` sorted by incident, then time (or, without
    one, place in the file), then uid.

    `incident` runs in parallel; `noise` are the findings that are in none.
    """

    finding: Ints
    incident: Ints
    count: int
    noise: Ints


def members(columns: Columns, nodes: Nodes, groups: Groups) -> Members:
    """Each finding's incident."""
    label = groups.group[nodes.node]
    inside = np.flatnonzero(label >= 0)
    found, incident = numbered(label[inside])
    start = columns.start[inside]
    late = np.where(start == NO_TIME, np.iinfo(np.int64).max, start)
    place = np.zeros(len(inside), np.int64)
    undated = np.flatnonzero(start == NO_TIME)
    place[undated] = integers(columns.evidence("_offset", inside[undated]), 0)
    sorting = np.lexsort((inside, place, late, incident))
    return Members(
        finding=inside[sorting],
        incident=incident[sorting],
        count=len(found),
        noise=np.flatnonzero(label < 0),
    )


def stories(
    columns: Columns, nodes: Nodes, groups: Groups, who: Members, owned: Assets
) -> list[Story]:
    """The facts of each incident, in the order of `Members.incident`."""
    bounds = np.searchsorted(who.incident, np.arange(who.count + 1))
    hits = _hits(columns, nodes, groups, who)
    casts = _casts(columns, who.finding, who.incident, who.count, _PER_KIND, owned)
    burst = groups.burst[nodes.node[who.finding]]
    anchors = _anchors(columns, who, burst)
    lifted = (groups.lifted | groups.unusual)[nodes.node[who.finding]]
    lifted &= columns.severity[who.finding] < Severity.MEDIUM
    bits, _ = weigh(nodes, groups.rare, groups.group, groups.unusual)
    listed = _listed(nodes, groups)
    made = []
    for number in range(who.count):
        begin, end = int(bounds[number]), int(bounds[number + 1])
        findings = who.finding[begin:end]
        group = groups.group[nodes.node[findings[0]]]
        timed = _telling_time(columns, findings, burst[begin:end])
        made.append(
            Story(
                begin=begin,
                end=end,
                hits=tuple(hits[number]),
                cast=casts[number],
                start=int(columns.start[timed].min()) if len(timed) else NO_TIME,
                finish=int(columns.end[timed].max()) if len(timed) else NO_TIME,
                anchor=anchors[number],
                lifted=bool(lifted[begin:end].all()),
                bits=float(bits[group]),
                habits=bool(listed[group]),
            )
        )
    return made


def _listed(nodes: Nodes, groups: Groups) -> Flags:
    """Which groups are nothing but the case's list of what is everyday."""
    made = np.zeros(len(nodes.rule), np.bool_)
    node = groups.links.node[groups.links.key == EVERYDAY]
    made[groups.group[node][groups.group[node] >= 0]] = True
    serious = (groups.group >= 0) & (nodes.severity >= Severity.MEDIUM) & ~groups.everyday
    made[groups.group[serious]] = False
    return made


def _telling_time(columns: Columns, findings: Ints, burst: Flags) -> Ints:
    """The findings that say when an incident was: weak ones only when they made it, or when there
    are no others, because what merely hangs on may have begun days before."""
    timed = columns.start[findings] != NO_TIME
    telling = timed & (burst | (columns.severity[findings] >= Severity.MEDIUM))
    made: Ints = findings[telling] if telling.any() else findings[timed]
    return made


def rarity(columns: Columns, nodes: Nodes) -> Shares:
    """Each rule's rarity: in how few of the case's days on hosts it fires, 1 down to 0."""
    host = np.full(len(nodes.rule), -1)
    is_host = columns.identities.kind[nodes.identity] == KIND["host"]
    host[nodes.owner[is_host][::-1]] = nodes.identity[is_host][::-1]
    day = np.where(nodes.timed, nodes.start // DAY, -1)
    _, dense = numbered(day)
    _, cell = numbered(host * (len(day) + 1) + dense)
    cells = int(cell.max()) + 1 if len(cell) else 1
    pairs = unique(nodes.rule * cells + cell)
    seen = np.bincount(pairs // cells, minlength=len(columns.rules))
    made = np.log((1 + cells) / np.maximum(1, seen)) / np.log(1 + cells)
    return np.asarray(np.clip(made, 0, 1))


def _hits(columns: Columns, nodes: Nodes, groups: Groups, who: Members) -> list[list[Hits]]:
    rare = rarity(columns, nodes)
    usual = groups.rare.usual[nodes.node]
    never = (groups.rare.surprise < FLOOR)[nodes.node]
    bits = np.where(groups.burst, groups.rare.surprise, 0)[nodes.node]
    rule = columns.rule[who.finding]
    sorting = np.lexsort((np.arange(len(rule)), rule, who.incident))
    finding, rule, incident = who.finding[sorting], rule[sorting], who.incident[sorting]
    fresh = np.ones(len(rule), np.bool_)
    fresh[1:] = (rule[1:] != rule[:-1]) | (incident[1:] != incident[:-1])
    begins = np.flatnonzero(fresh)
    if not len(begins):
        return [[] for _ in range(who.count)]
    severity = np.maximum.reduceat(columns.severity[finding], begins)
    confidence = np.maximum.reduceat(columns.confidence[finding], begins)
    count = np.diff(np.append(begins, len(rule)))
    always = np.logical_and.reduceat(never[finding], begins)
    always &= np.logical_or.reduceat(usual[finding], begins)
    always &= severity <= Severity.MEDIUM
    always |= np.logical_and.reduceat(groups.everyday[nodes.node[finding]], begins)
    surprise = np.maximum.reduceat(bits[finding], begins)
    normal = np.logical_and.reduceat(groups.normal[nodes.node[finding]], begins)
    first = finding[begins]
    casts = _casts(columns, finding, np.cumsum(fresh) - 1, len(begins), _PER_HIT)
    texts = [
        [text or "" for text in columns.text(name, first).to_pylist()]
        for name in ("title", "detector", "advice")
    ]
    made: list[list[Hits]] = [[] for _ in range(who.count)]
    for place, number in enumerate(first):
        made[incident[begins[place]]].append(
            Hits(
                rule=columns.rules[columns.rule[number]],
                title=texts[0][place] or columns.rules[columns.rule[number]],
                detector=texts[1][place],
                severity=int(severity[place]),
                confidence=int(confidence[place]),
                count=int(count[place]),
                first=int(columns.start[number]),
                attack=columns.attacks[columns.attack[number]],
                rarity=float(rare[columns.rule[number]]),
                advice=texts[2][place],
                cast=casts[place],
                usual=bool(always[place]),
                bits=float(surprise[place]),
                normal=bool(normal[place]),
            )
        )
    for each in made:
        each.sort(key=lambda hit: (hit.first == NO_TIME, hit.first, -hit.severity, hit.rule))
    return made


def _casts(
    columns: Columns,
    finding: Ints,
    group: Ints,
    count: int,
    per_kind: int,
    owned: Assets = NOTHING,
) -> list[Cast]:
    """Who takes part in each of `count` groups of findings; `group` runs parallel to `finding`."""
    group_of = np.full(len(columns.rule), -1)
    group_of[finding] = group
    entry = np.flatnonzero(group_of[columns.owner] >= 0)
    identity, role = columns.identity[entry], columns.role[entry]
    kept = ~_redundant(columns, group_of[columns.owner[entry]], identity, count)
    entry, identity, role = entry[kept], identity[kept], role[kept]
    weight = _ROLE_WEIGHT[role] * columns.severity[columns.owner[entry]] ** 2
    width = max(1, len(columns.identities))
    groups: Ints = group_of[columns.owner[entry]] * width
    pairs, place = numbered(groups + identity)
    total = np.bincount(place, weights=weight, minlength=len(pairs))
    foremost = np.full(len(pairs), len(ROLES))
    np.minimum.at(foremost, place, role)
    group, who = pairs // width, pairs % width
    kind = columns.identities.kind[who]
    telling = columns.identities.alone[who] | columns.identities.part[who]
    sorting = np.lexsort((who, -total, ~telling, kind, group))
    of_kind = (group * len(ENTITY_TYPES) + kind)[sorting]
    listed = sorting[np.arange(len(of_kind)) - np.searchsorted(of_kind, of_kind) < per_kind]
    named: list[list[Named]] = [[] for _ in range(count)]
    owner = columns.identities
    for number, entity, code in zip(
        *(each[listed].tolist() for each in (group, who, foremost)), strict=True
    ):
        shown, key, spoken = owner.shown(entity), owner.key(entity), (*ROLES, "object")[code]
        asset = owned.role.get(entity, ""), owned.weight.get(entity, 1.0)
        named[number].append(Named(ENTITY_TYPES[owner.kind[entity]], shown, spoken, key, *asset))
    more: list[dict[str, int]] = [{} for _ in range(count)]
    kinds, sizes = np.unique(of_kind, return_counts=True)
    for value, size in zip(kinds.tolist(), sizes.tolist(), strict=True):
        more[value // len(ENTITY_TYPES)][ENTITY_TYPES[value % len(ENTITY_TYPES)]] = size
    return [Cast(tuple(each), counts) for each, counts in zip(named, more, strict=True)]


def _redundant(columns: Columns, group: Ints, identity: Small, count: int) -> Flags:
    """What tells the reader nothing: keys of mailings, and users given as a security identifier
    only, where the group also knows users by name (most often it is the same user a second time)."""
    user = columns.identities.kind == KIND["user"]
    numbered_only = user & columns.identities.begins("s-1-")
    named = np.zeros(count, np.bool_)
    named[group[(user & ~numbered_only)[identity]]] = True
    mailing = columns.identities.kind == KIND["campaign"]
    made: Flags = (numbered_only[identity] & named[group]) | mailing[identity]
    return made


def _anchors(columns: Columns, who: Members, burst: Flags) -> list[str]:
    """The uid that names each incident: its strongest, then earliest finding.

    It does not change when weaker or later findings join, so decisions on an incident stay with it.
    """
    start = columns.start[who.finding]
    late = np.where(start == NO_TIME, np.iinfo(np.int64).max, start)
    severity = columns.severity[who.finding]
    sorting = np.lexsort((who.finding, late, ~burst, -severity, who.incident))
    incident = who.incident[sorting]
    first = np.ones(len(incident), np.bool_)
    first[1:] = incident[1:] != incident[:-1]
    uids: list[str] = columns.text("uid", who.finding[sorting][first]).to_pylist()
    return uids

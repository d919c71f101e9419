"""What can tie two findings: shared identities, pairs of them, how specific each is, how long.

A tie is a key that two nodes share: one identity (a process, a hash, an address) or a pair (a user
on a host). The more specific a kind of key is, the longer it ties. How common a key is comes from
the case itself: what is around in most of the time, or on most hosts, ties nothing.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from labrys.triage.arrays import Flags, Ints, numbered, unique
from labrys.triage.columns import Columns
from labrys.triage.entities import KIND
from labrys.triage.nodes import DAY, HOUR, MINUTE, Nodes

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tie:
    """A kind of key: strongest first; `window` for findings that carry an incident, `near` for
    weak findings that may only join one (0: they may not by this)."""

    name: str
    kinds: tuple[str, ...]
    window: int
    near: int


TIES: Final = (
    Tie("process", ("process",), 30 * DAY, DAY),
    Tie("logon session", ("session",), 2 * DAY, 4 * HOUR),
    Tie("logon session", ("session", "host"), 2 * DAY, 4 * HOUR),
    Tie("file hash", ("hash",), 7 * DAY, DAY),
    Tie("URL", ("url",), 7 * DAY, DAY),
    Tie("mailing", ("campaign",), 7 * DAY, 7 * DAY),
    Tie("file", ("file",), 7 * DAY, DAY),
    Tie("registry key", ("registry", "host"), DAY, 4 * HOUR),
    Tie("resource", ("resource",), DAY, 4 * HOUR),
    Tie("domain", ("domain",), DAY, 4 * HOUR),
    Tie("user and address", ("user", "ip"), DAY, 30 * MINUTE),
    Tie("user on host", ("user", "host"), 12 * HOUR, 30 * MINUTE),
    Tie("address on host", ("ip", "host"), 12 * HOUR, 30 * MINUTE),
    Tie("service", ("service",), 4 * HOUR, 0),
    Tie("user", ("user",), 4 * HOUR, 0),
    Tie("address", ("ip",), 4 * HOUR, 0),
    Tie("account", ("account",), HOUR, 0),
    Tie("host", ("host",), 4 * HOUR, 0),
)
HOST: Final = len(TIES) - 1
STRONG: Final = frozenset(range(10))
"""Ties specific enough to hold without a time."""
_EXEMPT: Final = frozenset([0, 1, 2, HOST])
"""Never too common: a process or a session is one of its kind; hosts get shorter windows."""

_PARTS: Final = 4
"""Of one kind, so many identities of a node enter pairs: pairs stay few however long the list."""
_ENOUGH_BINS: Final = 12
_ENOUGH_SPAN: Final = 3 * DAY
_RESTLESS: Final = 2
"""A key under which everyday things happen on so many days ties what is an hour apart at most."""
_MANY_HOSTS: Final = 8
_MANY_USERS: Final = 12


@dataclass(frozen=True, slots=True)
class Keys:
    """What ties nodes: parallel `owner` (node) and `key`, sorted; a row per key in the rest.

    `left` and `right` are the identities of the key (`right` -1 where it is only one); `window`
    and `near` are already shortened or zero where the key is common.
    """

    owner: Ints
    key: Ints
    tie: Ints
    left: Ints
    right: Ints
    window: Ints
    near: Ints


@dataclass(frozen=True, slots=True)
class Clock:
    """Time in steps short enough to tell what is there always from what happened once.

    `step` of each node (-1 without time), how many different steps the case has, and its span.
    """

    step: Ints
    steps: int
    span: int


def clock(nodes: Nodes) -> Clock:
    """The case's own clock; single wrong dates far away do not stretch it."""
    start = nodes.start[nodes.timed]
    if not len(start):
        return Clock(np.full(len(nodes.start), -1), 0, 0)
    low, high = np.quantile(start, [0.01, 0.99], method="nearest")
    span = int(high - low)
    width = min(4 * HOUR, max(15 * MINUTE, span // 64))
    step = np.where(nodes.timed, nodes.start // width, -1)
    return Clock(step, len(unique(step[nodes.timed])), span)


def keys(nodes: Nodes, columns: Columns, time: Clock, everyday: Flags) -> Keys:
    """Every key of every node, with the windows in which it ties.

    One kind of key after the other, so that only one is in memory as a whole: how common a key is
    takes all nodes that have it, but of weak nodes only those are kept that it can tie.
    """
    gathered = _Gathered(nodes, columns, time, everyday)
    parts = [gathered.keys_of(number) for number in range(len(TIES))]
    sizes = np.cumsum([0, *(len(each.tie) for each in parts)])
    made = Keys(
        owner=np.concatenate([each.owner for each in parts]),
        key=np.concatenate([each.key + size for each, size in zip(parts, sizes, strict=False)]),
        **{
            name: np.concatenate([getattr(each, name) for each in parts])
            for name in ("tie", "left", "right", "window", "near")
        },
    )
    host = made.tie == HOST
    made.window[host & _busy(columns, made.tie, made.left, made.right)] = 15 * MINUTE
    return made


def chronic(nodes: Nodes, time: Clock) -> Flags:
    """Nodes of rules that fire most of the time, all over the case: noise until tied otherwise."""
    if time.steps < _ENOUGH_BINS or time.span < _ENOUGH_SPAN:
        return np.zeros(len(nodes.rule), np.bool_)
    rules = int(nodes.rule.max()) + 1
    noisy: Flags = _presence(np.arange(len(nodes.rule)), nodes.rule, rules, time) >= 0.5
    return noisy[nodes.rule]


class _Gathered:
    """The identities of nodes that can tie anything, and the keys that they make."""

    def __init__(self, nodes: Nodes, columns: Columns, time: Clock, everyday: Flags) -> None:
        identities = columns.identities
        self._nodes, self._identities, self._time = nodes, identities, time
        self._habit = np.where(everyday, nodes.start // DAY, -1)
        self._owner, self._identity = _useful(nodes, max(1, len(identities)))
        self._kind = identities.kind[self._identity]
        is_host = identities.kind[nodes.identity] == KIND["host"]
        self._host = np.full(len(nodes.rule), -1)
        self._host[nodes.owner[is_host][::-1]] = nodes.identity[is_host][::-1]
        self._least = max(_MANY_HOSTS, len(unique(nodes.identity[is_host])) // 2)

    def keys_of(self, number: int) -> Keys:
        """The keys of one kind of tie."""
        width = max(1, len(self._identities)) + 1
        owner, left, right = self._entries(TIES[number].kinds)
        code = left * width + right + 1
        sorting = np.argsort(code, kind="stable")
        owner, code = owner[sorting], code[sorting]
        begins = np.flatnonzero(np.append(True, code[1:] != code[:-1])) if len(code) else code
        # A key that no strong node has cannot tie anything; most of a case's weak entries go here.
        strong = self._nodes.strong[owner]
        useful = np.logical_or.reduceat(strong, begins) if len(code) else strong
        counts = np.diff(np.append(begins, len(code)))
        if TIES[number].kinds not in _VISITS:  # which also tell how many come to a host
            useful = useful & (counts > 1)
        left, right = np.divmod(code[begins][useful], width)
        kept = np.repeat(useful, counts)
        key, owner, strong = (
            np.repeat(np.arange(len(left)), counts[useful]),
            owner[kept],
            strong[kept],
        )
        window, near = self._windows(number, owner, key, len(left))
        kept = strong | (near[key] > 0)
        return Keys(
            owner=owner[kept],
            key=key[kept],
            tie=np.full(len(left), number),
            left=left,
            right=right - 1,
            window=window,
            near=near,
        )

    def _entries(self, kinds: tuple[str, ...]) -> tuple[Ints, Ints, Ints]:
        """Nodes and the identities of their keys; the right one is -1 where there is only one."""
        if len(kinds) == 1:
            alone = self._identities.alone[self._identity]
            chosen = (self._kind == KIND[kinds[0]]) & alone
            owner, left = self._owner[chosen], self._identity[chosen]
            return owner, left, np.full(len(left), -1)
        chosen = self._identities.part[self._identity]
        chosen &= np.isin(self._kind, [KIND[name] for name in kinds])
        return _pairs(self._owner[chosen], self._identity[chosen], self._kind[chosen], kinds)

    def _windows(self, number: int, owner: Ints, key: Ints, count: int) -> tuple[Ints, Ints]:
        """How long each key ties: shorter or not at all where it is common."""
        window = np.full(count, TIES[number].window)
        near = np.full(count, TIES[number].near)
        presence = _presence(owner, key, count, self._time)
        if number not in _EXEMPT:
            spread = _spread(self._host[owner], key, count, self._least)
            common = _common(spread, presence, self._time)
            window[common] = near[common] = 0
        elif (
            number == HOST and self._time.steps >= _ENOUGH_BINS and self._time.span >= _ENOUGH_SPAN
        ):
            window = (window * np.clip(1 - presence, 0.25, 1)).astype(np.int64)
        restless = _days(self._habit[owner], key, count) >= _RESTLESS
        window[restless] = np.minimum(window[restless], HOUR)
        near[restless] = np.minimum(near[restless], HOUR)
        return window, near


def _useful(nodes: Nodes, width: int) -> tuple[Ints, Ints]:
    """Nodes' identities that some strong node has: the others cannot tie anything."""
    wanted = np.zeros(width, np.bool_)
    wanted[nodes.identity[nodes.strong[nodes.owner]]] = True
    chosen = wanted[nodes.identity]
    return nodes.owner[chosen].astype(np.int64), nodes.identity[chosen].astype(np.int64)


def _pairs(
    owners: Ints, identities: Ints, kind: Ints, kinds: tuple[str, ...]
) -> tuple[Ints, Ints, Ints]:
    """Each node's pairs of a left and a right kind, of at most `_PARTS` identities each."""
    sides = []
    for name in kinds:
        chosen = kind == KIND[name]
        owner, identity = owners[chosen], identities[chosen]
        place = np.arange(len(owner)) - np.searchsorted(owner, owner)
        sides.append((owner[place < _PARTS], identity[place < _PARTS]))
    (left_owner, left), (right_owner, right) = sides
    begin = np.searchsorted(right_owner, left_owner)
    count = np.searchsorted(right_owner, left_owner, side="right") - begin
    total = int(count.sum())
    offset = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
    return (
        np.repeat(left_owner, count),
        np.repeat(left, count),
        right[np.repeat(begin, count) + offset],
    )


def _presence(owner: Ints, key: Ints, count: int, time: Clock) -> Shares:
    """In which share of the case's steps each key is seen."""
    step = time.step[owner]
    _, dense = numbered(step)
    pairs = unique((key * (time.steps + 2) + dense)[step >= 0])
    seen = np.bincount(pairs // (time.steps + 2), minlength=count)
    return seen / max(1, time.steps)


def _days(day: Ints, key: Ints, count: int) -> Ints:
    """On how many different days each key is seen (-1: no day)."""
    _, dense = numbered(day)
    width = len(day) + 1
    pairs = unique((key * width + dense)[day >= 0])
    return np.bincount(pairs // width, minlength=count)


def _spread(host: Ints, key: Ints, count: int, least: int) -> Ints:
    """On how many hosts each key is seen; 0 unless it is `least`, many and half of all there are."""
    known = host >= 0
    width = int(host.max(initial=0)) + 1
    pairs = unique(key[known] * width + host[known])
    spread = np.bincount(pairs // width, minlength=count)
    return np.where(spread >= least, spread, 0)


def _common(spread: Ints, presence: Shares, time: Clock) -> Flags:
    """Keys that are there most of the time, or often and on most hosts."""
    if time.steps < _ENOUGH_BINS:
        return np.zeros(len(spread), np.bool_)
    made: Flags = (spread > 0) & (presence >= 0.3)
    if time.span >= _ENOUGH_SPAN:
        made |= presence >= 0.5
    return made


def _busy(columns: Columns, tie: Ints, left: Ints, right: Ints) -> Flags:
    """Hosts that everybody passes through (domain controllers, proxies, log collectors)."""
    pair = np.isin(tie, [number for number, each in enumerate(TIES) if each.kinds in _VISITS])
    visitors = np.bincount(right[pair], minlength=max(1, len(columns.identities)))
    some = visitors[visitors > 0]
    usual = float(np.median(some)) if len(some) else 0.0
    crowd = np.zeros(len(tie), np.int64)
    single = right < 0
    crowd[single] = visitors[left[single]]
    made: Flags = (crowd >= _MANY_USERS) & (crowd > 4 * usual)
    return made


_VISITS: Final = (("user", "host"), ("ip", "host"))

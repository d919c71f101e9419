"""What can tie two findings: shared identities, pairs of them, how specific each is, how long.

A tie is a key that two nodes share: one identity (a process, a hash, an address) or a pair (a user
on a host). The more specific a kind of key is, the longer it ties. How common a key is comes from
the case itself: what is around in most of the time, or on most hosts, ties nothing.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from labrys.triage.columns import KIND, Columns, Flags, Ints, numbered, unique
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
STRONG: Final = frozenset(range(9))
"""Ties specific enough to hold without a time."""
_EXEMPT: Final = frozenset([0, 1, 2, HOST])
"""Never too common: a process or a session is one of its kind; hosts get shorter windows."""

_PARTS: Final = 4
"""Of one kind, so many identities of a node enter pairs: pairs stay few however long the list."""
_ENOUGH_BINS: Final = 12
_ENOUGH_SPAN: Final = 3 * DAY
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


def keys(nodes: Nodes, columns: Columns, time: Clock) -> Keys:
    """Every key of every node, with the windows in which it ties."""
    owner, key, tie, left, right = _gather(nodes, columns)
    window = np.array([each.window for each in TIES], np.int64)[tie]
    near = np.array([each.near for each in TIES], np.int64)[tie]
    presence = _presence(owner, key, len(tie), time)
    spread = _spread(nodes, columns, owner, key, len(tie))
    common = _common(spread, presence, time)
    common &= ~np.isin(tie, list(_EXEMPT))
    window[common] = near[common] = 0
    host = tie == HOST
    if time.steps >= _ENOUGH_BINS and time.span >= _ENOUGH_SPAN:
        calm = np.clip(1 - presence[host], 0.25, 1)
        window[host] = (window[host] * calm).astype(np.int64)
    window[host & _busy(columns, tie, left, right)] = 15 * MINUTE
    return Keys(owner, key, tie, left, right, window, near)


def chronic(nodes: Nodes, time: Clock) -> Flags:
    """Nodes of rules that fire most of the time, all over the case: noise until tied otherwise."""
    if time.steps < _ENOUGH_BINS or time.span < _ENOUGH_SPAN:
        return np.zeros(len(nodes.rule), np.bool_)
    rules = int(nodes.rule.max()) + 1
    noisy: Flags = _presence(np.arange(len(nodes.rule)), nodes.rule, rules, time) >= 0.5
    return noisy[nodes.rule]


def _gather(nodes: Nodes, columns: Columns) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    identities = columns.identities
    width = max(1, len(identities.key))
    owner, identity = _useful(nodes, width)
    kind = identities.kind[identity]
    owners, codes = [], []
    for number, kinds in enumerate(each.kinds for each in TIES):
        if len(kinds) == 1:
            chosen = (kind == KIND[kinds[0]]) & identities.alone[identity]
            who, left = owner[chosen], identity[chosen]
            right = np.full(len(left), -1)
        else:
            chosen = identities.part[identity]
            who, left, right = _pairs(owner[chosen], identity[chosen], kind[chosen], kinds)
        owners.append(who)
        codes.append((number * (width + 1) + left + 1) * (width + 1) + right + 1)
    owner, code = np.concatenate(owners), np.concatenate(codes)
    sorting = np.argsort(code, kind="stable")
    owner, code = owner[sorting], code[sorting]
    begins = np.flatnonzero(np.append(True, code[1:] != code[:-1])) if len(code) else code
    # A key that no strong node has cannot tie anything; this drops most of a case's weak entries.
    strong = nodes.strong[owner]
    useful = np.logical_or.reduceat(strong, begins) if len(code) else strong
    counts = np.diff(np.append(begins, len(code)))
    code, kept = code[begins][useful], np.repeat(useful, counts)
    left_code, right_code = np.divmod(code, width + 1)
    tie, left_code = np.divmod(left_code, width + 1)
    key = np.repeat(np.arange(len(code)), counts[useful])
    return owner[kept], key, tie, left_code - 1, right_code - 1


def _useful(nodes: Nodes, width: int) -> tuple[Ints, Ints]:
    """Nodes' identities that some strong node has: the others cannot tie anything."""
    wanted = np.zeros(width, np.bool_)
    wanted[nodes.identity[nodes.strong[nodes.owner]]] = True
    chosen = wanted[nodes.identity]
    return nodes.owner[chosen], nodes.identity[chosen]


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


def _spread(nodes: Nodes, columns: Columns, owner: Ints, key: Ints, count: int) -> Ints:
    """On how many hosts each key is seen; 0 unless it is many, and half of all there are."""
    is_host = columns.identities.kind[nodes.identity] == KIND["host"]
    host = np.full(len(nodes.rule), -1)
    host[nodes.owner[is_host][::-1]] = nodes.identity[is_host][::-1]
    least = max(_MANY_HOSTS, len(unique(nodes.identity[is_host])) // 2)
    known = host[owner] >= 0
    width = max(1, len(columns.identities.key))
    pairs = unique(key[known] * width + host[owner[known]])
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
    visitors = np.bincount(right[pair], minlength=max(1, len(columns.identities.key)))
    some = visitors[visitors > 0]
    usual = float(np.median(some)) if len(some) else 0.0
    crowd = np.zeros(len(tie), np.int64)
    single = right < 0
    crowd[single] = visitors[left[single]]
    made: Flags = (crowd >= _MANY_USERS) & (crowd > 4 * usual)
    return made


_VISITS: Final = (("user", "host"), ("ip", "host"))

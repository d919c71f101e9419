"""Folds findings into the nodes of the graph, so that a rule's hundred hits are one thing to tie.

Findings of at least medium severity become one node when the same rule hit the same hosts, users
and addresses again within an hour of the same day. Weaker findings become one only when they name
exactly the same and are at most ten minutes apart: they never tie others together, they can only be
tied to one, and each by what it names itself.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from labrys.ocsf.schema import Severity
from labrys.triage.columns import KIND, NO_TIME, Columns, Flags, Ints, unique

Hashes = npt.NDArray[np.uint64]

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
SOON: Final = 10 * MINUTE
LONG: Final = 12 * HOUR
"""A finding that spans more than this (a beacon over days) must not bridge all it overlaps."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """One row for each node; `node` gives each finding's node.

    `owner` and `identity` list each node's identities once; `first` is its earliest finding.
    `strong` are the only nodes that an incident can grow from: of at least medium severity, unless
    the case shows that they are everyday (`labrys.triage.habits`).
    """

    node: Ints
    first: Ints
    count: Ints
    rule: Ints
    severity: Ints
    strong: Flags
    start: Ints
    end: Ints
    owner: Ints
    identity: Ints

    @property
    def timed(self) -> Flags:
        """Nodes whose time can be believed."""
        made: Flags = self.start != NO_TIME
        return made


def fold(columns: Columns) -> Nodes:
    """The nodes of the findings, ordered by rule, severity and time."""
    rows = len(columns.rule)
    strong = columns.severity >= Severity.MEDIUM
    who = _who(columns, strong)
    length = np.where(strong, DAY, SOON)
    day = np.where(columns.timed, columns.start // length, NO_TIME)
    sorting = np.lexsort((columns.start, day, who, columns.severity, columns.rule))
    opens = np.zeros(rows, np.bool_)
    for value in (columns.rule, columns.severity, who, day):
        ordered = value[sorting]
        opens[1:] |= ordered[1:] != ordered[:-1]
    start, end = columns.start[sorting], columns.end[sorting]
    # Weak findings without a time may be years apart: nothing says that they are one.
    opens[1:] |= (_gap(start, end) > HOUR) | (~strong[sorting] & (start == NO_TIME))[1:]
    opens[:1] = True
    number = np.cumsum(opens) - 1
    node = np.empty(rows, np.int64)
    node[sorting] = number
    begins = np.flatnonzero(opens)
    owner, identity = _entries(node, columns)
    return Nodes(
        node=node,
        first=sorting[begins],
        count=np.diff(np.append(begins, rows)),
        rule=columns.rule[sorting][begins],
        severity=columns.severity[sorting][begins],
        strong=strong[sorting][begins],
        start=start[begins],
        end=np.maximum.reduceat(end, begins) if rows else end,
        owner=owner,
        identity=identity,
    )


def _gap(start: Ints, end: Ints) -> Ints:
    """Time from each finding's end to the next one's start; 0 where the time is unknown."""
    known = start[1:] != NO_TIME
    return np.where(known, start[1:] - np.minimum(end, start + DAY)[:-1], 0)


def _who(columns: Columns, strong: Flags) -> Ints:
    """A number that is equal when two findings name the same hosts, users and addresses.

    What is weak, or names none that tells anything, is compared by everything it names.
    """
    kinds = columns.identities.kind[columns.identity]
    main = np.isin(kinds, [KIND["host"], KIND["user"], KIND["ip"], KIND["account"]])
    main |= ~strong[columns.owner]
    placed = np.zeros(len(columns.rule), np.bool_)
    placed[columns.owner[main & columns.identities.alone[columns.identity]]] = True
    main |= ~placed[columns.owner]
    width = max(1, len(columns.identities.key))
    pairs = columns.owner[main].astype(np.int64) * width + columns.identity[main]
    owner, identity = np.divmod(unique(pairs), width)
    total: Hashes = np.zeros(len(columns.rule), np.uint64)
    np.add.at(total, owner, _mix(identity.astype(np.uint64)))
    return np.asarray(total.view(np.int64))


def _mix(values: Hashes) -> Hashes:
    """SplitMix64: spreads small numbers over 64 bits, so that sums of sets hardly ever agree."""
    with np.errstate(over="ignore"):
        mixed = values + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        made: Hashes = mixed ^ (mixed >> np.uint64(31))
    return made


def _entries(node: Ints, columns: Columns) -> tuple[Ints, Ints]:
    """Each node's identities, once, sorted by node."""
    width = max(1, len(columns.identities.key))
    pairs = unique(node[columns.owner] * width + columns.identity)
    return pairs // width, pairs % width

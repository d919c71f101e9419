"""Gives later fragments of a packet the ports of the first (RFC 791; RFC 8200, 4.5)."""

from typing import Final

import numpy as np

from labrys.evidence.pcap.headers import Headers
from labrys.evidence.pcap.packets import Ints, Words
from labrys.evidence.pcap.tally import Tally

MOST: Final = 1 << 14
"""First fragments that are remembered from one block to the next."""
_FIRST, _LATER = 1, 2


class Fragments:
    """Remembers the latest first fragments."""

    def __init__(self) -> None:
        self._names: Words = np.zeros((0, 5), np.uint64)
        self._ports: Ints = np.zeros((0, 2), np.int64)

    def resolve(self, head: Headers, tally: Tally) -> None:
        """Fill in the ports of a block's later fragments.

        Of several packets with one identification the latest before a fragment counts; where none
        is before it, the next one in the block.
        """
        pieces = np.flatnonzero((head.fragment > 0) & (head.protocol >= 0))
        if not len(pieces):
            return
        kept = len(self._ports)
        names = np.concatenate((self._names, _names(head, pieces)))
        own = np.stack((head.source_port[pieces], head.target_port[pieces]), axis=1)
        ports = np.concatenate((self._ports, own))
        first = np.ones(len(names), np.bool_)
        first[kept:] = head.fragment[pieces] == _FIRST
        order = np.lexsort(names.T)  # of one packet those first that came first
        sorted_names = names[order]
        begins = np.ones(len(order), np.bool_)
        begins[1:] = (sorted_names[1:] != sorted_names[:-1]).any(axis=1)
        found = _nearest(np.cumsum(begins), first[order])
        source = np.full(len(names), -1)
        source[order] = np.where(found >= 0, order[found], -1)
        later = np.flatnonzero(~first)
        lost = source[later] < 0
        if lost.any():
            where = head.packets.offset[pieces[later[lost][0] - kept]]
            tally.note("fragments without the first of their packet", int(where), int(lost.sum()))
        later = later[~lost]
        head.source_port[pieces[later - kept]] = ports[source[later], 0]
        head.target_port[pieces[later - kept]] = ports[source[later], 1]
        keep = np.flatnonzero(first)[-MOST:]
        self._names, self._ports = names[keep], ports[keep]


def _names(head: Headers, pieces: Ints) -> Words:
    last = (head.fragment_id[pieces] << 8) | head.protocol[pieces]
    words = (*head.source, *head.target)
    return np.stack([*(word[pieces] for word in words), last.astype(np.uint64)], axis=1)


def _nearest(group: Ints, first: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Ints:
    """For each place the last one up to it in its group that is first, else the next; -1: none."""
    count = len(group)
    place = np.arange(count)
    before = np.maximum.accumulate(np.where(first, place, -1))
    good = (before >= 0) & (group[before] == group)
    after = np.minimum.accumulate(np.where(first, place, count)[::-1])[::-1]
    behind = (after < count) & (group[np.minimum(after, count - 1)] == group)
    made: Ints = np.where(good, before, np.where(behind, after, -1))
    return made

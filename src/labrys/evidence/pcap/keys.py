"""Which packets belong together: the same two ends and protocol, in either direction."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.evidence.pcap.headers import ICMP, ICMP6, Headers
from labrys.evidence.pcap.network import counterpart
from labrys.evidence.pcap.packets import MOST, Bools, Ints, Words

_BITS: Final = np.uint64(MOST - 1)
_FACTORS: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True)
class Keys:
    """The IP packets of a block (`which`), and what tells their flows apart.

    `ends` are the words of both addresses and of the ports, the lesser end first; `backward` says
    which packets go from the greater end to the lesser; `digest` is a hash of the ends.
    """

    which: Ints
    ends: tuple[Words, Words, Words, Words, Words]
    backward: Bools
    digest: Words


def keys(head: Headers, seed: int) -> Keys:
    """The keys of a block. The seed comes from the file, so that nobody can make keys collide."""
    which = np.flatnonzero(head.protocol >= 0)
    protocol = head.protocol[which]
    source = [word[which] for word in head.source]
    target = [word[which] for word in head.target]
    ports, other = head.source_port[which], head.target_port[which]
    _icmp(protocol, ports, other)
    backward = source[0] > target[0]
    same = source[0] == target[0]
    backward |= same & (source[1] > target[1])
    same &= source[1] == target[1]
    backward |= same & (ports > other)
    low_port, high_port = np.where(backward, (other, ports), (ports, other))
    last = (protocol << 32 | low_port << 16 | high_port).astype(np.uint64)
    ends = (
        *(np.where(backward, there, here) for here, there in zip(source, target, strict=True)),
        *(np.where(backward, here, there) for here, there in zip(source, target, strict=True)),
        last,
    )
    return Keys(which, ends, backward, _hash(ends, seed))


def _icmp(protocol: Ints, kind: Ints, code: Ints) -> None:
    """Let a question and its answer have the same ports: both are the question's type."""
    ours = np.flatnonzero((protocol == ICMP) | (protocol == ICMP6))
    if len(ours):
        other, answers = counterpart(protocol[ours], kind[ours])
        asked = np.where(answers, other, kind[ours])
        paired = other >= 0
        kind[ours] = np.where(paired, asked << 8, asked << 8 | code[ours])
        code[ours] = kind[ours]


def _hash(words: tuple[Words, ...], seed: int) -> Words:
    made = np.full(len(words[0]), seed & 0xFFFF_FFFF_FFFF_FFFF, np.uint64)
    for number, word in enumerate(words):
        made ^= word
        made *= np.uint64(_FACTORS[number % 4])
        made ^= made >> np.uint64(29 + number)
    made *= np.uint64(_FACTORS[3])
    return made ^ (made >> np.uint64(32))


def grouped(found: Keys) -> tuple[Ints, Bools]:
    """The order in which packets of one key stand together, each key's in the file's order; and
    which of them begin a key.
    """
    count = len(found.which)
    # Sorting plain numbers is many times as fast as sorting by keys: the hash's upper bits with
    # the packet's place in the lower ones.
    mixed = np.sort((found.digest & ~_BITS) | np.arange(count, dtype=np.uint64))
    order = (mixed & _BITS).astype(np.int64)
    begins = np.ones(count, np.bool_)
    begins[1:] = (mixed[1:] ^ mixed[:-1]) > _BITS
    differs = _differs(found, order)
    if (differs & ~begins).any():  # two keys have one hash, as good as never
        order = np.lexsort((np.arange(count), *found.ends))
        differs = _differs(found, order)
        return order, differs
    return order, begins


def _differs(found: Keys, order: Ints) -> Bools:
    made = np.ones(len(order), np.bool_)
    if len(order):
        made[1:] = False
    for word in found.ends:
        sorted_word = word[order]
        made[1:] |= sorted_word[1:] != sorted_word[:-1]
    return made

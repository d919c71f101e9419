"""Puts packets together to flows, in both directions, in bounded memory and without a packet loop.

A flow is what two ends with the same ports and protocol say to each other until they pause for
longer than the protocol's timeout, until a day has passed, or until one of them opens a new
connection (a SYN with another initial number after a FIN or RST). The timeouts are Zeek's.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from labrys.evidence.pcap import flow_rows
from labrys.evidence.pcap.flow_rows import FIRSTS, FLOW, LETTERS, NEVER, Rows
from labrys.evidence.pcap.headers import ICMP, ICMP6, TCP, UDP, Headers
from labrys.evidence.pcap.keys import Keys, grouped, keys
from labrys.evidence.pcap.network import ACK, FIN, RST, SYN, counterpart
from labrys.evidence.pcap.packets import Bools, Ints, Words
from labrys.evidence.pcap.services import is_service_port, signature

IDLE_TCP: Final = 300 * 1_000_000_000
IDLE_OTHER: Final = 60 * 1_000_000_000
ACTIVE: Final = 86_400 * 1_000_000_000
MOST_OPEN: Final = 1 << 17
"""Flows kept open at a time; past that those not seen for longest are ended early."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A block's packets in their flows: sorted by flow, the packets of each in the file's order.

    `packet` are numbers of packets in the block, `flow` which of `rows` each belongs to, `reply`
    whether the responder sent it, `rank` which of the sender's packets with payload it is.
    """

    packet: Ints
    flow: Ints
    reply: Bools
    rank: Ints
    rows: Rows


class Flows:
    """The flows that are open."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._open: Rows = np.zeros(0, FLOW)
        self._closed: list[Rows] = []
        self.early = 0

    def add(self, head: Headers) -> Placed:
        """Take in the packets of a block."""
        found = keys(head, self._seed)
        if not len(found.which):
            nothing = np.zeros(0, np.int64)
            return Placed(nothing, nothing, nothing > 0, nothing, np.zeros(0, FLOW))
        order, begins = grouped(found)
        block = _Block(head, found, order, begins)
        which = self._find(block)
        block.cut(which, self._open)
        rows = block.rows()
        carried = np.zeros((len(rows), 2), np.int64)
        going_on = block.going_on
        earlier = self._open[which[block.group[block.begin[going_on]]]]
        carried[going_on] = earlier["loads"]
        rows[going_on] = flow_rows.joined(earlier, rows[going_on])
        placed = block.placed(rows, carried)
        self._keep(rows, block, which)
        return placed

    def closed(self) -> Rows:
        """The flows that have ended since the last call, in the order they began."""
        made = np.concatenate([np.zeros(0, FLOW), *self._closed])
        self._closed = []
        return made[np.argsort(made["first"], kind="stable")]

    def close(self) -> None:
        """End all flows."""
        self._closed.append(self._open)
        self._open = np.zeros(0, FLOW)

    def _find(self, block: "_Block") -> Ints:
        """For each group of packets the open flow it may go on with; -1: none."""
        at = block.group_begin
        digest = block.digest[at]
        made = np.full(len(at), -1, np.int64)
        if len(self._open) and len(at):
            known = self._open["digest"]
            sorter = np.argsort(known)
            place = np.minimum(np.searchsorted(known, digest, sorter=sorter), len(known) - 1)
            place = sorter[place]
            same = (self._open["ends"][place] == block.ends(at)).all(axis=1)
            made[same] = place[same]
        return made

    def _keep(self, rows: Rows, block: "_Block", which: Ints) -> None:
        """Keep each group's last part open, and end what is over."""
        stay = np.ones(len(self._open), np.bool_)
        stay[which[which >= 0]] = False
        over = self._open[
            np.setdiff1d(which[which >= 0], which[block.continued], assume_unique=True)
        ]
        last = np.zeros(len(rows), np.bool_)
        last[np.append(block.begin_of_group[1:], len(rows)) - 1] = True
        self._closed += [over, rows[~last]]
        self._open = np.concatenate((self._open[stay], rows[last]))
        if len(rows):
            self._expire(int(rows["seen"].max()))

    def _expire(self, now: int) -> None:
        idle = np.where(flow_rows.protocol(self._open) == TCP, IDLE_TCP, IDLE_OTHER)
        over = now - self._open["seen"] > idle
        excess = int((~over).sum()) - MOST_OPEN
        if excess > 0:
            seen = np.where(over, NEVER, self._open["seen"])
            over[np.argsort(seen, kind="stable")[:excess]] = True
            self.early += excess
        self._closed.append(self._open[over])
        self._open = self._open[~over]


class _Block:
    """The packets of one block, sorted by key; `cut` says which parts of flows they make."""

    def __init__(self, head: Headers, found: Keys, order: Ints, begins: Bools) -> None:
        self._head, self._found, self._order = head, found, order
        self.packet = found.which[order]
        self.group_begin = np.flatnonzero(begins)
        self.group = np.cumsum(begins) - 1
        self.digest: Words = found.digest[order]
        self.backward: Bools = found.backward[order]
        self.time = np.maximum(head.packets.time[self.packet], 0)
        self.protocol = head.protocol[self.packet]
        self.flags = head.flags[self.packet]
        self.sequence = head.sequence[self.packet]
        self.syn = (self.flags & (SYN | ACK | FIN | RST)) == SYN
        self.ended = np.cumsum((self.flags & (FIN | RST)) > 0)
        self.begin: Ints = np.zeros(0, np.int64)
        self.part: Ints = np.zeros(0, np.int64)
        self.continued: Ints = np.zeros(0, np.int64)
        self.going_on: Ints = np.zeros(0, np.int64)
        self.begin_of_group: Ints = np.zeros(0, np.int64)
        self._base: Ints = np.zeros(0, np.int64)

    def ends(self, at: Ints) -> Words:
        """The ends of the packets at some places, one row each."""
        return np.stack([word[self._order[at]] for word in self._found.ends], axis=1)

    def cut(self, which: Ints, rows: Rows) -> None:
        """Cut groups where a new flow begins; `which` of `rows` each may go on with."""
        first, count = self.group_begin, len(self.packet)
        known = which >= 0
        earlier = rows[np.maximum(which, 0)] if len(rows) else np.zeros(len(which), FLOW)
        before = np.empty(count, np.int64)
        before[1:] = self.time[:-1]
        before[first] = np.where(known, earlier["seen"], self.time[first])
        idle = np.where(self.protocol == TCP, IDLE_TCP, IDLE_OTHER)
        new = np.abs(self.time - before) > idle
        new[first] |= ~known
        self._cut_at_syns(new, known, earlier)
        starts = new.copy()
        starts[first] = True
        base = np.where(starts, self.time, 0)[
            np.maximum.accumulate(np.where(starts, np.arange(count), 0))
        ]
        going = known & ~new[first]
        lengths = np.diff(np.append(first, count))
        if going.any():
            # The packets of a group up to its first new flow count from where the open one began.
            upto = np.minimum.reduceat(np.where(new, np.arange(count), count), first)
            inside = np.arange(count) < np.repeat(np.where(going, upto, 0), lengths)
            base = np.where(inside, np.repeat(earlier["base"], lengths), base)
        slot = (self.time - base) // ACTIVE
        if slot.any():
            changed = np.empty(count, np.bool_)
            changed[1:] = slot[1:] != slot[:-1]
            changed[first] = going & (slot[first] != (earlier["seen"] - earlier["base"]) // ACTIVE)
            new |= changed & (~starts | np.isin(np.arange(count), first[going]))
        starts |= new
        self._base = base
        self.begin = np.flatnonzero(starts)
        self.part = np.cumsum(starts) - 1
        self.begin_of_group = self.part[first]
        self.continued = np.flatnonzero(known & ~new[first])
        self.going_on = self.begin_of_group[self.continued]

    def _cut_at_syns(self, new: Bools, known: Bools, earlier: Rows) -> None:
        """A SYN begins a new flow if its number is new and the connection before it has ended."""
        at, since, number = self._syns(new, known, earlier)
        again = self.sequence[at] == number
        self.syn[at[again]] = False  # sent again, it opens nothing
        at, since, number = self._syns(new, known, earlier)
        new[at] |= self.ended[at] > since

    def _syns(self, new: Bools, known: Bools, earlier: Rows) -> tuple[Ints, Ints, Ints]:
        """SYNs, how often the connection before each had ended when it was opened, its number (-1:
        there is none).
        """
        at = np.flatnonzero(self.syn)
        group = self.group[at]
        first = self.group_begin[group]
        starts = np.where(new, np.arange(len(new)), 0)
        begin = np.maximum(np.maximum.accumulate(starts)[at], first)
        before = self.ended[begin] - ((self.flags[begin] & (FIN | RST)) > 0)
        # The one before is in this block, or what was kept of it, or there is none.
        previous = np.append(at[:1], at[:-1])
        inside = (previous >= begin) & (previous < at)
        going_on = ~inside & (begin == first) & known[group] & ~new[first]
        kept = earlier[group]
        since = np.where(inside, self.ended[previous], before - (going_on & kept["closing"]))
        number = np.where(inside, self.sequence[previous], np.where(going_on, kept["isn"], -1))
        return at, since, number

    def rows(self) -> Rows:
        """Each part of a flow as a row."""
        head, begin, packet = self._head, self.begin, self.packet
        made = np.zeros(len(begin), FLOW)
        if not len(begin):
            return made
        opener = packet[begin]
        last = np.append(begin[1:], len(packet)) - 1
        made["ends"], made["digest"] = self.ends(begin), self.digest[begin]
        made["first"] = opener + head.packets.first
        made["offset"] = head.packets.offset[opener]
        made["start"] = np.minimum.reduceat(self.time, begin)
        made["last"] = np.maximum.reduceat(self.time, begin)
        made["seen"], made["base"] = self.time[last], self._base[begin]
        made["vlan"], made["tunnel"] = head.vlan[opener], head.tunnel[opener]
        macs = np.stack((head.source_mac[opener], head.target_mac[opener]), axis=1)
        made["macs"] = np.where(self.backward[begin][:, None], macs[:, ::-1], macs)
        self._sum(made, last)
        self._openers(made, opener)
        self._endings(made, last)
        self._histories(made)
        self._firsts(made)
        return made

    def _sum(self, made: Rows, last: Ints) -> None:
        head, packet, begin = self._head, self.packet, self.begin
        payload = head.payload[packet]
        back = self.backward.astype(np.int64)
        for name, values in (
            ("packets", None), ("ip_bytes", head.ip_bytes[packet]), ("bytes", payload),
            ("loads", (payload > 0).astype(np.int64)),
        ):  # fmt: skip
            total = last - begin + 1 if values is None else np.add.reduceat(values, begin)
            high = np.add.reduceat(back if values is None else back * values, begin)
            made[name][:, 0], made[name][:, 1] = total - high, high
        flags = np.bitwise_or.reduceat(self.flags << (8 * back), begin)
        made["flags"][:, 0], made["flags"][:, 1] = flags & 0xFF, flags >> 8

    def _openers(self, made: Rows, opener: Ints) -> None:
        """Who began: the sender of a SYN, the receiver of a SYN+ACK, else the ports tell, else the
        sender of the first packet.
        """
        head = self._head
        protocol, flags = head.protocol[opener], head.flags[opener]
        source, target = head.source_port[opener], head.target_port[opener]
        tcp = protocol == TCP
        from_service = is_service_port(source) & ~is_service_port(target)
        to_service = is_service_port(target) & ~is_service_port(source)
        lower = (source < target) & ~to_service  # servers' dynamic ports are mostly the lower ones
        _, answers = counterpart(protocol, source)
        answered = np.where(
            tcp,
            np.select(
                [(flags & (SYN | ACK)) == SYN, (flags & (SYN | ACK)) == (SYN | ACK)],
                [False, True],
                from_service | lower,
            ),
            np.where((protocol == ICMP) | (protocol == ICMP6), answers, from_service),
        )
        answered &= tcp | (protocol == UDP) | answers | (protocol == 132)
        made["flipped"] = answered
        made["from_high"] = answered ^ self.backward[self.begin]

    def _endings(self, made: Rows, last: Ints) -> None:
        places = np.maximum.accumulate(np.where(self.syn, np.arange(len(self.syn)), -1))[last]
        synced = places >= self.begin
        made["isn"] = np.where(synced, self.sequence[places], -1)
        before: Ints = self.ended[self.begin] - ((self.flags[self.begin] & (FIN | RST)) > 0)
        made["closing"] = self.ended[last] > np.where(synced, self.ended[places], before)

    def _histories(self, made: Rows) -> None:
        head, packet, flags = self._head, self.packet, self.flags
        tcp = self.protocol == TCP
        data = head.payload[packet] > 0
        syn, ack = (flags & SYN) > 0, (flags & ACK) > 0
        over = (flags & (FIN | RST)) > 0
        events = (
            self.syn,
            syn & ack & ~over,
            tcp & ack & ~syn & ~over & ~data,
            data,
            (flags & FIN) > 0,
            (flags & RST) > 0,
            tcp & (head.window[packet] == 0) & ((flags & RST) == 0),
            syn & over,
        )
        number = packet + head.packets.first
        made["history"] = NEVER
        for letter, event in enumerate(events):
            for high in (False, True):
                at = np.flatnonzero(event & (self.backward == high))
                part = self.part[at]
                first = np.ones(len(at), np.bool_)
                first[1:] = part[1:] != part[:-1]
                made["history"][part[first], letter + len(LETTERS) * high] = number[at[first]]

    def _firsts(self, made: Rows) -> None:
        at = np.flatnonzero(self._head.payload[self.packet] > 0)
        part, time = self.part[at], self.time[at]
        first = np.searchsorted(at, self.begin)
        rank = np.arange(len(at)) - first[part]
        keep = rank < FIRSTS
        sizes = self._head.payload[self.packet[at]]
        made["sizes"][part[keep], rank[keep]] = np.where(self.backward[at], -sizes, sizes)[keep]
        gaps = np.zeros(len(at), np.int64)
        gaps[1:] = time[1:] - time[:-1]
        gaps[rank == 0] = 0
        made["gaps"][part[keep], rank[keep]] = gaps[keep]
        has = np.flatnonzero(made["loads"].sum(axis=1))
        made["load_first"][has] = time[first[has]]
        made["load_last"][has] = time[np.append(first[1:], len(at))[has] - 1]
        early = rank < 2 * FIRSTS
        kinds = signature(self._head, self.packet[at[early]])
        named = np.flatnonzero(kinds)[::-1]
        made["service"][part[early][named]] = kinds[named]  # the first one is written last

    def placed(self, rows: Rows, carried: Ints) -> Placed:
        """Where each packet belongs; `carried` are the packets with payload that each row had."""
        loads = self._head.payload[self.packet] > 0
        rank = np.empty(len(loads), np.int64)
        for high in (0, 1):
            mine = self.backward == bool(high)
            count: Ints = np.cumsum(loads & mine)
            before: Ints = count[self.begin] - (loads & mine)[self.begin] - carried[:, high]
            rank[mine] = (count - before[self.part] - 1)[mine]
        reply = self.backward ^ rows["from_high"][self.part]
        return Placed(self.packet, self.part, reply, rank, rows)

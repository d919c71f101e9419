"""Chooses the packets whose payload is worth reading and hands them to their protocol.

All is chosen by columns: datagrams of protocols that are read, the first packets of connections
whose first bytes tell such a protocol, and later packets that begin like a message of it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

import numpy as np

from labrys.evidence.pcap import dialogue, services
from labrys.evidence.pcap.columns import address
from labrys.evidence.pcap.flow_rows import Rows
from labrys.evidence.pcap.flows import Placed
from labrys.evidence.pcap.headers import TCP, Headers
from labrys.evidence.pcap.net_flow import PROTOCOL_NAMES
from labrys.evidence.pcap.packets import Bools, Ints
from labrys.evidence.pcap.protocols import (
    dhcp,
    dns,
    ftp,
    http,
    irc,
    kerberos,
    ldap,
    mailbox,
    mqtt,
    quic,
    rdp,
    rpc,
    smb,
    smtp,
    ssh,
    tls,
)
from labrys.evidence.pcap.talk import Piece, Talk
from labrys.evidence.records import Records

MOST_TALKS: Final = 1 << 14
MOST_BYTES: Final = 64 << 20
"""Conversations kept at a time, and bytes of them; past that the oldest are read as they are."""

_FIRST_PACKETS: Final = {
    services.HTTP: 12, services.SSL: 14, services.DNS: 8, services.SSH: 6, services.KRB_TCP: 12,
    services.RDP: 14, services.MYSQL: 14, services.SMTP: 10_000, services.FTP: 20_000,
    services.IRC: 10_000, services.LDAP: 2_000, services.POP3: 100, services.IMAP: 100,
    services.MQTT: 2_000,
}  # fmt: skip
"""How many packets of each side are read at a connection's beginning."""
Step = Callable[[Talk, Records, bool], None]
Datagram = Callable[[Talk, Records, Piece, bool], None]
_DIALOGUES: Final[dict[int, Datagram]] = {
    services.SMTP: smtp.packet,
    services.FTP: ftp.packet,
    services.IRC: irc.packet,
    services.LDAP: ldap.packet,
    services.POP3: mailbox.packet,
    services.IMAP: mailbox.packet,
    services.MQTT: mqtt.packet,
}
"""Protocols in which both sides talk in turns; they may agree to go on with TLS."""
_STEPS: Final[dict[int, Step]] = {
    services.HTTP: http.step,
    services.SSL: tls.step,
    services.DNS: dns.step,
    services.SSH: ssh.step,
    services.KRB_TCP: kerberos.step,
    services.KRB: kerberos.step,
    services.RDP: rdp.step,
    services.MYSQL: tls.step,  # it may go on with TLS
    **dict.fromkeys(_DIALOGUES, dialogue.step),
}
"""Protocols that are read as streams, and those of which something may wait at a flow's end."""
_DATAGRAMS: Final[dict[int, Datagram]] = {
    services.DNS: dns.datagram,
    services.MDNS: dns.multicast,
    services.LLMNR: dns.multicast,
    services.NBNS: dns.netbios,
    services.DHCP: dhcp.datagram,
    services.KRB: kerberos.datagram,
    services.LDAP: ldap.datagram,
    services.QUIC: quic.datagram,
}
_PACKETS: Final[dict[int, Datagram]] = {
    services.SMB: smb.datagram,
    services.DCE_RPC: rpc.datagram,
    **_DIALOGUES,
}
"""Protocols over TCP that are read packet by packet, wherever one begins like a message."""


def _limits(first: Mapping[int, int], without: Iterable[int]) -> Ints:
    made = np.zeros(len(services.SERVICES), np.int64)
    made[list(without)] = np.iinfo(np.int64).max
    made[list(first)] = list(first.values())
    return made


_ENOUGH: Final = _limits(_FIRST_PACKETS, ())
_ENOUGH_DATAGRAMS: Final = _limits({services.QUIC: 6}, _DATAGRAMS)


class Talks:
    """The conversations that are being followed."""

    def __init__(self, records: Records, prefix: str) -> None:
        self._records, self._prefix = records, prefix
        self._talks: dict[int, Talk] = {}
        self._kept = 0

    def add(self, head: Headers, placed: Placed) -> None:
        """Read what a block's packets say."""
        at = _chosen(head, placed)
        if not len(at):
            return
        at = at[np.argsort(placed.packet[at], kind="stable")]
        packet, rows = placed.packet[at], placed.rows
        flow = placed.flow[at]
        raw, base = head.packets.raw, head.packets.first
        touched: dict[int, Talk] = {}
        tcp = head.protocol[packet] == TCP
        columns = (
            rows["first"][flow], flow, placed.reply[at], tcp, head.data[packet], head.end[packet],
            head.sequence[packet], np.maximum(head.packets.time[packet], 0),
            head.packets.offset[packet], packet,
        )  # fmt: skip
        records, talks = self._records, self._talks
        for key, row, reply, stream, begin, end, sequence, time, offset, number in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            talk = talks.get(key) or self._begin(key, rows[row])
            if talk.done:
                continue
            piece = Piece(sequence, raw[begin:end], time, offset, number + base)
            touched[key] = talk
            alone = (_PACKETS if stream else _DATAGRAMS).get(talk.service)
            if alone is not None:
                alone(talk, records, piece, reply)
                continue
            (talk.said if reply else talk.asked).add(piece)
        for talk in touched.values():
            if talk.service in _STEPS and not talk.done:
                _STEPS[talk.service](talk, records, False)
            self._weigh(talk)
        self._shrink()

    def end(self, rows: Rows) -> None:
        """These flows have ended."""
        self._finish(rows["first"].tolist())

    def close(self) -> None:
        """All flows have ended."""
        self._finish(list(self._talks))

    def _begin(self, key: int, row: Rows) -> Talk:
        made = Talk(int(row["service"]), _ends(row, f"{self._prefix}{key:x}"))
        self._talks[key] = made
        return made

    def _weigh(self, talk: Talk) -> None:
        size = talk.weight()
        self._kept += size - talk.kept
        talk.kept = size

    def _finish(self, keys: Iterable[int]) -> None:
        for key in keys:
            talk = self._talks.pop(key, None)
            if talk is not None:
                self._last(talk)

    def _last(self, talk: Talk) -> None:
        if not talk.done and talk.service in _STEPS:
            _STEPS[talk.service](talk, self._records, True)
        talk.finish()
        self._weigh(talk)

    def _shrink(self) -> None:
        excess = len(self._talks) - MOST_TALKS
        if excess > 0:
            self._finish(list(self._talks)[:excess])
        while self._kept > MOST_BYTES:
            self._finish(list(self._talks)[: max(len(self._talks) // 4, 1)])


_BEGINS: Final[dict[int, Callable[[Headers, Ints], Bools]]] = {
    services.HTTP: services.begins_http,
    services.SMB: services.begins_smb,
    services.DCE_RPC: services.begins_rpc,
}


def _chosen(head: Headers, placed: Placed) -> Ints:
    """Places in `placed` of the packets to read."""
    packet = placed.packet
    service = placed.rows["service"][placed.flow]
    has = (head.payload[packet] > 0) & (head.data[packet] < head.end[packet]) & (service > 0)
    at = np.flatnonzero(has)
    packet, service = packet[at], service[at]
    tcp = head.protocol[packet] == TCP
    wanted = placed.rank[at] < np.where(tcp, _ENOUGH[service], _ENOUGH_DATAGRAMS[service])
    for code, begins in _BEGINS.items():
        mine = np.flatnonzero(tcp & (service == code))
        wanted[mine] |= begins(head, packet[mine])
    chosen: Ints = at[wanted]
    return chosen


def _ends(row: Rows, uid: str) -> tuple[str, str, str, str, str, str]:
    """The fixed columns of a flow's records."""
    low_upper, low, high_upper, high, last = row["ends"].tolist()
    here, there = _text(low_upper, low), _text(high_upper, high)
    port, other = str(last >> 16 & 0xFFFF), str(last & 0xFFFF)
    protocol = PROTOCOL_NAMES[last >> 32]
    if row["from_high"]:
        return uid, there, other, here, port, protocol
    return uid, here, port, there, other, protocol


_text = lru_cache(maxsize=1 << 14)(address)

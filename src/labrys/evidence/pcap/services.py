"""Tells by the first bytes of a payload which protocol is spoken; names are Zeek's."""

from typing import Final

import numpy as np

from labrys.evidence.pcap.headers import TCP, UDP, Headers
from labrys.evidence.pcap.packets import Bools, Ints
from labrys.evidence.pcap.protocols import smb

SERVICES: Final = (
    *("", "dns", "http", "ssl", "ssh", "smb", "krb_tcp", "rdp", "dhcp", "quic", "ntp", "krb"),
    *("smtp", "ftp", "ldap", "irc", "socks", "dce_rpc", "mysql", "snmp", "vnc", "pop3", "imap"),
    *("telnet", "tftp", "sip", "stun", "mdns", "llmnr", "nbns", "ssdp", "bittorrent"),
    "mqtt",
)
_CODE: Final = {name: number for number, name in enumerate(SERVICES)}
DNS, HTTP, SSL, SSH, SMB = (_CODE[name] for name in ("dns", "http", "ssl", "ssh", "smb"))
KRB_TCP, RDP, DHCP, QUIC = (_CODE[name] for name in ("krb_tcp", "rdp", "dhcp", "quic"))
KRB, LDAP, DCE_RPC = _CODE["krb"], _CODE["ldap"], _CODE["dce_rpc"]
SMTP, FTP, IRC, POP3, IMAP = (_CODE[name] for name in ("smtp", "ftp", "irc", "pop3", "imap"))
MDNS, LLMNR, NBNS = _CODE["mdns"], _CODE["llmnr"], _CODE["nbns"]
MYSQL: Final = _CODE["mysql"]
MQTT: Final = _CODE["mqtt"]

_SERVICE_PORTS: Final = (
    *(1080, 1194, 1433, 1521, 1701, 1723, 1812, 1813, 1883, 1900, 2049, 3128, 3268, 3306, 3389),
    *(3478, 4444, 4500, 5060, 5061, 5222, 5353, 5355, 5432, 5900, 5985, 5986, 6379, 6667, 8000),
    *(8008, 8080, 8081, 8443, 8888, 9000, 9200, 9389, 11211, 27017),
)
"""Ports from 1024 on that servers listen at (IANA's registry and wide use)."""
_IS_SERVICE: Final = np.zeros(1 << 16, np.bool_)
_IS_SERVICE[1:1024] = True
_IS_SERVICE[list(_SERVICE_PORTS)] = True

METHODS: Final = (
    *(b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"DELETE ", b"CONNECT ", b"PATCH "),
    *(b"TRACE ", b"PROPFIND ", b"SEARCH ", b"NOTIFY ", b"M-SEARCH ", b"SUBSCRIBE ", b"REPORT "),
)
_HTTP_HEADS: Final = np.array(
    sorted({int.from_bytes(word[:4], "big") for word in (*METHODS, b"HTTP/1.")}), np.int64
)
_TEXTS: Final = (
    (b"SSH-", "ssh"), (b"220 ", "smtp"), (b"220-", "smtp"), (b"+OK ", "pop3"), (b"* OK", "imap"),
    (b"RFB ", "vnc"), (b"EHLO", "smtp"), (b"HELO", "smtp"), (b"LHLO", "smtp"), (b"NICK", "irc"),
    (b"CAP ", "irc"), (b"JOIN", "irc"), (b"\x13Bit", "bittorrent"),
)  # fmt: skip


def is_service_port(port: Ints) -> Bools:
    """Whether servers listen at a port."""
    made: Bools = _IS_SERVICE[port]
    return made


def signature(head: Headers, packet: Ints) -> Ints:
    """The protocol of each packet's payload, as a place in `SERVICES`; 0: not known."""
    made = np.zeros(len(packet), np.int64)
    protocol = head.protocol[packet]
    full = head.data[packet] + 4 <= head.end[packet]
    for number, known in ((TCP, _of_tcp), (UDP, _of_udp)):
        at = np.flatnonzero((protocol == number) & full)
        if len(at):
            made[at] = known(head, packet[at])
    return made


def _of_tcp(head: Headers, packet: Ints) -> Ints:
    data, wire = head.data[packet], head.wire
    length = head.end[packet] - data
    word, next_word = wire.u32(data), wire.u32(data + 4)
    low = np.minimum(head.source_port[packet], head.target_port[packet])
    ports = (head.source_port[packet], head.target_port[packet])
    http = _HTTP_HEADS[np.minimum(np.searchsorted(_HTTP_HEADS, word), len(_HTTP_HEADS) - 1)] == word
    record = (word >> 8 >= 0x160300) & (word >> 8 <= 0x160304)
    tls = record & ((next_word >> 16 & 0xFF) <= 2) & (length >= 6)
    old_tls = (word >> 24 >= 0x80) & (word >> 8 & 0xFF == 1) & _any(ports, 443)
    # Behind a length of four bytes: SMB, Kerberos. Behind one of two: DNS.
    smb = (next_word & 0xFFFFFF == 0x534D42) & (length >= 8) & (word >> 24 == 0)
    kerberos = _any(ports, 88, 464) & (word < 0x40000) & np.isin(next_word >> 24, _ASN1)
    dns = _any(ports, 53) & (word >> 16 >= 12)
    rdp = (word >> 16 == 0x0300) & (next_word >> 16 & 0xFF & 0xEF == 0xE0) & (length >= 7)
    rpc = (word >> 16 == 0x0500) & (next_word >> 24 & 0xEF == 0) & (word >> 8 & 0xFF <= 19)
    ldap = (word >> 24 == 0x30) & _any(ports, 389, 3268)
    mysql = _any(ports, 3306) & (word & 0xFF == 0) & (next_word >> 24 == 10)
    socks = (word >> 16 == 0x0501) & _any(ports, 1080) | (
        (word >> 16 == 0x0401) & (low < 65535) & (length == 9)
    )
    ftp = (word >> 8 == 0x323230) & _any(ports, 21)
    # What a client says first in IRC, and also in FTP and POP3.
    irc = ((word == 0x55534552) | (word == 0x50415353)) & ~_any(ports, 21, 110)
    irc |= (word >> 24 == 0x3A) & (low >= 6660) & (low <= 7000)
    # CONNECT, its length in one byte or two, and the name of the protocol behind a length of its own.
    mqtt = (word & 0xFF00FFFF == 0x10000004) & (next_word == 0x4D515454)
    mqtt |= (word & 0xFF00FFFF == 0x10000006) & (next_word == 0x4D514973)
    mqtt |= (word & 0xFF8080FF == 0x10800000) & (next_word == 0x044D5154)
    conditions = [
        http,
        tls,
        ftp,
        smb,
        rdp,
        rpc,
        dns,
        kerberos,
        ldap,
        mysql,
        old_tls,
        socks,
        irc,
        mqtt,
    ]
    names = [
        "http",
        "ssl",
        "ftp",
        "smb",
        "rdp",
        "dce_rpc",
        "dns",
        "krb_tcp",
        "ldap",
        "mysql",
        "ssl",
        "socks",
        "irc",
        "mqtt",
    ]
    for text, name in _TEXTS:
        conditions.append(word == int.from_bytes(text[:4], "big"))
        names.append(name)
    return np.select(conditions, [_CODE[name] for name in names], 0)


_ASN1: Final = (0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x7E)
"""Kerberos' messages: AS, TGS and AP, request and reply, and errors (RFC 4120)."""


def _of_udp(head: Headers, packet: Ints) -> Ints:
    data, wire = head.data[packet], head.wire
    length, size = head.end[packet] - data, head.payload[packet]
    ports = (head.source_port[packet], head.target_port[packet])
    word, next_word = wire.u32(data), wire.u32(data + 4)
    names = (size >= 12) & (next_word >> 16 < 256)
    quic = (
        (word >> 30 == 3)
        & (size >= 1200)
        & np.isin((word & 0xFFFFFF) << 8 | next_word >> 24, (1, 0x6B3343CF))
    )
    dhcp = _any(ports, 67, 68) & (size >= 240) & (wire.u8(data) <= 2)
    ntp = _any(ports, 123) & (size >= 48) & ((word >> 27 & 7) <= 4)
    stun = (next_word == 0x2112A442) & (word >> 30 == 0)
    ssdp = _any(ports, 1900)
    kerberos = _any(ports, 88, 464) & np.isin(word >> 24, _ASN1)
    ldap = _any(ports, 389) & (word >> 24 == 0x30)
    snmp = _any(ports, 161, 162) & (word >> 24 == 0x30)
    sip = _any(ports, 5060)
    tftp = _any(ports, 69)
    conditions = [
        quic, names & _any(ports, 53), names & _any(ports, 5353), names & _any(ports, 5355),
        names & _any(ports, 137), dhcp, ntp, stun, ssdp, kerberos, snmp, sip, tftp, ldap,
    ]  # fmt: skip
    kinds = [
        "quic",
        "dns",
        "mdns",
        "llmnr",
        "nbns",
        "dhcp",
        "ntp",
        "stun",
        "ssdp",
        "krb",
        "snmp",
        "sip",
        "tftp",
        "ldap",
    ]
    conditions = [condition & (length >= 4) for condition in conditions]
    return np.select(conditions, [_CODE[kind] for kind in kinds], 0)


def _any(ports: tuple[Ints, Ints], *numbers: int) -> Bools:
    made = np.zeros(len(ports[0]), np.bool_)
    for number in numbers:
        made |= (ports[0] == number) | (ports[1] == number)
    return made


def begins_http(head: Headers, packet: Ints) -> Bools:
    """Whether a payload begins with a request's method or with a response's version."""
    word = head.wire.u32(head.data[packet])
    place = np.minimum(np.searchsorted(_HTTP_HEADS, word), len(_HTTP_HEADS) - 1)
    made: Bools = (_HTTP_HEADS[place] == word) & (head.data[packet] + 4 <= head.end[packet])
    return made


def begins_smb(head: Headers, packet: Ints) -> Bools:
    """Whether a payload begins with a message of SMB that is read."""
    data, wire = head.data[packet], head.wire
    kind = wire.u32(data + 4)
    flags = wire.u8(data + 20)
    command = np.where(kind == 0xFE534D42, wire.u8(data + 16), 0)
    bulk = (command == smb.WRITE) & (flags & 1 == 1)  # a response to it says nothing
    new = np.isin(command, smb.COMMANDS) & ~bulk
    old = (kind == 0xFF534D42) & np.isin(wire.u8(data + 8), smb.OLD_COMMANDS)
    made: Bools = (new | old) & (data + 36 <= head.end[packet])
    return made


def begins_rpc(head: Headers, packet: Ints) -> Bools:
    """Whether a payload begins with a call of DCE/RPC, or with one to bind an interface."""
    data, wire = head.data[packet], head.wire
    kind = wire.u8(data + 2)
    made: Bools = (wire.u8(data) == 5) & ((kind == 0) | (kind == 11) | (kind == 14))
    return made & (data + 24 <= head.end[packet])

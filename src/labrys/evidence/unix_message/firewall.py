"""Reads the packets that netfilter logs (Linux nf_log_syslog.c): iptables, nftables, UFW."""

import re
from typing import Final

from labrys.evidence.unix_message.address import Parsed

_NAMES: Final = frozenset(
    name
    for line in (
        "IN OUT PHYSIN PHYSOUT MAC MACSRC MACDST MACPROTO SRC DST LEN TOS PREC TTL ID FRAG OPT",
        "PROTO SPT DPT SEQ ACK WINDOW RES URGP TYPE CODE MARK MTU GATEWAY PARAMETER TC HOPLIMIT",
        "FLOWLBL INCOMPLETE UID GID VPROTO VID SPI CTMARK",
    )
    for name in line.split()
)
_UPTIME: Final = re.compile(r"\[\s*\d+\.\d+\] ?", re.ASCII)
_VERDICTS: Final = (
    ("blocked", re.compile(r"block|drop|deny|denied|reject|refuse", re.IGNORECASE)),
    ("allowed", re.compile(r"accept|allow|permit|pass", re.IGNORECASE)),
)
_SAME: Final = (
    ("src_ip", "SRC"),
    ("src_port", "SPT"),
    ("dst_ip", "DST"),
    ("dst_port", "DPT"),
    ("protocol", "PROTO"),
)


def parse(message: str) -> Parsed:
    """A packet under netfilter's own names, its rule's `prefix` and what that says was done.

    `event` is blocked (then `flow_state` is REJ) or allowed where the prefix says so, else logged. Bare words (`SYN`, `DF`)
    are `flags`; a packet quoted inside an ICMP error is left to the message.
    """
    start = message.find("IN=")
    if start < 0 or " SRC=" not in message or " DST=" not in message:
        return {}
    fields: Parsed = {}
    flags: list[str] = []
    for token in message[start:].split(" "):
        name, equals, value = token.partition("=")
        if token.startswith("["):
            break
        if equals and name in _NAMES:
            fields.setdefault(name, value)
        elif token.isalpha():
            flags.append(token)
    uptime = _UPTIME.match(message)
    prefix = message[uptime.end() if uptime else 0 : start].strip()
    fields["prefix"] = prefix or None
    fields["flags"] = flags or None
    verdicts = (name for name, form in _VERDICTS if form.search(prefix[:200]))
    fields["event"] = next(verdicts, "logged")
    if fields["event"] == "blocked":
        fields["flow_state"] = "REJ"  # as Zeek calls it: whoever counts failures knows it
    for ours, theirs in _SAME:
        fields[ours] = fields.get(theirs) or None
    return fields

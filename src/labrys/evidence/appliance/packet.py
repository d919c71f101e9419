"""Reads single packets as pfSense (filterlog) and MikroTik log them, and MikroTik's log-ons."""

import re
from typing import Final

from labrys.evidence.appliance.event import Event, Fields, fill, verdict

_RULE: Final = (
    "rule",
    "subrule",
    "anchor",
    "tracker",
    "interface",
    "reason",
    "action",
    "direction",
    "ip_version",
)
_V4: Final = (
    "tos",
    "ecn",
    "ttl",
    "id",
    "offset",
    "flags",
    "protocol_id",
    "protocol",
    "length",
    "src_ip",
    "dst_ip",
)
_V6: Final = (
    "class",
    "flow_label",
    "hop_limit",
    "protocol",
    "protocol_id",
    "length",
    "src_ip",
    "dst_ip",
)
_PORTS: Final = ("src_port", "dst_port", "data_length", "tcp_flags")
_MIKROTIK: Final = re.compile(
    r"(?:(?P<topics>[a-z]+(?:,[a-z]+)+) )?(?:(?P<prefix>[^:]{1,80}?) )?(?:(?P<chain>[\w-]{1,40}): )?"
    r"in:(?P<in_interface>\S+) out:(?P<out_interface>[^\s,]+),"
    r"(?: connection-state:(?P<state>[\w,]+))?(?: src-mac (?P<src_mac>[\w:]+),)?"
    r".{0,40}?proto (?P<protocol>[\w-]+)(?: \((?P<flags>[\w, ]+)\))?, ",
    re.ASCII,
)
_PAIR: Final = re.compile(
    r"\[?(?P<src_ip>[0-9A-Fa-f.]+|[0-9A-Fa-f:.]+(?=\]))\]?(?::(?P<src_port>\d+))?"
    r"->\[?(?P<dst_ip>[0-9A-Fa-f.]+|[0-9A-Fa-f:.]+(?=\]))\]?(?::(?P<dst_port>\d+))?",
    re.ASCII,
)
_ACCOUNT: Final = re.compile(
    r"(?:(?P<topics>[a-z]+(?:,[a-z]+)+) )?(?:(?P<failed>login failure for user) |user )"
    r"(?P<user>\S{1,100}) (?:(?P<how>logged in|logged out) )?from (?P<src_ip>[0-9A-Fa-f.:]+) via (?P<service>[\w-]+)",
    re.ASCII,
)


def filterlog(text: str) -> Event | None:
    """A packet of pfSense or OPNsense: values between commas, whose order the IP version says."""
    values = text.split(",")
    if len(values) < len(_RULE) + 5 or len(values) > 60:
        return None
    fields: Fields = dict(zip(_RULE, values, strict=False))
    names = {"4": _V4, "6": _V6}.get(fields["ip_version"])
    if names is None:
        return None
    rest = values[len(_RULE) :]
    fields.update(zip(names, rest, strict=False))
    if fields.get("protocol", "").lower() in ("tcp", "udp"):
        fields.update(zip(_PORTS, rest[len(names) :], strict=False))
    fields = {name: value for name, value in fields.items() if value}
    if "protocol" in fields:
        fields["protocol"] = fields["protocol"].lower()
    fill(fields, event_kind="traffic", event_outcome=verdict(fields.get("action")))
    return Event("appliance.pfsense", fields)


def mikrotik(text: str) -> Event | None:
    """`forward: in:ether1 out:bridge, proto TCP (SYN), 192.0.2.1:5->198.51.100.2:80, len 60`."""
    text = text[:2_000]
    if found := _ACCOUNT.match(text):
        fields: Fields = {name: value for name, value in found.groupdict().items() if value}
        how = fields.pop("how", "")
        failed = fields.pop("failed", None)
        if how == "logged out":
            fill(fields, event_kind="logoff")
        elif failed or how:
            fill(fields, event_kind="logon", event_outcome="failure" if failed else "success")
        return Event("appliance.mikrotik", fields)
    found = _MIKROTIK.match(text)
    ends = _PAIR.search(text, found.end()) if found else None
    if found is None or ends is None:
        return None
    fields = {
        name: value for name, value in (found.groupdict() | ends.groupdict()).items() if value
    }
    fields["protocol"] = fields["protocol"].lower()
    done = verdict(fields.get("prefix")) or "logged"
    fill(fields, event_kind="traffic", event_outcome=done)
    return Event("appliance.mikrotik", fields)

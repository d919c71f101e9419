"""Reads appliances that write `name=value` pairs: FortiGate, Sophos Firewall, SonicWall."""

import re
from typing import Final

from labrys.evidence import timestamps
from labrys.evidence.appliance.event import (
    Event,
    Fields,
    fill,
    first,
    level,
    outcome,
    protocol,
    verdict,
)

_PAIR: Final = re.compile(
    r'([A-Za-z_][\w.-]{0,63})=(?:"((?:[^"\\]++|\\.)*+)"|([^\s"]*+))', re.ASCII | re.DOTALL
)
_MOST: Final = 200
_ALERTS: Final = frozenset(
    ["ips", "virus", "anomaly", "waf", "botnet", "emailfilter", "dlp", "ssh"]
)
_FORTI_LOGON: Final = {
    "ssl-login-fail": "failure",
    "tunnel-up": "success",
    "ssl-alert": None,
    "login": None,
    "authentication": None,
    "auth-logon": "success",
    "FSSO-logon": "success",
}
_IN_WORDS: Final = re.compile(r"\((\d{1,3}(?:\.\d{1,3}){3})\)", re.ASCII)
_SONIC_LOGON: Final = re.compile(
    r"\blog(?:i|o)n (?:denied|failed|rejected|allowed|successful)|\bsuccessful log(?:i|o)n",
    re.IGNORECASE,
)


def pairs(text: str) -> Fields:
    """The pairs of a message, quotes taken off."""
    fields: Fields = {}
    for found in _PAIR.finditer(text):
        name, quoted, plain = found.groups()
        if len(fields) >= _MOST:
            break
        value = plain if quoted is None else quoted
        if value and value != "N/A":
            fields.setdefault(name, value)
    return fields


def fortigate(text: str) -> Event | None:
    """A FortiGate's (or its kin's) message: `date=… time=… logid=… type=… subtype=…`."""
    fields = pairs(text)
    if "type" not in fields or ("logid" not in fields and "log_id" not in fields):
        return None
    fill(
        fields,
        src_ip=first(fields, "srcip", "src", "remip", "ip"),
        src_port=first(fields, "srcport", "src_port"),
        dst_ip=first(fields, "dstip", "dst"),
        dst_port=first(fields, "dstport", "dst_port"),
        protocol=protocol(fields.get("proto")),
        bytes_out=first(fields, "sentbyte", "sent"),
        bytes_in=first(fields, "rcvdbyte", "rcvd"),
        packets_out=first(fields, "sentpkt"),
        packets_in=first(fields, "rcvdpkt"),
    )
    kind, action = fields["type"], fields.get("action", "")
    if kind == "traffic":
        fill(fields, event_kind="traffic", event_outcome=verdict(action) or "allowed")
    elif kind == "event":
        _forti_event(fields, action)
    elif fields.get("subtype") in _ALERTS or "attack" in fields or "virus" in fields:
        fill(
            fields,
            event_kind="alert",
            event_outcome=verdict(action),
            alert_name=first(fields, "attack", "virus", "msg", "logdesc"),
            alert_level=level(first(fields, "severity", "crlevel", "level")),
        )
    elif "url" in fields or "hostname" in fields:
        host, path = fields.get("hostname", ""), fields.get("url", "")
        whole = path if "://" in path else f"{host}{path}" if path else host
        fill(fields, event_kind="web", event_outcome=verdict(action), full_url=whole)
    exact = "eventtime" in fields or "tz" in fields
    return Event("appliance.fortigate", fields, _forti_time(fields), fields.get("devname"), exact)


def _forti_event(fields: Fields, action: str) -> None:
    if action in _FORTI_LOGON and (_FORTI_LOGON[action] or "status" in fields):
        if action == "tunnel-up" and not fields.get("tunneltype", "").startswith("ssl"):
            return
        how = _FORTI_LOGON[action] or outcome(fields["status"])
        fill(fields, event_kind="logon", event_outcome=how)
        if "src_ip" not in fields and (found := _IN_WORDS.search(fields.get("ui", ""))):
            fields["src_ip"] = found[1]
    elif action == "tunnel-down":
        fill(fields, event_kind="logoff")
    elif "cfgpath" in fields:
        fill(fields, event_kind="change")


def _forti_time(fields: Fields) -> int | None:
    exact = fields.get("eventtime", "")
    if exact.isdecimal() and len(exact) >= 10:
        return timestamps.parse(int(exact[:19]))
    return timestamps.parse(
        f"{fields.get('date', '')} {fields.get('time', '')}{fields.get('tz', '')}".strip()
    )


def sophos(text: str) -> Event | None:
    """A Sophos Firewall's message: `device="SFW" date=… log_type="Firewall" …`."""
    fields = pairs(text)
    kind = fields.get("log_type")
    if kind is None or not fields.keys() & {"log_id", "device_name", "device"}:
        return None
    fill(
        fields,
        src_ip=first(fields, "src_ip"),
        dst_ip=first(fields, "dst_ip"),
        protocol=protocol(fields.get("protocol")),
        user=first(fields, "user_name", "user"),
        bytes_out=first(fields, "sent_bytes", "bytes_sent"),
        bytes_in=first(fields, "recv_bytes", "bytes_received"),
        packets_out=first(fields, "sent_pkts", "packets_sent"),
        packets_in=first(fields, "recv_pkts", "packets_received"),
        app=first(fields, "application", "app_name"),
    )
    action = first(fields, "log_subtype", "action", "status")
    part = fields.get("log_component", "")
    if kind == "Firewall":
        fill(fields, event_kind="traffic", event_outcome=verdict(action))
    elif kind == "Event" and ("Authentication" in part or part in ("GUI", "Console", "CLI", "SSH")):
        if "status" in fields:
            fill(fields, event_kind="logon", event_outcome=outcome(fields["status"]))
    elif kind in ("IDP", "IPS", "ATP", "Anti-Virus", "WAF", "Sandbox", "Active Threat Response"):
        fill(
            fields,
            event_kind="alert",
            event_outcome=verdict(action),
            alert_name=first(
                fields, "signature_msg", "threatname", "virus", "malware", "message", "reason"
            ),
            alert_level=level(first(fields, "severity", "priority")),
        )
    elif "url" in fields:
        fill(fields, event_kind="web", event_outcome=verdict(action), full_url=fields["url"])
    stamp = fields.get("timestamp") or f"{fields.get('date', '')} {fields.get('time', '')}"
    host = first(fields, "device_name")
    return Event("appliance.sophos", fields, timestamps.parse(stamp), host)


def sonicwall(text: str) -> Event | None:
    """A SonicWall's message: `id=firewall sn=… time="…" fw=… pri=… m=… msg="…" src=a:port:X0 …`."""
    fields = pairs(text)
    if "m" not in fields or "sn" not in fields:
        return None
    for ours, theirs in (("src", "src"), ("dst", "dst")):
        address, _, port = fields.get(theirs, "").partition(":")
        if address.count(":") or not address:
            continue
        fill(fields, **{f"{ours}_ip": address, f"{ours}_port": port.partition(":")[0]})
    name, _, service = fields.get("proto", "").partition("/")
    said = fields.get("msg", "")
    fill(
        fields,
        protocol=protocol(name),
        app=service,
        user=first(fields, "usr", "user"),
        bytes_out=first(fields, "sent"),
        bytes_in=first(fields, "rcvd"),
    )
    done = verdict(first(fields, "fw_action")) or verdict(said)
    if _SONIC_LOGON.search(said[:300]):
        fill(fields, event_kind="logon", event_outcome=outcome(said))
    elif "attack" in said.lower() or fields.get("c") == "32":
        fill(fields, event_kind="alert", event_outcome=done, alert_name=said, alert_level="medium")
    elif "src_ip" in fields and "dst_ip" in fields:
        fill(fields, event_kind="traffic", event_outcome=done or "allowed")
    return Event(
        "appliance.sonicwall", fields, timestamps.parse(fields.get("time")), fields.get("fw")
    )

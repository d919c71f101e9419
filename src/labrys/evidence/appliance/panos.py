"""Reads PAN-OS's records (Palo Alto Networks): values between commas, their order by kind."""

import csv
import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Final

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

_AUTH: Final = re.compile(
    r"(failed authentication|authentication failed|authenticated|authentication succeeded)"
    r"(?: for user)? '?(?P<user>[^'\s]{1,100})",
    re.IGNORECASE,
)
_FROM: Final = re.compile(r"From: ?([0-9A-Fa-f.:]{3,45})", re.IGNORECASE)
_VPN_LOGON: Final = ("gateway-auth", "portal-auth", "gateway-login", "portal-login")


@cache
def _layouts() -> dict[str, tuple[str, ...]]:
    text = files("labrys.evidence.appliance").joinpath("panos.toml").read_text("utf-8")
    table: dict[str, Any] = tomllib.loads(text)
    return {kind: (*table["head"], *names) for kind, names in table["columns"].items()}


def parse(text: str) -> Event | None:
    """`1,2026/03/04 05:06:07,<serial>,TRAFFIC,end,…`; what is not known of a kind is `column_<n>`."""
    try:
        values = next(csv.reader([text.replace("\n", " ")]))
    except (csv.Error, StopIteration):
        return None
    if len(values) < 8:
        return None
    names = _layouts().get(values[3], _layouts()["SYSTEM"][:7])
    fields: Fields = {}
    for at, value in enumerate(values[:200]):
        name = names[at] if at < len(names) else f"column_{at + 1}"
        if name and value:
            fields[name] = value
    _KINDS.get(values[3], _other)(fields)
    moment = timestamps.parse(fields.get("time_generated") or fields.get("receive_time"))
    return Event("appliance.panos", fields, moment, first(fields, "device_name"), exact=False)


def _ends(fields: Fields) -> None:
    fill(
        fields,
        src_ip=fields.get("src"),
        src_port=fields.get("sport"),
        dst_ip=fields.get("dst"),
        dst_port=fields.get("dport"),
        protocol=protocol(fields.get("proto")),
        user=first(fields, "srcuser"),
    )


def _traffic(fields: Fields) -> None:
    _ends(fields)
    fill(
        fields,
        bytes_out=fields.get("bytes_sent"),
        bytes_in=fields.get("bytes_received"),
        packets_out=fields.get("pkts_sent"),
        packets_in=fields.get("pkts_received"),
        duration=fields.get("elapsed"),
    )
    subtype = fields.get("subtype")
    done = "blocked" if subtype in ("drop", "deny") else verdict(fields.get("action"))
    # A session that is told at its end need not be counted at its start, too.
    kind = "session_start" if subtype == "start" else "traffic"
    fill(fields, event_kind=kind, event_outcome=done)


def _threat(fields: Fields) -> None:
    _ends(fields)
    done = verdict(fields.get("action")) or "allowed"
    if fields.get("subtype") in ("url", "file", "data"):
        kind = "web" if fields["subtype"] == "url" else "file"
        fill(fields, event_kind=kind, event_outcome=done)
        if kind == "web" and (address := fields.get("misc")):
            fill(fields, full_url=address if "://" in address else f"http://{address}")
        return
    fill(
        fields,
        event_kind="alert",
        event_outcome=done,
        alert_name=first(fields, "threatid", "subtype"),
        alert_level=level(fields.get("severity")),
    )


def _system(fields: Fields) -> None:
    said = fields.get("opaque", "")
    if found := _AUTH.search(said[:500]):
        source = _FROM.search(said[:1000])
        fill(
            fields,
            event_kind="logon",
            event_outcome="failure" if "fail" in found[1].lower() else "success",
            user=found["user"].rstrip(".,"),
            src_ip=source[1].rstrip(".") if source else None,
        )


def _vpn(fields: Fields) -> None:
    fill(
        fields,
        src_ip=first(fields, "public_ip", "public_ipv6"),
        user=first(fields, "srcuser"),
        event_kind={"gateway-logout": "logoff"}.get(fields.get("eventid", "")),
    )
    if fields.get("eventid") in _VPN_LOGON:
        fill(fields, event_kind="logon", event_outcome=outcome(fields.get("status")))


def _authentication(fields: Fields) -> None:
    fill(fields, src_ip=fields.get("ip"), event_kind="logon")
    fill(fields, event_outcome=outcome(first(fields, "event", "desc")))


def _config(fields: Fields) -> None:
    fill(fields, src_ip=fields.get("host"), user=fields.get("admin"), event_kind="change")


def _other(fields: Fields) -> None:
    """Nothing more is known of it."""


_KINDS: Final = {
    "TRAFFIC": _traffic,
    "THREAT": _threat,
    "SYSTEM": _system,
    "GLOBALPROTECT": _vpn,
    "AUTHENTICATION": _authentication,
    "CONFIG": _config,
}

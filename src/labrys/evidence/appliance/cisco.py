"""Reads what Cisco's firewalls and routers log, by the number or name of the message."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from labrys.evidence import timestamps
from labrys.evidence.appliance.event import Event, Fields, fill, first, level, verdict

_HEAD: Final = re.compile(
    r"%(ASA|FTD|PIX|FWSM|NGIPS)-(?:[a-z]{1,20}-)?(\d)-(\d{6}):? ?(.*)", re.DOTALL | re.ASCII
)
_IOS: Final = re.compile(
    r"%([A-Z][A-Z0-9_]{1,30})-(\d)-([A-Z0-9_]{2,40}): ?(.*)", re.DOTALL | re.ASCII
)
_END: Final = r"(?P<END_interface>[^:/\s]+):(?P<END_ip>[^/\s(]+)(?:/(?P<END_port>\d+))?"
_FTD_PAIR: Final = re.compile(r"([A-Z]\w{1,60}): ([^,]*)(?:, |$)", re.ASCII)
_LONGEST: Final = 4_000


@dataclass(frozen=True, slots=True)
class _Message:
    form: re.Pattern[str]
    kind: str
    outcome: str | dict[str, str] | None
    level: str | None


@cache
def _messages() -> dict[str, _Message]:
    text = files("labrys.evidence.appliance").joinpath("cisco.toml").read_text("utf-8")
    made: dict[str, _Message] = {}
    for entry in tomllib.loads(text)["message"]:
        form = entry["form"]
        for mark, end in (("{A}", "src"), ("{B}", "dst")):
            form = form.replace(mark, _END.replace("END", end))
        message = _Message(
            re.compile(form), entry["kind"], entry.get("outcome"), entry.get("level")
        )
        made.update(dict.fromkeys(entry["ids"], message))
    return made


def parse(text: str) -> Event | None:
    """`%ASA-6-302013: Built outbound TCP connection …`, `%SEC_LOGIN-4-LOGIN_FAILED: …`."""
    if found := _HEAD.match(text):
        product, severity, number, said = found.groups()
        fields: Fields = {"product": product, "level": severity, "message_id": number}
        if number.startswith("4300"):
            _ftd(fields, said)
        else:
            _known(fields, number, said[:_LONGEST])
        return Event("appliance.asa", fields, timestamps.parse(fields.get("FirstPacketSecond")))
    if found := _IOS.match(text):
        facility, severity, name, said = found.groups()
        fields = {"facility_name": facility, "level": severity, "message_id": name}
        _known(fields, f"{facility}-{name}", said[:_LONGEST])
        return Event("appliance.ios", fields)
    return None


def _known(fields: Fields, key: str, said: str) -> None:
    message = _messages().get(key)
    found = message.form.match(said) if message else None
    if message is None or found is None:
        return
    told: dict[str, Any] = {name: value for name, value in found.groupdict().items() if value}
    how = told.pop("how", "")
    if told.get("direction") == "outbound":  # the first end is the one the connection goes to
        told = {_other_end(name): value for name, value in told.items()}
    if "protocol" in told:
        told["protocol"] = told["protocol"].lower()
    if lasted := told.get("lasted"):
        told["duration"] = str(_seconds(lasted))
    fields.update(told)
    done = message.outcome.get(how) if isinstance(message.outcome, dict) else message.outcome
    fill(fields, event_kind=message.kind, event_outcome=done, alert_level=message.level)


def _other_end(name: str) -> str:
    if name.startswith("src_"):
        return f"dst_{name[4:]}"
    return f"src_{name[4:]}" if name.startswith("dst_") else name


def _seconds(lasted: str) -> int:
    total = 0
    for part in lasted.split(":")[-3:]:
        total = total * 60 + int(part[:9] or 0)
    return total


def _ftd(fields: Fields, said: str) -> None:
    """A connection or intrusion of Firepower: `Name: value, Name: value`."""
    for name, value in _FTD_PAIR.findall(said[:_LONGEST]):
        if value:
            fields.setdefault(name, value)
    fill(
        fields,
        src_ip=first(fields, "SrcIP", "InitiatorIP"),
        src_port=first(fields, "SrcPort"),
        dst_ip=first(fields, "DstIP", "ResponderIP"),
        dst_port=first(fields, "DstPort"),
        protocol=fields.get("Protocol", "").lower(),
        user=first(fields, "User"),
        bytes_out=first(fields, "InitiatorBytes"),
        bytes_in=first(fields, "ResponderBytes"),
        packets_out=first(fields, "InitiatorPackets"),
        packets_in=first(fields, "ResponderPackets"),
        duration=first(fields, "ConnectionDuration"),
        full_url=first(fields, "URL"),
    )
    done = verdict(first(fields, "AccessControlRuleAction", "InlineResult", "FileAction"))
    if fields["message_id"] in ("430001", "430005"):
        name = first(fields, "Message", "ThreatName", "FileName")
        fill(
            fields,
            event_kind="alert",
            alert_name=name,
            alert_level=level(fields.get("EventPriority")),
        )
    elif fields["message_id"] == "430003":  # 430002 is the same connection when it began
        fill(fields, event_kind="traffic")
    fill(fields, event_outcome=done)

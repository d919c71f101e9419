"""Reads CEF and LEEF, the two forms in which products of many makers write to a collector."""

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

_BAR: Final = re.compile(r"(?<!\\)\|")
_KEY: Final = re.compile(r"(?:^|(?<=\s))([\w.\-\[\]]{1,100})(?<!\\)=", re.ASCII)
_CEF: Final = (
    *("cef_version", "deviceVendor", "deviceProduct", "deviceVersion"),
    *("deviceEventClassId", "name", "severity"),
)
_LEEF: Final = ("leef_version", "vendor", "product", "product_version", "eventId")
_MOST: Final = 200
_UNESCAPED: Final = re.compile(r"\\([\\=|nr])")
_LOGON: Final = re.compile(
    r"\b(?:log[io]n|logged (?:in|on)|sign[- ]?in|authenticat)", re.IGNORECASE
)
_LOGOFF: Final = re.compile(r"\blog(?:ged )?(?:off|out)\b", re.IGNORECASE)
_GRAVE: Final = ("high", "critical")


def cef(text: str) -> Event | None:
    """`CEF:0|vendor|product|version|class|name|severity|name=value …`."""
    parts = _BAR.split(text.partition("CEF:")[2].lstrip(), maxsplit=7)
    if len(parts) < 7:
        return None
    fields: Fields = {
        name: _plain(value) for name, value in zip(_CEF, parts, strict=False) if value.strip()
    }
    _extension(fields, parts[7] if len(parts) > 7 else "")
    fill(
        fields,
        src_ip=first(fields, "src", "sourceAddress", "sourceTranslatedAddress", "c6a2"),
        src_port=first(fields, "spt", "sourcePort"),
        dst_ip=first(fields, "dst", "destinationAddress", "c6a3"),
        dst_port=first(fields, "dpt", "destinationPort"),
        protocol=protocol(first(fields, "proto", "transportProtocol")),
        user=first(fields, "suser", "sourceUserName", "duser", "destinationUserName"),
        bytes_out=first(fields, "out", "bytesOut"),
        bytes_in=first(fields, "in", "bytesIn"),
        full_url=first(fields, "request", "requestUrl"),
    )
    said = first(fields, "act", "deviceAction", "outcome", "categoryOutcome")
    _kind(fields, said, fields.get("name", ""), fields.get("severity"))
    moment = timestamps.parse(
        first(fields, "rt", "receiptTime", "end", "start", "deviceReceiptTime")
    )
    return Event("appliance.cef", fields, moment, first(fields, "dvchost", "deviceHostName", "dvc"))


def leef(text: str) -> Event | None:
    """`LEEF:1.0|vendor|product|version|id|name=value<tab>…`; version 2 names what separates."""
    parts = text.partition("LEEF:")[2].split("|", 6)
    if len(parts) < 6:
        return None
    fields: Fields = dict(zip(_LEEF, (part.strip() for part in parts), strict=False))
    if parts[0].startswith("2") and len(parts) == 7:
        mark, rest = _mark(parts[5]), parts[6]
    else:
        mark, rest = "\t", "|".join(parts[5:])
    if mark in rest:
        for pair in rest.split(mark)[:_MOST]:
            name, equals, value = pair.partition("=")
            if equals and value.strip():
                fields.setdefault(name.strip()[:100], value.strip())
    else:  # a collector made spaces of the tabs
        _extension(fields, rest)
    fill(
        fields,
        src_ip=first(fields, "src"),
        src_port=first(fields, "srcPort"),
        dst_ip=first(fields, "dst"),
        dst_port=first(fields, "dstPort"),
        protocol=protocol(first(fields, "proto")),
        user=first(fields, "usrName", "accountName"),
        bytes_out=first(fields, "srcBytes"),
        bytes_in=first(fields, "dstBytes"),
        full_url=first(fields, "url"),
    )
    name = " ".join(filter(None, (fields["eventId"], fields.get("cat"), fields.get("msg"))))
    _kind(fields, first(fields, "action", "outcome", "result"), name, fields.get("sev"))
    return Event(
        "appliance.leef",
        fields,
        timestamps.parse(first(fields, "devTime")),
        first(fields, "identHostName"),
    )


def _mark(written: str) -> str:
    """The separator of LEEF 2: a character, or its code as `x5E` or `0x5E`."""
    code = written.lower().removeprefix("0").removeprefix("x")
    if len(written) > 1:
        try:
            return chr(int(code, 16)) if int(code, 16) < 0x110000 else "\t"
        except ValueError:
            return "\t"
    return written or "\t"


def _kind(fields: Fields, said: str | None, name: str, severity: str | None) -> None:
    """Say what sort of event it is, by what it tells."""
    if _LOGOFF.search(name[:300]):
        fill(fields, event_kind="logoff")
    elif _LOGON.search(name[:300]):
        how = outcome(first(fields, "outcome", "categoryOutcome")) or outcome(name) or outcome(said)
        fill(fields, event_kind="logon", event_outcome=how)
    elif level(severity) in _GRAVE:
        fill(
            fields,
            event_kind="alert",
            event_outcome=verdict(said),
            alert_name=name,
            alert_level=level(severity),
        )
    elif "full_url" in fields:
        fill(fields, event_kind="web", event_outcome=verdict(said))
    elif "src_ip" in fields and "dst_ip" in fields:
        fill(fields, event_kind="traffic", event_outcome=verdict(said) or verdict(name))


def _extension(fields: Fields, text: str) -> None:
    found = list(_KEY.finditer(text))[:_MOST]
    for at, key in enumerate(found):
        end = found[at + 1].start() if at + 1 < len(found) else len(text)
        value = _plain(text[key.end() : end].strip())
        if value:
            fields.setdefault(key[1], value)


def _plain(text: str) -> str:
    return _UNESCAPED.sub(lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), text)

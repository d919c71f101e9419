"""Incidents as MISP events: one each, with what was observed, e-mail objects and ATT&CK tags.

Source: MISP core format (draft-dulaunoy-misp-core-format), object template `email` of
misp-objects. Identifiers are UUIDv5 of ours, so that a second export of the same case gives the same
events. Nothing is published: who may see it is for people to say.
"""

import ipaddress
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid5

import orjson

from labrys.ocsf.attack import technique
from labrys.ocsf.schema import Severity
from labrys.report.contents import Report, Row
from labrys.report.levels import SEVERITY
from labrys.report.mail import Mail, mail
from labrys.report.visible import iso

_OURS: Final = UUID("d0b3a6f2-93b1-5a0e-8f5c-2b9a4a6f7c11")
_EMAIL: Final = "a0c666e0-fc65-4be8-b48f-3423d788b552"
"""The template `email` of misp-objects."""
MOST: Final = 1_000
"""Findings of each incident that are looked at, its first ones."""
_THREAT: Final = {Severity.CRITICAL: "1", Severity.HIGH: "1", Severity.MEDIUM: "2"}
_HASHES: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_LONGEST: Final = 2_000

Item = dict[str, Any]


def write(report: Report) -> Iterator[bytes]:
    """The events as one JSON object, `{"response": [{"Event": …}, …]}`, in pieces."""
    yield b'{"response":['
    for number, incident in enumerate(report.each_incident()):
        yield (b",\n" if number else b"") + orjson.dumps(
            {"Event": _event(report, number, incident)}
        )
    yield b"]}\n"


def _event(report: Report, number: int, row: Row) -> Item:
    made = _Event(row["uid"])
    for finding in report.members(number, MOST).to_pylist():
        made.finding(finding, report)
    last = row["time_end"] or 0
    return {
        "uuid": _uid("event", row["uid"]),
        "info": _text(row["title"]),
        "date": (iso(row["time_start"]) or "1970-01-01")[:10],
        "timestamp": str(max(last // 1000, 0)),
        "threat_level_id": _THREAT.get(Severity(row["severity_id"]), "3"),
        "analysis": "0",
        "distribution": "0",
        "published": False,
        "Attribute": list(made.attributes.values()),
        "Object": list(made.objects.values()),
        "Tag": [{"name": name} for name in _tags(row)],
    }


def _tags(row: Row) -> list[str]:
    made = [f'labrys:severity="{SEVERITY[row["severity_id"]].lower()}"']
    for uid in row["techniques"] or ():
        known = technique(uid)
        if known is not None:
            made.append(f'misp-galaxy:mitre-attack-pattern="{known.name} - {uid}"')
    return made


class _Event:
    """The attributes and objects of one event, each once."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.attributes: dict[str, Item] = {}
        self.objects: dict[str, Item] = {}

    def finding(self, row: Row, report: Report) -> None:
        """Take in what a finding names and the messages it rests on."""
        title = _text(row["title"])
        of_mail = False
        for item in row["evidence"] or ():
            message = mail(report.records.get(item["_id"], {}))
            if message is not None:
                of_mail = True
                self._message(item["_id"], message, title)
        for entity in row["entities"] or ():
            if not (of_mail and entity["type"] in ("user", "message", "domain", "host")):
                self._entity(entity, title)

    def _entity(self, entity: Row, title: str) -> None:
        for kind, category, value, sure in _of_entity(entity):
            self._add(kind, category, value, sure=sure, comment=title)

    def _message(self, uid: str, message: Mail, title: str) -> None:
        key = _uid("object", f"{self._key}|{uid}")
        if key in self.objects:
            return
        fields = [
            ("from", "email-src", message.sender),
            ("from-display-name", "email-src-display-name", message.name),
            ("reply-to", "email-reply-to", message.reply_to),
            ("return-path", "email-src", message.return_path),
            *(("to", "email-dst", one) for one in message.recipients[:50]),
            ("subject", "email-subject", message.subject),
            ("message-id", "email-message-id", message.message_id),
            ("send-date", "datetime", iso(int(message.date)) if message.date.isdigit() else ""),
            ("ip-src", "ip-src", message.origin),
            *(("attachment", "email-attachment", one) for one in message.files),
        ]
        self.objects[key] = {
            "uuid": key,
            "name": "email",
            "meta-category": "network",
            "template_uuid": _EMAIL,
            "template_version": "18",
            "distribution": "5",
            "comment": title,
            "Attribute": [
                _attribute(f"{key}|{relation}|{value}", kind, "Payload delivery", value)
                | {"object_relation": relation}
                for relation, kind, value in fields
                if value
            ],
        }
        for url in message.urls:
            self._add("url", "Network activity", url.value, sure=url.sure, comment=title)
        for domain in message.domains:
            self._add("domain", "Network activity", domain.value, sure=domain.sure, comment=title)
        for digest in message.hashes:
            self._add("sha256", "Payload delivery", digest, sure=True, comment=title)

    def _add(self, kind: str, category: str, value: str, *, sure: bool, comment: str) -> None:
        made = _attribute(f"{self._key}|{kind}|{value}", kind, category, value, sure=sure)
        self.attributes.setdefault(made["uuid"], made | {"comment": comment})


def _attribute(key: str, kind: str, category: str, value: str, *, sure: bool = False) -> Item:
    return {
        "uuid": _uid("attribute", key),
        "type": kind,
        "category": category,
        "value": _text(value),
        "to_ids": sure,
        "distribution": "5",
        "disable_correlation": False,
    }


def _of_entity(entity: Row) -> Iterator[tuple[str, str, str, bool]]:
    """Type, category, value of the attributes that an entity is, and whether it is an indicator."""
    kind, value, role = entity["type"], entity["value"], entity["role"]
    if kind == "ip":
        yield from _address(value, role)
    elif kind == "hash":
        algorithm = _HASHES.get(len(value))
        if algorithm:
            yield algorithm, "Payload delivery", value, True
    elif kind == "file":
        yield "filename", "Artifacts dropped", value, False
    elif kind in _PLAIN:
        yield *_PLAIN[kind], value, False


_PLAIN: Final = {
    "domain": ("domain", "Network activity"),
    "url": ("url", "Network activity"),
    "host": ("target-machine", "Targeting data"),
    "user": ("target-user", "Targeting data"),
    "registry": ("regkey", "Persistence mechanism"),
    "user_agent": ("user-agent", "Network activity"),
    "message": ("email-message-id", "Payload delivery"),
}


def _address(value: str, role: str) -> Iterator[tuple[str, str, str, bool]]:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return
    kind = "ip-dst" if role in ("destination", "object") else "ip-src"
    yield kind, "Network activity", value, address.is_global


def _uid(kind: str, key: str) -> str:
    return str(uuid5(_OURS, f"{kind}|{key}"))


def _text(value: str | None) -> str:
    """Text that JSON and MISP take: no control characters, no lone surrogates, not too long."""
    made = "".join(one if one.isprintable() else " " for one in (value or "")[:_LONGEST])
    return made.encode("utf-8", "replace").decode().strip()

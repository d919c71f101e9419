"""Incidents as a STIX 2.1 bundle: incident, what was observed, by which techniques.

Source: STIX Version 2.1, OASIS Standard. Identifiers are UUIDv5 throughout: those of observables in
the specification's namespace, so that other tools give the same address the same id; the others in
ours, so that a second export of the same case overwrites the first.
"""

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID, uuid5

import orjson

from labrys import __version__
from labrys.ocsf.attack import technique
from labrys.report.contents import Report, Row
from labrys.report.levels import SEVERITY
from labrys.report.mail import Mail, mail
from labrys.report.visible import iso

_OBSERVABLES: Final = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""The namespace the specification gives for identifiers of observables."""
_OURS: Final = UUID("6f9a3c1e-7d2b-5e48-9a06-1c5b7e0f2d84")
_FIRST: Final = "2026-01-01T00:00:00.000Z"
"""`created` of what has no time of its own: it must not change from export to export."""
_HASHES: Final = {32: "MD5", 40: "SHA-1", 64: "SHA-256", 128: "SHA-512"}
MOST: Final = 1000
"""Observations exported for each incident, its first ones; its description says how many more."""

Item = dict[str, Any]


def write(report: Report) -> Iterator[bytes]:
    """The bundle as one JSON object, in pieces: incidents with at most `MOST` observations each."""
    bundle = uuid5(_OURS, "|".join(report.incidents["uid"].to_pylist()))
    yield b'{"type":"bundle","id":"bundle--' + str(bundle).encode() + b'","objects":['
    yield orjson.dumps(ourselves())
    written: set[str] = set()
    for number, incident in enumerate(report.each_incident()):
        for item in _incident(report, number, incident):
            if item["id"] not in written:
                written.add(item["id"])
                yield b",\n" + orjson.dumps(item)
    yield b"]}\n"


def _incident(report: Report, number: int, row: Row) -> Iterator[Item]:
    created = iso(row["time_end"]) or _FIRST
    rest = max(0, len(row["findings"]) - MOST)
    limits = f" Of its findings the first {MOST:,} are here, {rest:,} are not." if rest else ""
    incident = domain_object("incident", row["uid"], created) | {
        "name": row["title"],
        "description": f"{row['summary']}{limits}",
        "labels": [SEVERITY[row["severity_id"]].lower()],
        "confidence": row["confidence"],
    }
    refs = [incident["id"]]
    yield incident
    for uid in row["techniques"] or ():
        pattern = _attack_pattern(uid)
        yield pattern
        yield _relationship(incident["id"], pattern["id"], created)
        refs.append(pattern["id"])
    for entity in row["entities"] or ():
        if entity["type"] == "host":
            host = _host(entity["value"])
            yield host
            refs.append(host["id"])
    for finding in report.members(number, MOST).to_pylist():
        for item in _observed(finding, created, report):
            yield item
            refs.append(item["id"])
    yield domain_object("grouping", row["uid"], created) | {
        "name": row["title"],
        "context": "suspicious-activity",
        "object_refs": list(dict.fromkeys(refs)),
    }


def _observed(row: Row, created: str, report: Report) -> Iterator[Item]:
    """A finding's observables and the observation that holds them; nothing without either."""
    first, last = iso(row["time_start"]), iso(row["time_end"])
    items = [item for entity in row["entities"] or () for item in _observable(entity)]
    for place in row["evidence"] or ():
        message = mail(report.records.get(place["_id"], {}))
        if message is not None:
            items += _message(message)
    yield from items
    if items and first:
        yield domain_object("observed-data", row["uid"], created) | {
            "first_observed": first,
            "last_observed": max(first, last),
            "number_observed": max(1, min(999_999_999, len(row["evidence"] or ()))),
            "object_refs": list(dict.fromkeys(item["id"] for item in items)),
            "labels": [row["title"]],
        }


def _message(message: Mail) -> list[Item]:
    """An e-mail with its addresses, where its links lead, and what was attached."""
    sender = _cyber("email-addr", {"value": message.sender})
    to = [_cyber("email-addr", {"value": one}) for one in message.recipients[:50]]
    seen = [_cyber("url", {"value": one.value}) for one in message.urls]
    seen += [_cyber("domain-name", {"value": one.value}) for one in message.domains]
    seen += [_cyber("file", {"hashes": {"SHA-256": one}}) for one in message.hashes]
    identified = {"from_ref": sender["id"], "subject": message.subject}
    made = _cyber("email-message", {name: text for name, text in identified.items() if text})
    made |= {"is_multipart": False}
    if message.message_id:
        made["message_id"] = message.message_id
    if to:
        made["to_refs"] = list(dict.fromkeys(one["id"] for one in to))
    return [sender, *to, made, *seen]


def _observable(entity: Row) -> list[Item]:
    """The observables that an entity is; empty where STIX has none for it."""
    made = _MADE.get(entity["type"])
    return made(entity["value"]) if made else []


def _address(value: str) -> list[Item]:
    try:
        version = ipaddress.ip_address(value).version
    except ValueError:
        return []
    return [_cyber(f"ipv{version}-addr", {"value": value})]


def _hash(value: str) -> list[Item]:
    algorithm = _HASHES.get(len(value))
    return [_cyber("file", {"hashes": {algorithm: value}})] if algorithm else []


def _file(path: str) -> list[Item]:
    folder, _, name = path.replace("\\", "/").rpartition("/")
    if not name:
        return []
    if not folder:
        return [_cyber("file", {"name": name})]
    directory = _cyber("directory", {"path": path[: len(folder)]})
    return [directory, _cyber("file", {"name": name, "parent_directory_ref": directory["id"]})]


def _process(value: str) -> list[Item]:
    """A process of which the number is known; STIX has no place for a guid alone."""
    _, _, rest = value.partition("|")
    pid, bar, image = rest.partition("|")
    if not bar or not pid.isascii() or not pid.isdigit() or len(pid) > 10:
        return []
    made = {
        "type": "process",
        "spec_version": "2.1",
        "id": f"process--{uuid5(_OURS, f'process|{value}')}",
        "pid": int(pid),
    }
    return [made | {"command_line": image}] if image else [made]


_MADE: Final[dict[str, Callable[[str], list[Item]]]] = {
    "ip": _address,
    "file": _file,
    "process": _process,
    "hash": _hash,
    "domain": lambda value: [_cyber("domain-name", {"value": value})],
    "url": lambda value: [_cyber("url", {"value": value})],
    "user": lambda value: [_cyber("user-account", {"account_login": value})],
    "account": lambda value: [_cyber("user-account", {"user_id": value})],
    "registry": lambda value: [_cyber("windows-registry-key", {"key": value})],
}


def _cyber(kind: str, properties: Item) -> Item:
    """A cyber-observable; all properties given here contribute to its identifier."""
    canonical = orjson.dumps(properties, option=orjson.OPT_SORT_KEYS).decode()
    uid = uuid5(_OBSERVABLES, canonical)
    return {"type": kind, "spec_version": "2.1", "id": f"{kind}--{uid}", **properties}


def domain_object(kind: str, key: str, created: str) -> Item:
    """What every domain object of ours begins with; the same `key` gives the same identifier."""
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{uuid5(_OURS, f'{kind}|{key}')}",
        "created": created,
        "modified": created,
        "created_by_ref": ourselves()["id"],
    }


def _relationship(source: str, target: str, created: str) -> Item:
    return domain_object("relationship", f"{source}|{target}", created) | {
        "relationship_type": "related-to",
        "source_ref": source,
        "target_ref": target,
    }


def _attack_pattern(uid: str) -> Item:
    known = technique(uid)
    of, address = "mitre-attack", f"https://attack.mitre.org/techniques/{uid.replace('.', '/')}"
    if uid.startswith("AML."):
        of, address = "mitre-atlas", f"https://atlas.mitre.org/techniques/{uid}"
    return domain_object("attack-pattern", uid, _FIRST) | {
        "name": known.name if known else uid,
        "external_references": [{"source_name": of, "external_id": uid, "url": address}],
    }


def _host(name: str) -> Item:
    return domain_object("identity", f"host|{name}", _FIRST) | {
        "name": name,
        "identity_class": "system",
    }


def ourselves() -> Item:
    """Who says all this, as an object of its own."""
    uid = f"identity--{uuid5(_OURS, 'labrys')}"
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": uid,
        "created": _FIRST,
        "modified": _FIRST,
        "name": f"labrys {__version__}",
        "identity_class": "system",
    }

"""OCSF 1.8 as one JSON object per line: Detection Findings (2004), then Incident Findings (2005).

Source: OCSF schema 1.8, https://schema.ocsf.io. Scripts read these names, so they only ever grow.
`time` is when the activity was last seen, not when the finding was written: reading the same
evidence again gives the same bytes. Incidents also carry `finding_info` with their uid and title,
which the schema has for findings only, so that both can be read alike.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from labrys import __version__
from labrys.lake.places import NONE, Place, Places
from labrys.ocsf.attack import tactics as known_tactics
from labrys.ocsf.attack import technique as known_technique
from labrys.ocsf.schema import DETECTION_FINDING, INCIDENT_FINDING, OCSF_VERSION, Severity
from labrys.report.contents import Report, Row
from labrys.report.levels import PRIORITY, SEVERITY, confidence
from labrys.report.lines import json_line
from labrys.triage.chain import tactic_name

_OBSERVABLE: Final = {
    "host": (1, "Hostname"),
    "ip": (2, "IP Address"),
    "user": (4, "User Name"),
    "url": (6, "URL String"),
    "hash": (8, "Hash"),
    "resource": (10, "Resource UID"),
    "user_agent": (16, "HTTP User-Agent"),
    "account": (35, "Account UID"),
    "process": (39, "Process Entity UID"),
    "file": (45, "File Path"),
    "registry": (46, "Registry Key Path"),
    "domain": (1, "Hostname"),
    "service": (99, "Service Name"),
    "session": (99, "Session UID"),
}
_MOST_COPIES: Final = 1_000
_ANALYTIC: Final = {"sigma": (1, "Rule"), "correlation": (2, "Behavioral")}
_PLACE: Final = {
    ("host", "device"): ("device", "hostname"),
    ("ip", "device"): ("device", "ip"),
    ("user", "actor"): ("actor", "user", "name"),
    ("user", "target"): ("user", "name"),
    ("user", "object"): ("user", "name"),
    ("ip", "source"): ("src_endpoint", "ip"),
    ("host", "source"): ("src_endpoint", "hostname"),
    ("ip", "destination"): ("dst_endpoint", "ip"),
    ("host", "destination"): ("dst_endpoint", "hostname"),
    ("domain", "destination"): ("dst_endpoint", "domain"),
    ("domain", "object"): ("query", "hostname"),
    ("process", "object"): ("process", "uid"),
    ("process", "actor"): ("actor", "process", "uid"),
    ("process", "parent"): ("process", "parent_process", "uid"),
    ("file", "object"): ("file", "path"),
    ("file", "actor"): ("actor", "process", "file", "path"),
    ("url", "object"): ("url", "url_string"),
}
"""Where in an evidence artefact an entity belongs, by its type and role."""


def write(report: Report) -> Iterator[bytes]:
    """The lines of a report, in bounded memory."""
    for row, incident, _ in report.each_finding():
        copies = report.summary.copies
        yield json_line(finding(row, alert=incident >= 0, copies=copies, where=report.where))
    for row in report.each_incident():
        yield json_line(incident_finding(row, report.where))


def finding(
    row: Row,
    *,
    alert: bool,
    copies: Mapping[str, Sequence[str]] = MappingProxyType({}),
    where: Places = NONE,
) -> dict[str, Any]:
    """A finding as an OCSF Detection Finding; `alert`: it is part of an incident.

    `copies` names other sources with the content of one: the records are there as well. `where`
    adds countries and networks of addresses: to the endpoints, and as enrichments.
    """
    severity = int(row["severity_id"] or 1)
    made = _event(row, DETECTION_FINDING, "Detection Finding", row["detector"] or "", severity)
    made["metadata"]["product"]["feature"]["version"] = row["version"] or ""
    made["is_alert"] = alert or severity >= Severity.MEDIUM
    made["finding_info"] = _finding_info(row)
    made["evidences"] = _evidences(row, copies, where)
    _enrich(made, row, where)
    made["observables"] = observables(row["entities"] or ())
    hosts = [each["value"] for each in row["entities"] or () if each["type"] == "host"]
    if hosts:
        made["device"] = {"hostname": hosts[0], "type_id": 0, "type": "Unknown"}
    if row["advice"]:
        made["remediation"] = {"desc": row["advice"]}
    made["unmapped"] = {
        "rule_author": row["author"] or "",
        "shape": row["shape"] or "",
        "reasons": row["reasons"] or [],
    }
    return made


def incident_finding(row: Row, where: Places = NONE) -> dict[str, Any]:
    """An incident as an OCSF Incident Finding; `where` knows countries and networks."""
    severity = int(row["severity_id"] or 1)
    made = _event(row, INCIDENT_FINDING, "Incident Finding", "triage", severity)
    made["metadata"]["profiles"] = ["incident"]
    made["is_alert"] = True
    made["desc"] = row["summary"]
    made["attacks"] = attacks(row["techniques"] or (), row["tactics"] or ())
    made["finding_info"] = {"uid": row["uid"], "title": row["title"], "attacks": made["attacks"]}
    made["finding_info_list"] = [
        {"uid": uid, "desc": link} for uid, link in zip(row["findings"], row["links"], strict=True)
    ]
    # The schema asks for somebody; the truth is that nobody has taken it yet.
    made["assignee_group"] = {"name": "unassigned"}
    made["priority_id"] = PRIORITY[severity]
    made["observables"] = observables(row["entities"] or ())
    _enrich(made, row, where)
    made["unmapped"] = {"rank": row["rank"], "score": row["score"], "advice": row["advice"] or []}
    return made


def _event(row: Row, class_uid: int, name: str, feature: str, severity: int) -> dict[str, Any]:
    level, caption = confidence(int(row["confidence"] or 0))
    start, end = row["time_start"], row["time_end"]
    last = end if end is not None else start
    made: dict[str, Any] = {
        "class_uid": class_uid,
        "class_name": name,
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": class_uid * 100 + 1,
        "type_name": f"{name}: Create",
        "time": 0 if last is None else last,
        "severity_id": severity,
        "severity": SEVERITY[severity],
        "status_id": 1,
        "status": "New",
        "confidence_id": level,
        "confidence": caption,
        "confidence_score": int(row["confidence"] or 0),
        "message": row["title"] or "",
        "metadata": {
            "version": OCSF_VERSION,
            "uid": row["uid"],
            "product": {
                "name": "labrys",
                "vendor_name": "labrys",
                "version": __version__,
                "feature": {"name": feature},
            },
        },
    }
    if start is not None:
        made["start_time"] = start
    if end is not None:
        made["end_time"] = end
    return made


def _finding_info(row: Row) -> dict[str, Any]:
    kind, caption = _ANALYTIC.get(row["detector"] or "", (99, row["detector"] or "Other"))
    made: dict[str, Any] = {
        "uid": row["uid"],
        "title": row["title"] or "",
        "analytic": {
            "uid": row["rule_uid"] or "",
            "name": row["title"] or "",
            "type_id": kind,
            "type": caption,
            "version": row["version"] or "",
        },
        "attacks": attacks(row["techniques"] or (), row["tactics"] or ()),
        "related_events_count": len(row["evidence"] or ()),
        "data_sources": [row["shape"]] if row["shape"] else [],
    }
    if row["author"]:
        made["analytic"]["desc"] = f"Rule by {row['author']}"
    if row["time_start"] is not None:
        made["first_seen_time"] = row["time_start"]
    if row["time_end"] is not None:
        made["last_seen_time"] = row["time_end"]
    return made


def attacks(techniques: Iterable[str], tactics: Iterable[str]) -> list[dict[str, Any]]:
    """OCSF `attack` objects: one for each technique with a tactic it serves, then what is left."""
    wanted = list(tactics)
    left = dict.fromkeys(wanted)
    made: list[dict[str, Any]] = []
    for uid in techniques:
        known = known_technique(uid)
        named = {"uid": uid, "name": known.name} if known else {"uid": uid}
        serves = [tactic for tactic in wanted if known and tactic in known.tactics]
        attack: dict[str, Any] = {"technique": named}
        if serves or (known and known.tactics):
            tactic = serves[0] if serves else known.tactics[0] if known else ""
            attack["tactic"] = _tactic(tactic)
            left.pop(tactic, None)
        made.append(attack)
    made.extend({"tactic": _tactic(tactic)} for tactic in left)
    return made


def _tactic(short: str) -> dict[str, str]:
    known = known_tactics().get(short)
    return {"uid": known.uid, "name": known.name} if known else {"name": tactic_name(short)}


def observables(entities: Iterable[Row]) -> list[dict[str, Any]]:
    """Entities as OCSF observables, each once; `name` is the attribute the value would have."""
    made = {}
    for entity in entities:
        kind, role, value = entity["type"] or "", entity["role"] or "", entity["value"]
        type_id, caption = _OBSERVABLE.get(kind, (99, kind or "Other"))
        place = _PLACE.get((kind, role))
        name = ".".join(place) if place else f"{kind}.{role}" if role else kind
        made[name, value] = {"name": name, "type_id": type_id, "type": caption, "value": value}
    return list(made.values())


def _enrich(made: dict[str, Any], row: Row, where: Places) -> None:
    """What tables say of the addresses, as OCSF enrichments."""
    added = {}
    for each in row["entities"] or ():
        if each["type"] == "ip" and (place := where.of(each["value"])):
            name = ".".join(_PLACE.get(("ip", each["role"]), ("ip", each["role"] or "")))
            added[name, each["value"]] = {
                "name": name.strip("."),
                "value": each["value"],
                "type": "location",
                "data": _located(place),
            }
    if added:
        made["enrichments"] = list(added.values())


def _located(place: Place) -> dict[str, Any]:
    """OCSF `location` and `autonomous_system` of a place, those that are known."""
    made: dict[str, Any] = {}
    if place.country:
        made["location"] = {"country": place.country}
    if place.asn is not None:
        named = {"name": place.as_name} if place.as_name else {}
        made["autonomous_system"] = {"number": place.asn, **named}
    return made


def _evidences(
    row: Row, copies: Mapping[str, Sequence[str]], where: Places
) -> list[dict[str, Any]]:
    """Pointers to the records; the first also carries the entities in their OCSF places."""
    pointers: list[dict[str, Any]] = [
        {"data": {"_source": each["_source"], "_offset": each["_offset"], "_id": each["_id"]}}
        for each in row["evidence"] or ()
    ]
    if not pointers:
        return []
    first = pointers[0]
    for entity in row["entities"] or ():
        place = _PLACE.get((entity["type"], entity["role"]))
        if place is not None:
            _put(first, place, entity["value"])
    if "device" in first:
        first["device"].setdefault("type_id", 0)
    for end in (first.get("src_endpoint", {}), first.get("dst_endpoint", {})):
        end |= _located(where.of(end.get("ip", "")))
    for file in (first.get("file"), first.get("actor", {}).get("process", {}).get("file")):
        if file is not None:
            path = str(file["path"])
            file |= {"name": path.replace("\\", "/").rpartition("/")[2], "type_id": 0}
    also = (
        {"data": {**each["data"], "_source": copy}}
        for each in pointers
        for copy in copies.get(each["data"]["_source"], ())
    )
    return [*pointers, *islice(also, _MOST_COPIES)]


def _put(target: dict[str, Any], place: tuple[str, ...], value: str) -> None:
    for name in place[:-1]:
        target = target.setdefault(name, {})
    target.setdefault(place[-1], value)

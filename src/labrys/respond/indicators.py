"""What of findings could be blocked: addresses, names and hashes of the attacker's side.

Which side an entity is on follows from its role (`ocsf.schema.ENTITY`): of a connection one end is
ours. Where neither end is known to be, the tactic says which way the attack went, or nothing does.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

KINDS: Final = ("ip", "domain", "hash")
_OUTWARD: Final = frozenset(["command-and-control", "exfiltration"])
_INWARD: Final = frozenset(
    ["reconnaissance", "initial-access", "credential-access", "lateral-movement", "impact"]
)
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_HASH: Final = re.compile(r"(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})\Z")
_INSIDE: Final = tuple(
    (ipaddress.ip_network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "names no host"),
        ("10.0.0.0/8", "private: it is inside"),
        ("100.64.0.0/10", "private: it is inside"),
        ("127.0.0.0/8", "the machine itself (loopback)"),
        ("169.254.0.0/16", "link-local: it is inside"),
        ("172.16.0.0/12", "private: it is inside"),
        ("192.168.0.0/16", "private: it is inside"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved or broadcast"),
        ("::/127", "the machine itself (loopback)"),
        ("fc00::/7", "private: it is inside"),
        ("fe80::/10", "link-local: it is inside"),
        ("ff00::/8", "multicast"),
    )
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Indicator:
    """Something to block, and the findings (uids) that ask for it; `doubt` says why it may be wrong.

    `system`: a hash of a file in a folder of the operating system.
    """

    kind: str
    value: str
    findings: tuple[str, ...] = ()
    incident: str = ""
    severity: int = 0
    doubt: str = ""
    system: str = field(default="", compare=False)


def inside(value: str) -> str:
    """Why an address can only be our own or nobody's; empty for one of the internet."""
    address = ipaddress.ip_address(value)
    return next((reason for network, reason in _INSIDE if address in network), "")


def domain(text: str) -> str:
    """A name as DNS has it, in lower case and ASCII; empty where it is none."""
    name = text.strip().strip(".").lower().removeprefix("*.")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    labels = name.split(".")
    good = len(labels) > 1 and len(name) <= 253 and all(map(_LABEL.match, labels))
    return name if good and not labels[-1].isdigit() else ""


def file_hash(text: str) -> str:
    """An MD5, SHA-1 or SHA-256 in lower-case hex; empty where it is none."""
    made = text.strip().lower()
    return made if _HASH.match(made) else ""


def address(text: str) -> str:
    """An address in its shortest form; empty where it is none."""
    try:
        return str(ipaddress.ip_address(text.strip().partition("%")[0]))
    except ValueError:
        return ""


def indicators(
    findings: Iterable[Row],
    incidents: Mapping[str, str],
    ours: Callable[[str], bool],
    system_file: Callable[[str], bool],
) -> list[Indicator]:
    """What these findings (rows of `ocsf.schema.FINDING`) name, each once, worst first.

    `incidents` gives a finding's incident; `ours` whether an address is known to be our own, and
    `system_file` whether a path belongs to the operating system.
    """
    made: dict[tuple[str, str], Indicator] = {}
    for row in findings:
        for one in _of(row, ours, system_file):
            one = replace(
                one,
                findings=(row["uid"],),
                incident=incidents.get(row["uid"], ""),
                severity=int(row["severity_id"] or 0),
            )
            have = made.get((one.kind, one.value))
            made[one.kind, one.value] = one if have is None else _both(have, one)
    return sorted(made.values(), key=lambda each: (-each.severity, each.kind, each.value))


def _both(one: Indicator, other: Indicator) -> Indicator:
    """Said by two findings: the surer of them decides about the doubt."""
    worse = one if one.severity >= other.severity else other
    return replace(
        worse,
        findings=tuple(dict.fromkeys((*one.findings, *other.findings)))[:100],
        incident=worse.incident or one.incident or other.incident,
        doubt="" if not one.doubt or not other.doubt else worse.doubt,
        system=one.system or other.system,
    )


def _of(
    row: Row, ours: Callable[[str], bool], system_file: Callable[[str], bool]
) -> Iterator[Indicator]:
    entities = row["entities"] or ()
    yield from _addresses(row, entities, ours)
    for each in entities:
        kind, value, role = each["type"], each["value"] or "", each["role"]
        if kind == "domain" and role != "device":
            doubt = "the side that asked, not the one asked for" if role == "source" else ""
            yield Indicator("domain", domain(value) or value[:253], doubt=doubt)
        elif kind == "url":
            yield from _url(value)
        elif kind == "hash" and role != "parent" and (made := file_hash(value)):
            path = next((p for p in _paths(entities, role) if system_file(p)), "")
            yield Indicator("hash", made, system=path)


def _paths(entities: Iterable[Row], role: str) -> Iterator[str]:
    return (each["value"] for each in entities if each["type"] == "file" and each["role"] == role)


def _url(value: str) -> Iterator[Indicator]:
    """The host of a URL, which is all of it that a network can be told to block."""
    try:
        host = urlsplit(value if "//" in value else f"//{value}").hostname or ""
    except ValueError:
        return
    if made := address(host):
        yield Indicator("ip", made)
    elif made := domain(host):
        yield Indicator("domain", made)


def _addresses(
    row: Row, entities: Iterable[Row], ours: Callable[[str], bool]
) -> Iterator[Indicator]:
    ends: dict[str, list[str]] = {}
    for each in entities:
        if each["type"] == "ip" and (made := address(each["value"] or "")):
            ends.setdefault(each["role"], []).append(made)
    outside = {role: [v for v in values if not ours(v)] for role, values in ends.items()}
    doubts = _doubts(row, outside)
    for role, values in ends.items():
        doubt = doubts.get(role, "")
        for value in dict.fromkeys(values):
            yield Indicator("ip", value, doubt="" if ours(value) else doubt)


def _doubts(row: Row, outside: Mapping[str, list[str]]) -> dict[str, str]:
    """Roles whose addresses are perhaps not the attacker's, and why."""
    said = {
        "device": "the machine that the record is from",
        "target": "what was attacked",
        "object": "only named in an answer of DNS",
    }
    if not outside.get("source") or not outside.get("destination"):
        return said
    tactics = set(row["tactics"] or ())
    if tactics & _OUTWARD:
        return said | {"source": "the side from which it went out: a victim"}
    if tactics & _INWARD:
        return said | {"destination": "the side that was attacked"}
    unclear = "which end is ours cannot be told; name our networks with --own"
    return said | {"source": unclear, "destination": unclear}

"""What one scan of a set found: the lines of its report as the few fields that are counted."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from bench.detect.layers import rarity

MEDIUM: Final = 3
HIGH: Final = 4
_FOLDED: Final = re.compile(r".+?, (?:informational|low|medium|high|critical)(?= |$)")
LEVELS: Final = {1: "informational", 2: "low", 3: "medium", 4: "high", 5: "critical"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; `files` are the files of the set (paths in it) that its evidence lies in, and
    `places` where in them."""

    uid: str
    rule: str
    title: str
    detector: str
    severity: int
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    files: tuple[str, ...]
    entities: tuple[str, ...]
    shape: str
    places: tuple[tuple[str, int], ...] = ()

    @property
    def only_rarity(self) -> bool:
        """Whether it only says that something is unusual."""
        return rarity(self.detector)


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident, findings as uids."""

    rank: int
    severity: int
    title: str
    findings: frozenset[str]
    entities: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """All findings and incidents of one scan; `same` names files that are copies of others,
    `folded` are the lines under which the report tells what is in no incident; where a set is several
    cases, `cases` are these by name."""

    findings: tuple[Finding, ...]
    incidents: tuple[Incident, ...]
    same: dict[str, str]
    folded: tuple[str, ...] = ()
    cases: Mapping[str, "Found"] = field(default_factory=dict)

    @cached_property
    def _by_file(self) -> dict[str, list[Finding]]:
        made: dict[str, list[Finding]] = {}
        for finding in self.findings:
            files = {self.same.get(file, file) for file in finding.files}
            if len(files) == 1:
                made.setdefault(files.pop(), []).append(finding)
        return made

    def of(self, file: str) -> list[Finding]:
        """The findings whose whole evidence lies in this file, or in a copy that was read for it.

        What a correlation put together from several files of a set that never met says nothing
        about any of them.
        """
        return self._by_file.get(self.same.get(file, file), [])

    def serious(self, file: str) -> list[Finding]:
        """The findings of medium severity or more in a file."""
        return [each for each in self.of(file) if each.severity >= MEDIUM]

    def unjoined(self) -> "Found":
        """As if nothing were joined: each finding of medium or more is an incident."""
        if self.cases:
            return several({name: each.unjoined() for name, each in self.cases.items()})
        alone = sorted(
            (each for each in self.findings if each.severity >= MEDIUM),
            key=lambda each: (-each.severity, each.uid),
        )
        made = (
            Incident(rank, each.severity, each.title, frozenset({each.uid}), each.entities)
            for rank, each in enumerate(alone, 1)
        )
        return replace(self, incidents=tuple(made))


def read(report: Path, folder: Path) -> Found:
    """The lines of an NDJSON report of a scan of `folder`."""
    import orjson

    evidence = folder.name

    findings: list[Finding] = []
    incidents: list[Incident] = []
    with report.open("rb") as lines:
        for line in lines:
            row = orjson.loads(line)
            if row["class_uid"] == 2004:
                findings.append(_finding(row, evidence))
            elif row["class_uid"] == 2005:
                incidents.append(_incident(row))
    ranked = sorted(incidents, key=lambda each: each.rank)
    return Found(tuple(findings), tuple(ranked), _copies(folder))


def several(cases: Mapping[str, Found]) -> Found:
    """What was found in several cases, each of which stays one."""
    return Found(tuple(one for each in cases.values() for one in each.findings), (), {}, (), cases)


def _copies(folder: Path) -> dict[str, str]:
    """Each file with the content of an earlier one → that one: a case reads a content once."""
    sizes: dict[int, list[Path]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        sizes.setdefault(path.stat().st_size, []).append(path)
    made: dict[str, str] = {}
    for paths in sizes.values():
        first: dict[bytes, str] = {}
        for path in paths if len(paths) > 1 else ():
            name = path.relative_to(folder).as_posix()
            original = first.setdefault(sha256(path.read_bytes()).digest(), name)
            if original != name:
                made[name] = original
    return made


def folded(report: Path) -> tuple[str, ...]:
    """The lines of a report as a table under which what is in no incident is folded."""
    _, _, rest = report.read_text("utf-8").partition("\nFolded:")
    section = rest.partition("\n\n")[0].partition("\n")[2]
    joined = " ".join(section.split())
    return tuple(each.strip() for each in _FOLDED.findall(joined))


def file_of(source: str, evidence: str) -> str:
    """A record's `_source` as the path of the file inside the set; archives are one file."""
    inside = source.rpartition(f"/{evidence}/")[2] if f"/{evidence}/" in source else source
    return inside.removeprefix(f"{evidence}/").partition("!/")[0]


def _finding(row: dict[str, Any], evidence: str) -> Finding:
    info = row["finding_info"]
    attacks = info.get("attacks") or ()
    data = [each["data"] for each in row.get("evidences") or ()]
    places = tuple((file_of(each["_source"], evidence), int(each["_offset"])) for each in data)
    return Finding(
        uid=info["uid"],
        rule=info["analytic"]["uid"],
        title=info["title"],
        detector=row["metadata"]["product"]["feature"]["name"],
        severity=row["severity_id"],
        techniques=tuple(each["technique"]["uid"] for each in attacks if "technique" in each),
        tactics=_tactics(attacks),
        files=tuple(sorted({file for file, _ in places})),
        entities=_entities(row),
        shape=row["unmapped"]["shape"],
        places=places,
    )


def _incident(row: dict[str, Any]) -> Incident:
    return Incident(
        rank=row["unmapped"]["rank"],
        severity=row["severity_id"],
        title=row["finding_info"]["title"],
        findings=frozenset(each["uid"] for each in row["finding_info_list"]),
        entities=_entities(row),
    )


def _tactics(attacks: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    found = (each.get("tactic") or {} for each in attacks)
    return tuple(dict.fromkeys(each.get("uid") or each.get("name") or "" for each in found))


def _entities(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(each["value"]) for each in row.get("observables") or ())

"""Judges runs of failed logons: guessing, spraying, and above all a password that was guessed.

Attempts alone are common and mostly noise: low, medium where they come from inside. What counts is
a logon that succeeds in their wake, from a source that had never succeeded before or at a pace no
human keeps; a user who mistypes, or whose saved password is old, is no more than low.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Final

import pyarrow as pa

from labrys.detect.guessing.features import MEASURES
from labrys.ocsf.schema import FINDING, Severity

ID: Final = "guessing"
VERSION: Final = "1"

MANY_USERS: Final = 5
FAST: Final = 20
"""More failures a minute than a human types."""
MANY: Final = 20
"""More failures than a human has patience for."""
NO_HUMAN: Final = 50
"""More failures than a human types without a long break, however slowly."""
ONE_BY_ONE: Final = 4
"""From so many bursts of one source on, they are told as the one long run they are part of."""
MOST_ENTITIES: Final = 20

_PRIVATE: Final = tuple(
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10"),
    )
)
_ADVICE: Final = {
    "success": "Treat the account as taken over: end its sessions, reset its password, and look at "
    "what it did since. Then block the source.",
    "attempt": "Check that the accounts have strong passwords and a second factor; limit who may "
    "reach the service.",
}


@dataclass(frozen=True, slots=True)
class Run:
    """A run of failures, as `features` describes it, with its sample attempts in order of time."""

    kind: str
    key: str
    measures: Mapping[str, int]
    attempts: Sequence[Mapping[str, Any]]

    def __getitem__(self, name: str) -> int:
        return self.measures[name]

    @property
    def seconds(self) -> float:
        """How long the failures went on."""
        return (self["last"] - self["first"]) / 1000

    @property
    def pace(self) -> float:
        """Failures a minute; a run shorter than half a minute counts as that long."""
        return self["failures"] * 60 / max(self.seconds, 30.0)

    @property
    def wide(self) -> bool:
        """Many users, as in spraying."""
        return self["users"] >= MANY_USERS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run is."""

    rule: str
    title: str
    severity: Severity
    confidence: int
    techniques: tuple[str, ...]
    succeeded: bool = False


def score(rows: pa.Table) -> pa.Table:
    """Rows of `features` → findings (`ocsf.schema.FINDING`), in any order of rows."""
    runs = sorted(_runs(rows), key=lambda run: (run.kind, run.key, run["first"]))
    judged = [(run, judge(run)) for run in _told_once(runs)]
    return pa.Table.from_pylist([_finding(run, verdict) for run, verdict in judged], schema=FINDING)


def _told_once(runs: Sequence[Run]) -> list[Run]:
    """The runs without those that others already tell: bursts and what goes on for days."""
    bursts: dict[str, list[Run]] = {}
    for run in runs:
        if run.kind == "burst":
            bursts.setdefault(run.key, []).append(run)
    untold: set[int] = set()
    for run in runs:
        if run.kind != "slow":
            continue
        inside = [b for b in bursts.get(run.key, ()) if run["first"] <= b["first"] <= run["last"]]
        everyday = run["earlier"] + run["successes"] >= run["failures"]
        if everyday or (len(inside) < ONE_BY_ONE and _failures(inside) * 2 >= run["failures"]):
            untold.add(id(run))
        elif len(inside) >= ONE_BY_ONE:
            untold.update(id(burst) for burst in inside if not judge(burst).succeeded)
    return [run for run in runs if id(run) not in untold]


def _failures(runs: Sequence[Run]) -> int:
    return sum(run["failures"] for run in runs)


def judge(run: Run) -> Verdict:
    """What a run of failures means."""
    if run.kind == "spread":
        return _spread(run)
    if run.kind == "local":
        return _local(run)
    technique, rule, title = _attempt(run)
    if run["guessed"] and (run["failed_before"] or run.wide):
        severity, confidence = _success(run)
        if severity > Severity.LOW:
            named = (*technique, "T1078")
            title = "Password guessed: a logon succeeded after many failures"
            return Verdict("guessing.success", title, severity, confidence, named, succeeded=True)
    severity, confidence = Severity.LOW, 60 if run["earlier"] == 0 else 30
    if _inside(run.key) and run["earlier"] == 0 and (run.wide or run["failures"] >= MANY):
        severity = Severity.MEDIUM
    return Verdict(rule, title, severity, confidence, technique)


def _attempt(run: Run) -> tuple[tuple[str, ...], str, str]:
    what = "Password {} over hours or days" if run.kind == "slow" else "Password {}"
    each = run["failures"] / max(run["users"], 1)
    if run.wide and each <= 10:
        # One try for each of many users is what stolen lists of passwords look like, too.
        stuffed = run["users"] >= MANY and each <= 1.5
        technique = ("T1110.003", "T1110.004") if stuffed else ("T1110.003",)
        return technique, "guessing.spray", f"{what.format('spraying')}: few tries for many users"
    return ("T1110.001",), "guessing.brute", f"{what.format('guessing')}: many tries for few users"


def _success(run: Run) -> tuple[Severity, int]:
    """How bad a success after failures is, by who succeeded and how the failures came."""
    fast = run.kind == "burst" and (run.pace > FAST or run["failures"] >= NO_HUMAN)
    if run["earlier"] == 0:
        if fast or run.wide or run["failures"] >= MANY:
            return Severity.HIGH, 85
        return Severity.MEDIUM, 50
    if fast and run["failed_before"] >= MANY:
        # The source is known, but this was no human at the keyboard.
        return Severity.HIGH, 65
    if run.wide and run["strange"]:
        return Severity.MEDIUM, 50
    return Severity.LOW, 20


def _spread(run: Run) -> Verdict:
    title = "Password guessing by many sources for one user"
    if run["tried"]:
        named = ("T1110.001", "T1078")
        title = "A source that was guessing with many others logged on"
        return Verdict("guessing.spread", title, Severity.MEDIUM, 50, named, succeeded=True)
    return Verdict("guessing.spread", title, Severity.LOW, 60, ("T1110.001",))


def _local(run: Run) -> Verdict:
    title = "Password guessing on the host itself"
    if run["guessed"] and run["failed_before"]:
        named = ("T1110.001", "T1078")
        return Verdict("guessing.local", title, Severity.MEDIUM, 40, named, succeeded=True)
    return Verdict("guessing.local", title, Severity.LOW, 50, ("T1110.001",))


def _runs(rows: pa.Table) -> Iterator[Run]:
    grouped: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        grouped.setdefault((row["kind"], row["key"], row["run"]), []).append(row)
    for (kind, key, _), attempts in grouped.items():
        measures = {name: attempts[0][name] or 0 for name in MEASURES}
        attempts.sort(key=lambda row: (row["_time"], row["ok"], row["_id"]))
        yield Run(kind, key, measures, attempts)


def _inside(key: str) -> bool:
    """Whether a source is an address of a private network, or a plain host name."""
    try:
        address = ip_address(key)
    except ValueError:
        return "." not in key
    # Not `is_private`: that also means addresses for documentation and other special uses.
    return any(address in network for network in _PRIVATE if network.version == address.version)


def _finding(run: Run, verdict: Verdict) -> dict[str, Any]:
    shapes = {row["_shape"] for row in run.attempts}
    first = next(row["_id"] for row in run.attempts if not row["ok"])
    name = hashlib.sha256("\x1f".join((run.kind, run.key, first)).encode("utf-8")).hexdigest()
    end = max(run["last"], run["guessed_at"]) if verdict.succeeded else run["last"]
    return {
        "uid": f"{ID}:{run.kind}:{name[:24]}",
        "detector": ID,
        "version": VERSION,
        "rule_uid": verdict.rule,
        "title": verdict.title,
        "author": "labrys",
        "time_start": run["first"],
        "time_end": end,
        "severity_id": int(verdict.severity),
        "confidence": verdict.confidence,
        "techniques": list(verdict.techniques),
        "tactics": ["credential-access", *(["initial-access"] if verdict.succeeded else [])],
        "entities": _entities(run, verdict),
        "evidence": [{name: row[name] for name in _EVIDENCE} for row in run.attempts],
        "reasons": _reasons(run, verdict),
        "shape": shapes.pop() if len(shapes) == 1 else None,
        "advice": _ADVICE["success" if verdict.succeeded else "attempt"],
    }


_EVIDENCE: Final = ("_id", "_source", "_offset")


def _entities(run: Run, verdict: Verdict) -> list[dict[str, str]]:
    """Sources, users and hosts of the samples; who succeeded comes first."""
    named: dict[tuple[str, str], dict[str, str]] = {}
    count = {"user": 0, "source": 0, "host": 0}
    late = verdict.succeeded
    for row in sorted(run.attempts, key=lambda row: -row["ok"] if late else row["ok"]):
        if row["ok"] and not (late and row["_time"] >= run["guessed_at"]):
            continue
        for part, role in (("user", "target"), ("source", "source"), ("host", "destination")):
            value = row[part]
            kind = _source_type(value or "") if part == "source" else part
            if value and (kind, value) not in named and count[part] < MOST_ENTITIES:
                count[part] += 1
                named[kind, value] = {"type": kind, "value": value, "role": role}
    return list(named.values())


def _source_type(source: str) -> str:
    try:
        ip_address(source)
    except ValueError:
        return "host"
    return "ip"


def _reasons(run: Run, verdict: Verdict) -> list[dict[str, Any]]:
    found: list[tuple[str, str, float]] = []
    if verdict.succeeded:
        row = next((r for r in run.attempts if r["ok"] and r["_time"] >= run["guessed_at"]), None)
        who = f" as {row['user']}" if row else ""
        wait = (run["guessed_at"] - run["first"]) / 1000
        found.append(("success", f"a logon{who}, {wait:.0f} s after the first failure", 1.0))
        found.append(("earlier successes", str(run["earlier"]), 0.6))
    found += [
        ("failures", str(run["failures"]), 0.8),
        ("users", str(run["users"]), 0.4),
        ("sources", str(run["sources"]), 0.8 if run.kind == "spread" else 0.0),
        ("hosts", str(run["hosts"]), 0.0),
        ("seconds", f"{run.seconds:.0f}", 0.2),
        ("failures a minute", f"{run.pace:.1f}", 0.2),
    ]
    found.sort(key=lambda reason: -reason[2])
    return [{"feature": name, "value": value, "weight": weight} for name, value, weight in found]

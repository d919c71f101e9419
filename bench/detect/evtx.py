"""EVTX sets: attack collections, SigmaHQ's regression files, benign and attacked Windows hosts."""

import csv
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench.data import unpacked
from bench.detect.figures import Figure
from bench.detect.found import HIGH, LEVELS, MEDIUM, Found
from bench.detect.labelled import Labelled, data, right_technique

_COLLECTIONS: Final = ("evtx_attack_samples", "evtx_to_mitre")
_TRUE_COUNTS: Final = {
    "8fbf3271": 3,
    "0b9ad457": 3,
    "45e112d0": 3,
    "c7dcacd0": 2,
    "5bac7a56": 2,
    "7124aebe": 2,
}
"""Where the published number of matches is wrong or missing: what reading event by event gives."""


def _attacks(folder: Path) -> None:
    for name in _COLLECTIONS:
        unpacked(name, folder)
    for row in _labels():
        if row["duplicate"] == "1":
            (folder / _key(row)).unlink(missing_ok=True)


def _labels() -> list[dict[str, str]]:
    with data("evtx_labels.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _key(row: dict[str, str]) -> str:
    return f"{row['archive'].partition('.')[0]}/{row['file']}"


def _attacks_found(found: Found, _: Path) -> Iterator[Figure]:
    rows = [row for row in _labels() if row["duplicate"] != "1"]
    missed = [_key(row) for row in rows if not found.serious(_key(row))]
    yield Figure(
        "files with a medium+ finding",
        len(rows) - len(missed),
        len(rows),
        unit="distinct files",
        target="≥ 95 %; ≥ 85 % without public",
        against=tuple(missed),
    )
    strong = sum(any(each.severity >= HIGH for each in found.serious(_key(row))) for row in rows)
    yield Figure("files with a high+ finding", strong, len(rows), unit="distinct files")
    for name in _COLLECTIONS:
        part = [row for row in rows if row["archive"].startswith(name + ".")]
        hit = sum(bool(found.serious(_key(row))) for row in part)
        yield Figure(f"  {name}", hit, len(part), unit="distinct files")
    for tactic in sorted({row["tactic"] for row in rows}):
        part = [row for row in rows if row["tactic"] == tactic]
        hit = sum(bool(found.serious(_key(row))) for row in part)
        yield Figure(f"  {tactic or 'no tactic'}", hit, len(part), unit="distinct files")
    yield from _techniques(found, [row for row in rows if row["technique"]])
    across = sum(each.severity >= MEDIUM and len(each.files) > 1 for each in found.findings)
    yield Figure("medium+ findings across files, not counted", across)


def _techniques(found: Found, rows: list[dict[str, str]]) -> Iterator[Figure]:
    for least, name in ((MEDIUM, "medium+"), (1, "any severity")):
        wrong = []
        for row in rows:
            mine = [
                each
                for each in found.of(_key(row))
                if each.severity >= least and not each.only_rarity
            ]
            if not right_technique(mine, [row["technique"]]):
                said = sorted({own for each in mine for own in each.techniques})
                wrong.append(f"{row['technique']} {_key(row)}: {' '.join(said) or 'nothing'}")
        yield Figure(
            f"right technique, {name}",
            len(rows) - len(wrong),
            len(rows),
            unit="distinct files with a technique",
            target="≥ 60 %" if least == MEDIUM else "",
            against=tuple(wrong) if least == MEDIUM else (),
        )


def _archive(name: str, folder: Path) -> None:
    unpacked(name, folder)


def _regression_found(found: Found, _: Path) -> Iterator[Figure]:
    with data("sigma_regression.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    wrong = []
    for row in rows:
        fired = Counter(each.rule for each in found.of(f"sigma_regression/{row['file']}"))
        for uid in row["rule_ids"].replace(";", " ").replace(",", " ").split():
            wanted = _TRUE_COUNTS.get(uid[:8]) or int(row["match_count"] or 1)
            if fired[uid] != wanted:
                wrong.append(f"{row['file']}: {uid} {fired[uid]} times, not {wanted}")
    yield Figure(
        "tests whose rules fire as often as they must",
        len(rows) - len({each.partition(":")[0] for each in wrong}),
        len(rows),
        unit="tests",
        target="all (with public)",
        against=tuple(wrong),
    )


def host_figures(found: Found, days: float, unit: str) -> Iterator[Figure]:
    """What would have been shown to an analyst, by severity and per host-day."""
    levels = Counter(each.severity for each in found.findings)
    for level in (5, 4, 3):
        yield Figure(
            f"{LEVELS[level]} findings",
            levels[level],
            unit=unit,
            target="0" if level >= HIGH else "",
            against=_rules(found, level),
        )
    low = levels[1] + levels[2]
    yield Figure("low findings per host-day", low / days, unit=unit)
    yield Figure(
        "incidents",
        len(found.incidents),
        unit=unit,
        target="≤ 1 per host-week",
        against=tuple(each.title for each in found.incidents),
    )
    yield Figure(
        "folded lines", len(found.folded), unit=unit, target="≤ 5", against=tuple(found.folded)
    )


def _rules(found: Found, level: int) -> tuple[str, ...]:
    counts = Counter(
        (each.title, each.detector) for each in found.findings if each.severity == level
    )
    return tuple(f"{count} × {title} ({name})" for (title, name), count in counts.most_common())


def _benign(found: Found, _: Path) -> Iterator[Figure]:
    return host_figures(found, 7, "1 host, 7 host-days")


def _attacked(found: Found, _: Path) -> Iterator[Figure]:
    serious = {each.uid for each in found.findings if each.severity >= MEDIUM}
    yield Figure("medium+ findings", len(serious), unit="1 host, 2 host-days")
    held = [len(serious & incident.findings) for incident in found.incidents]
    yield Figure(
        "medium+ findings inside incident 1",
        held[0] if held else 0,
        len(serious),
        unit="findings",
        target="≥ 90 %",
        against=tuple(
            f"incident {incident.rank}: {incident.title} ({count})"
            for incident, count in zip(found.incidents[1:], held[1:], strict=True)
        ),
    )
    yield Figure("incidents", len(found.incidents), unit="1 host", target="1")
    best = max(range(len(held)), key=lambda at: held[at], default=None)
    yield Figure(
        "rank of the incident that holds most",
        None if best is None else found.incidents[best].rank,
        target="1",
    )
    yield Figure("folded lines", len(found.folded), unit="1 host")


def _insider(found: Found, _: Path) -> Iterator[Figure]:
    levels = Counter(each.severity for each in found.findings)
    for level in (5, 4, 3, 2, 1):
        yield Figure(
            f"{LEVELS[level]} findings",
            levels[level],
            unit="1 host, 16 host-days",
            against=_rules(found, level) if level >= MEDIUM else (),
        )
    shown = tuple(f"{each.rank}: {each.title} ({len(each.findings)})" for each in found.incidents)
    yield Figure("incidents", len(found.incidents), unit="1 host", against=shown)
    yield Figure("folded lines", len(found.folded), unit="1 host")


ATTACK_EVTX: Final = Labelled(
    "attack_evtx",
    "each file counts once: does it hold a finding of medium or more whose evidence is all in it",
    "labels are per file, not per event, and most events of a file are not the attack; some "
    "'attacks' are single actions of an administrator; 3 copies are left out; files "
    "never met, so correlations are counted in each alone; right technique: equal, or parent and sub-technique",
    _attacks,
    _attacks_found,
    alone=True,
)
REGRESSION: Final = Labelled(
    "sigma_regression",
    "each test counts once: do its rules fire exactly as often as they must on its file",
    "positives only; six published match counts are wrong or missing and replaced",
    partial(_archive, "sigma_regression"),
    _regression_found,
)
BENIGN: Final = Labelled(
    "benign_win10",
    "everything found is a false alarm",
    "one host, read as benign from its purpose; no Sysmon and about 50 events 4688, so it bounds "
    "rules of built-in logs only",
    partial(_archive, "host_Win10_RathbunVM"),
    _benign,
    folds=True,
)
SIMULATED: Final = Labelled(
    "apt_simulator",
    "how many of the findings of medium or more are in the first incident",
    "a simulator's steps, on one host; findings are not labelled: all of medium or more count as "
    "true",
    partial(_archive, "host_Win10_APTSimulatorVM"),
    _attacked,
    folds=True,
)
INSIDER: Final = Labelled(
    "insider",
    "counts only: events are not labelled",
    "one host of a made-up case",
    partial(_archive, "host_Win10_BelkasoftCTF_InsiderThreat"),
    _insider,
    folds=True,
)

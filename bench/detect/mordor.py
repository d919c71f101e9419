"""Recorded attacks with the noise of their hosts, a technique for each file (Mordor)."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.detect.figures import Figure
from bench.detect.found import Finding, Found
from bench.detect.labelled import Labelled, data, related, right_technique, titles


def _prepare(folder: Path) -> None:
    for row in _labels():
        shutil.copyfile(data("mordor", row["file"]), folder / row["file"])


def _labels() -> list[dict[str, str]]:
    with data("mordor", "labels.csv").open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if row["duplicate"] != "1"]


def _techniques(row: dict[str, str]) -> list[str]:
    return [uid for uid in row["techniques"].split(";") if uid and uid != "T0000"]


def _measure(found: Found, _: Path) -> Iterator[Figure]:
    rows = _labels()
    missed = [row["file"] for row in rows if not found.serious(row["file"])]
    yield Figure(
        "files with a medium+ finding",
        len(rows) - len(missed),
        len(rows),
        unit="files",
        against=tuple(missed),
    )
    labelled = [row for row in rows if _techniques(row)]
    yield from _found_techniques(found, labelled)
    yield from _background(found, labelled)


def _found_techniques(found: Found, rows: list[dict[str, str]]) -> Iterator[Figure]:
    for least, name in ((3, "medium+"), (1, "any severity")):
        wrong = []
        for row in rows:
            mine = [
                each
                for each in found.of(row["file"])
                if each.severity >= least and not each.only_rarity
            ]
            if not right_technique(mine, _techniques(row)):
                said = sorted({own for each in mine for own in each.techniques})
                wrong.append(f"{row['techniques']} {row['file']}: {' '.join(said) or 'nothing'}")
        yield Figure(
            f"labelled technique found, {name}",
            len(rows) - len(wrong),
            len(rows),
            unit="files with a technique",
            target="≥ 85 %" if least == 3 else "",
            against=tuple(wrong) if least == 3 else (),
        )


def _background(found: Found, rows: list[dict[str, str]]) -> Iterator[Figure]:
    """Findings of medium or more that do not name the label: an upper bound of false ones."""
    unlike = {row["file"]: _unlike(found, row) for row in rows}
    total = sum(map(len, unlike.values()))
    kinds = sum(len({each.rule for each in mine}) for mine in unlike.values())
    yield Figure(
        "medium+ findings of other techniques, per file",
        total / len(rows),
        unit=f"mean of {len(rows)} files",
        target="≤ 2 false ones",
        against=tuple(
            f"{file}: {len(mine)}: {titles(mine)}" for file, mine in unlike.items() if mine
        ),
    )
    yield Figure(
        "distinct rules among them, per file", kinds / len(rows), unit=f"mean of {len(rows)} files"
    )
    other = {
        row["file"]: [
            each
            for each in unlike[row["file"]]
            if not set(each.tactics) & set(row["tactics"].split(";"))
        ]
        for row in rows
    }
    yield Figure(
        "medium+ findings of other tactics, per file",
        sum(map(len, other.values())) / len(rows),
        unit=f"mean of {len(rows)} files",
    )


def _unlike(found: Found, row: dict[str, str]) -> list[Finding]:
    labels = [uid.partition(".")[0] for uid in _techniques(row)]
    return [
        each
        for each in found.serious(row["file"])
        if not any(related(own, label) for own in each.techniques for label in labels)
    ]


MORDOR: Final = Labelled(
    "mordor",
    "each file counts once: is the technique it is labelled with among its findings",
    "labels are per file; no event is marked, so 'background' is approximated: findings whose "
    "techniques (or tactics) the label does not name; most of them are other steps of the same "
    "attack, such as the launcher of the tool, so they bound false ones from above; 10 files have "
    "no technique; all files are one case, what spans files is not counted",
    _prepare,
    _measure,
)

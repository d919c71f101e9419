"""A labelled set: where its evidence comes from, what its labels are, what is counted."""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.data import ENDPOINT, Skipped
from bench.detect.figures import Figure
from bench.detect.found import Finding, Found

Measure = Callable[[Found, Path], Iterable[Figure]]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One set.

    `prepare` puts its evidence into a folder (raises Skipped where the data is not there);
    `version` goes up when it would put something else there. `measure` is given what was found and
    that folder; where the set `folds`, also the lines that a person reads of what is in no
    incident; where it is `several` cases, each folder in it is one, and what was found is in
    `Found.cases`; `alone` says that its files never met (see `bench.detect.alone`). `counts` says what is counted, `traps` what the data does not tell.
    """

    name: str
    counts: str
    traps: str
    prepare: Callable[[Path], None]
    measure: Measure
    version: str = "1"
    folds: bool = False
    several: bool = False
    alone: bool = False


def data(*parts: str) -> Path:
    """A file of the shared data; Skipped where it is not there."""
    path = ENDPOINT.joinpath(*parts)
    if not path.exists():
        raise Skipped(f"{'/'.join(parts)} is not in ../shared/data/endpoint beside the checkout")
    return path


def once(folder: Path, version: str, prepare: Callable[[Path], None]) -> bool:
    """Fill `folder` unless an earlier run did, with the same version; whether it did so now."""
    stamp = folder.with_name(folder.name + ".version")
    if stamp.is_file() and stamp.read_text() == version and folder.is_dir():
        return False
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    prepare(folder)
    stamp.write_text(version)
    return True


def related(found: str, label: str) -> bool:
    """Whether two techniques are the same, or one is a sub-technique of the other."""
    return found == label or found.startswith(label + ".") or label.startswith(found + ".")


def right_technique(findings: Iterable[Finding], labels: Iterable[str]) -> bool:
    """Whether one of the findings names one of the techniques."""
    labels = list(labels)
    return any(
        related(own, label) for each in findings for own in each.techniques for label in labels
    )


def titles(findings: Iterable[Finding]) -> str:
    """What was found, in one short line."""
    return "; ".join(dict.fromkeys(each.title for each in findings))

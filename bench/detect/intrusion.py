"""An intrusion into the made-up office: is it one incident, the first, and nothing else in it?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.benign.intrusion import STEPS, once
from bench.benign.make import write
from bench.detect.figures import Figure
from bench.detect.found import MEDIUM, Found, Incident
from bench.detect.labelled import Labelled
from bench.detect.ordinary import version

_DAYS: Final = 7
_SEED: Final = 2


def _prepare(folder: Path) -> None:
    marks = write(folder, days=_DAYS, seed=_SEED, attacked=once())
    _labels(folder).write_text(json.dumps(marks))


def _labels(folder: Path) -> Path:
    return folder.with_name("labels.json")


def _measure(found: Found, folder: Path) -> Iterator[Figure]:
    marks: dict[str, dict[str, str]] = json.loads(_labels(folder).read_text())
    steps = {(file, int(at)): step for file, held in marks.items() for at, step in held.items()}
    true = {
        each.uid: {steps[place] for place in each.places if place in steps}
        for each in found.findings
    }
    mine = [(one, {uid for uid in one.findings if true.get(uid)}) for one in found.incidents]
    best = max(mine, key=lambda pair: len(pair[1]), default=None)
    serious = {each.uid for each in found.findings if each.severity >= MEDIUM and true[each.uid]}
    unit = "1 intrusion of 11 steps on 2 of 13 made-up hosts"
    yield Figure("steps with a medium+ finding", *_steps(serious, true), unit=unit)
    yield Figure("steps with any finding", *_steps(set(true), true), unit=unit)
    if best is None:
        yield Figure("rank of the incident that holds most of it", None, target="1", unit=unit)
        return
    incident, held = best
    yield Figure("rank of the incident that holds most of it", incident.rank, target="1", unit=unit)
    yield Figure(
        "its steps in that incident", *_steps(held, true), unit=unit, against=_missed(held, true)
    )
    yield Figure(
        "its medium+ findings in that incident", len(held & serious), len(serious), target="≥ 90 %"
    )
    yield _pollution(found, incident, held)
    shown = tuple(f"{each.rank}: {each.title} ({len(each.findings)})" for each in found.incidents)
    yield Figure("incidents", len(found.incidents), unit=unit, against=shown)
    yield Figure("incidents with some of it", sum(bool(held) for _, held in mine), target="1")


def _steps(uids: set[str], true: dict[str, set[str]]) -> tuple[int, int]:
    return len({step for uid in uids for step in true.get(uid, ())}), len(STEPS)


def _missed(uids: set[str], true: dict[str, set[str]]) -> tuple[str, ...]:
    seen = {step for uid in uids for step in true.get(uid, ())}
    return tuple(step for step in STEPS if step not in seen)


def _pollution(found: Found, incident: Incident, held: set[str]) -> Figure:
    titles = {each.uid: each.title for each in found.findings}
    strange = sorted(incident.findings - held)
    return Figure(
        "findings in it that are not of the intrusion",
        len(strange),
        len(incident.findings),
        unit="findings",
        against=tuple(sorted({titles[uid] for uid in strange if uid in titles})),
    )


INTRUSION: Final = Labelled(
    "intrusion",
    "where the incident that holds most of the intrusion ranks, what is in it, and what else",
    "made up by us, textbook steps in a made-up office that we made too: it shows what joining and "
    "rarity do when every event is labelled, not how attacks look elsewhere",
    _prepare,
    _measure,
    version=version(),
)

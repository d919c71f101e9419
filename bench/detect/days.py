"""An intrusion over several days: is it still one incident, the first, and little else in it?"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bench.benign.intrusion import STEPS, Days, again, spread
from bench.benign.make import write
from bench.detect.figures import Figure
from bench.detect.found import MEDIUM, Found
from bench.detect.labelled import Labelled
from bench.detect.ordinary import version

_SEEDS: Final = (2, 3, 4, 5, 6)
_CASES: Final[dict[str, tuple[int, Callable[[int], Days]]]] = {
    "spread over 3 days": (7, lambda seed: spread(3, seed, 3)),
    "spread over 5 days": (14, lambda seed: spread(5, seed)),
    "spread over 10 days": (14, lambda seed: spread(10, seed)),
    "all of it on 3 days": (7, lambda seed: again(3, 3)),
    "all of it on 5 days": (14, lambda seed: again(5)),
}
"""What is done, in an office of how many days: the seed makes the office and draws the days."""


def _prepare(folder: Path) -> None:
    for number, (days, plan) in enumerate(_CASES.values()):
        for seed in _SEEDS:
            name = _name(number, seed)
            marks = write(folder / name, days=days, seed=seed, attacked=plan(seed))
            (folder / f"{name}.json").write_text(json.dumps(marks))


def _name(number: int, seed: int) -> str:
    return f"{number}-{seed}"


def _measure(found: Found, folder: Path) -> Iterator[Figure]:
    for number, kind in enumerate(_CASES):
        cases = [
            _judged(found.cases[name], folder / f"{name}.json")
            for name in (_name(number, seed) for seed in _SEEDS)
        ]
        unit = f"steps of {len(cases)} intrusions, each in another made-up office"
        steps, serious, of, strange, size, pieces = (sum(each) for each in zip(*cases, strict=True))
        yield Figure(
            f"{kind}: steps in incident 1", steps, len(STEPS) * len(cases), unit, target="all"
        )
        yield Figure(f"  {kind}: its medium+ findings there", serious, of, "findings", "≥ 90 %")
        yield Figure(f"  {kind}: others' findings there", strange, size, "findings")
        yield Figure(
            f"  {kind}: incidents with some of it", pieces, None, f"{len(cases)} cases", "1 each"
        )


def _judged(found: Found, labels: Path) -> tuple[int, int, int, int, int, int]:
    """Of one case: steps and serious findings in incident 1, all such findings, what else is in it
    of how many, and how many incidents hold some of the intrusion."""
    marks: dict[str, dict[str, str]] = json.loads(labels.read_text())
    steps = {(file, int(at)): step for file, held in marks.items() for at, step in held.items()}
    true = {
        each.uid: held
        for each in found.findings
        if (held := {steps[place] for place in each.places if place in steps})
    }
    serious = {each.uid for each in found.findings if each.severity >= MEDIUM} & true.keys()
    first = found.incidents[0].findings if found.incidents else frozenset()
    done = {step for uid in first & true.keys() for step in true[uid]}
    pieces = sum(bool(one.findings & true.keys()) for one in found.incidents)
    others = len(first - true.keys())
    return len(done), len(serious & first), len(serious), others, len(first), pieces


DAYS: Final = Labelled(
    "intrusion_days",
    "the intrusion of eleven steps, slowly or again and again, in several made-up offices: how much "
    "of it is in incident 1, and what else",
    "made up by us, like the office: one intrusion with one implant, whose days are drawn; its "
    "program runs again each day, which ties the days more than a careful intruder would",
    _prepare,
    _measure,
    version=version(),
    several=True,
)

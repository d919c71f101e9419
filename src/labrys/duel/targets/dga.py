"""Generated names as a target: a bot's day of questions, changed as `detect/dga/threat.py` says.

The day goes through the detector's own scoring of rows. It holds as an attack while the bot still asks
for at least as many names as it needs to find its master: a fifth of what it asked for at first, and
never fewer than three.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from labrys.detect.dga.model import model
from labrys.detect.dga.score import score
from labrys.detect.dga.threat import ADD_ONLY, COST, MUTATIONS
from labrys.duel.target import Change, Draw, Floats, Target
from labrys.ocsf.schema import Severity

Names = tuple[str, ...]

_LETTERS: Final = np.array(list("abcdefghijklmnopqrstuvwxyz"))
_DIGITS: Final = np.array(list("abcdefghijklmnopqrstuvwxyz0123456789"))
_HEX: Final = np.array(list("0123456789abcdef"))
_NAMES: Final = 40
_LEAST: Final = 3
_SHARE: Final = 0.2
_STEP_MS: Final = 20_000
_BEGIN: Final = 1_767_225_600_000


def target(attacks: int, seed: int) -> Target:
    """Days of generators of our own (letters, letters and digits, hexadecimal; 8 to 20 long)."""
    draw = np.random.default_rng(seed)
    days: list[Names] = []
    for _ in range(10 * attacks):
        alphabet = (_LETTERS, _DIGITS, _HEX)[int(draw.integers(3))]
        length = int(draw.integers(8, 21))
        made = tuple("".join(draw.choice(alphabet, length)) for _ in range(_NAMES))
        if _scores([made])[0] >= Severity.MEDIUM:
            days.append(made)
        if len(days) == attacks:
            break
    return Target(
        name="dga",
        version="1",
        seeds=days,
        changes=[
            *(Change(name, _change(one), COST[name], "hard") for name, one in MUTATIONS.items()),
            *(Change(name, _change(one), 0, "add_only") for name, one in ADD_ONLY.items()),
        ],
        score=_scores,
        threshold=float(Severity.MEDIUM),
        show=" ".join,
        holds=lambda before, after: len(after) >= max(_LEAST, int(_SHARE * len(before))),
        guarantee=(
            "asking for more names that do not exist never lowers a day's severity (counts alone "
            "decide; property test in detect/dga)"
        ),
        notes=[f"a day of {_NAMES} names, none of which exists; names by generators of our own"],
    )


def _change(rewrite: Callable[[Sequence[str], Draw], list[str]]) -> Callable[[Names, Draw], Names]:
    return lambda names, draw: tuple(rewrite(names, draw))


def _scores(days: Sequence[Names]) -> Floats:
    """The severity of each day; within one severity, how near the next the counts come."""
    severity = np.zeros(len(days))
    rows = [
        {
            "host": str(number), "day": _BEGIN // 86_400_000, "name": f"{name}.com", "dead": 1,
            "alive": 0, "first": _BEGIN + place * _STEP_MS, "last": _BEGIN + place * _STEP_MS,
            "_id": f"{number}-{place}", "_source": "duel", "_offset": place, "_shape": "duel.dns",
        }
        for number, names in enumerate(days)
        for place, name in enumerate(names)
    ]  # fmt: skip
    if rows:
        found = score(pa.Table.from_pylist(rows)).select(["severity_id", "entities"]).to_pylist()
        for each in found:
            number = int(each["entities"][0]["value"])
            severity[number] = max(severity[number], each["severity_id"])
    labels = [pa.array(list(names), pa.string()) for names in days]
    held = model()
    nearness: Floats = np.array([_near(held.margins(each), held.limits["low"]) for each in labels])
    return severity + nearness


def _near(margins: Floats, low: float) -> float:
    """Below 1: how many names look generated, squeezed."""
    odds = 1 / (1 + np.exp(-(margins - low)))
    count = float(odds.sum())
    return 0.99 * count / (count + 10)

"""Command lines in disguise as a target, changed as `detect/evasion/threat.py` says; never executed.

A line is judged as the detector judges it: the score of its canonical form, and how surely it hides.
It is detected where that bears out a rule that the line escapes, or is beyond doubt by itself. A
disguise is taken off by the shell, so a line holds as an attack while disguises were put on in an order
in which shells take them off again: other spellings first, then one inside words, then one around
all. What no shell undoes (letters of other alphabets) is no change that runs, and is left out.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from labrys.detect.evasion.canon import canonical
from labrys.detect.evasion.score import model, scores
from labrys.detect.evasion.threat import ADD_ONLY, COST, WINDOWS, Rewrite
from labrys.detect.evasion.train_lines import attacks as templates
from labrys.detect.evasion.train_lines import filled
from labrys.duel.target import Change, Draw, Floats, Target

_SPELT: Final = (
    *("option signs", "blanks", "detours", "doubled", "short names", "abbreviated", "reordered"),
    *("renamed", "separators", "needless quotes"),
)
_INSIDE: Final = ("carets", "quotes", "environment", "set and call", "backticks")
_AROUND: Final = ("glued", "formatted", "character codes", "character array", "encoded")
_RANK: Final = dict.fromkeys(_SPELT, 1) | dict.fromkeys(_INSIDE, 2) | dict.fromkeys(_AROUND, 3)
_BEHIND: Final = 4
_ONCE: Final = 2
"""From this rank on, a disguise can be put on once."""
_LONGEST: Final = 8_191
"""What cmd.exe takes (Microsoft, "Command prompt line string limitation")."""


class Line(NamedTuple):
    """A command line, and the rank of the last disguise that was put on."""

    text: str
    rank: int = 0


def target(attacks: int, seed: int) -> Target:
    """Lines of our templates of attacks on Windows that the model detects without a disguise."""
    draw = np.random.default_rng(seed)
    found = [one for one in templates() if one.system != "linux"]
    made = [filled(found[at], draw) for _ in range(4) for at in draw.permutation(len(found))]
    lines = [Line(text) for text in dict.fromkeys(made)]
    told = _scores(lines)
    seeds = [line for line, score in zip(lines, told.tolist(), strict=True) if score >= 1.0]
    changes = [
        Change(name, _change(WINDOWS[name], rank), COST[name], "free")
        for name, rank in _RANK.items()
    ]
    return Target(
        name="evasion",
        version=model().version,
        seeds=seeds[:attacks],
        changes=[
            *changes,
            *(Change(name, _change(one, _BEHIND), 0, "add_only") for name, one in ADD_ONLY.items()),
        ],
        score=_scores,
        threshold=1.0,
        show=lambda line: line.text,
        holds=lambda _, after: 0 < len(after.text) <= _LONGEST,
        guarantee=(
            "words and commands behind a line never lower its score: no weight is below zero, and only "
            "the strongest words count (property test)"
        ),
        notes=[
            f"{len(seeds)} of {len(lines)} lines are detected as they are; the templates are those that "
            "the model learnt from, the disguises but three are not",
        ],
    )


def _change(rewrite: Rewrite, rank: int) -> Callable[[Line, Draw], Line]:
    """A rewriting that leaves alone what it would break."""

    def apply(line: Line, draw: Draw) -> Line:
        if rank < line.rank or (rank == line.rank and _ONCE <= rank < _BEHIND):
            return line
        made = rewrite(line.text, draw)
        return Line(made, rank) if made != line.text else line

    return apply


def _scores(lines: Sequence[Line]) -> Floats:
    """At least 1 where a line bears out a rule that it escapes, or hides beyond doubt."""
    held = model()
    seen = [canonical(line.text, "windows") for line in lines]
    told = scores(pa.array([one.text for one in seen], pa.string()), held.weights) / held.unlike
    made: Floats = np.maximum(told, [one.strength for one in seen])
    return made

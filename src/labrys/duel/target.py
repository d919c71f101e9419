"""What is attacked: attacks to begin with, ways to change them, and the model's answer.

A change acts on the thing itself (a message, a list of names, a row of numbers), never on features
behind the model's back; the answer comes from the same code that detects. An attack that stops being
one is no win: `holds` decides that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Draw = np.random.Generator
Thing = Any
"""What an attack is, for its target: text, bytes, names, numbers. Never changed in place."""
Access = Literal["score", "label"]

COSTS: Final = {0: "nothing", 1: "some work, or some of the effect", 2: "much of the effect"}


@dataclass(frozen=True, slots=True)
class Change:
    """One way to change an attack; `cost` 0 to 2 (`COSTS`), `reach` as `model.feature.Reach` says."""

    name: str
    apply: Callable[[Thing, Draw], Thing]
    cost: int = 0
    reach: str = "hard"


@dataclass(frozen=True, slots=True)
class Target:
    """A model under attack.

    `score(things)` gives a number for each, the higher the more suspicious; what is at least
    `threshold` is detected. `seeds` are attacks that are detected as they are. `guarantee` says in
    words what no change can do, and why.
    """

    name: str
    version: str
    seeds: Sequence[Thing]
    changes: Sequence[Change]
    score: Callable[[Sequence[Thing]], Floats]
    threshold: float
    show: Callable[[Thing], str]
    holds: Callable[[Thing, Thing], bool] = lambda _before, _after: True
    guarantee: str = ""
    notes: Sequence[str] = ()
    about: Mapping[str, str] = field(default_factory=dict)


class Spent(Exception):
    """The budget of questions is used up."""


class Oracle:
    """The model as the attacker meets it: so many questions, and a score or only yes or no."""

    def __init__(self, target: Target, budget: int, access: Access) -> None:
        self._target, self._access = target, access
        self.left = budget
        self.asked = 0

    def __call__(self, things: Sequence[Thing]) -> Floats:
        """The answers, above or at 0 where detected; of a label only 1 and -1. Raises `Spent`."""
        if self.left <= 0:
            raise Spent
        things = things[: self.left]
        self.left -= len(things)
        self.asked += len(things)
        margin = self._target.score(things) - self._target.threshold
        if self._access == "label":
            return np.where(margin >= 0, 1.0, -1.0)
        return margin

"""What a feature is, and what an attacker can do to it: the contract that training is bound by.

From these declarations training leaves out what is free and makes the model monotone in what is
add-only, so that no amount of adding lowers a score (`docs/add-a-detector.md`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Reach = Literal["add_only", "free", "hard"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about one thing.

    `reach`: an attacker can only raise it at will (`add_only`), set it as he likes (`free`), or
    hardly change it without giving up the attack (`hard`). `sign` is the direction in which more of
    it is more suspicious (1), less (-1), or either (0); an add-only feature is always 1 or left out.
    """

    name: str
    what: str
    reach: Reach
    sign: Literal[-1, 0, 1] = 0


def used(features: Sequence[Feature]) -> tuple[Feature, ...]:
    """Those that a model may see: not what is free, nor what only adding could make look better."""
    return tuple(
        each
        for each in features
        if each.reach == "hard" or (each.reach == "add_only" and each.sign == 1)
    )


def constraints(features: Sequence[Feature]) -> list[int]:
    """LightGBM's `monotone_constraints` for features as they stand: 1, 0 or -1 for each.

    Raises ValueError for a feature that `used` would have left out.
    """
    for each in features:
        if each.reach == "free" or (each.reach == "add_only" and each.sign != 1):
            raise ValueError(f"{each.name} is {each.reach}: no model may use it")
    return [each.sign for each in features]

"""What was not read, told once for each reason: a folder of 80 pictures is one thing, not 80."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from labrys.report.summary import Problem

EXAMPLES: Final = 3
"""So many files of one reason are named each on its own; of more, so many as examples."""
_PLACE: Final = re.compile(r" (?:\(first )?at offset \d{1,20}\)?$")
_TIMES: Final = re.compile(r"^\d{1,20} × ")


@dataclass(frozen=True, slots=True)
class Unread:
    """One reason and all that has it."""

    reason: str
    problems: tuple[Problem, ...]

    @property
    def few(self) -> bool:
        """Whether each is said on a line with its reason."""
        return len(self.problems) <= EXAMPLES


def grouped(problems: Sequence[Problem]) -> list[Unread]:
    """The problems by reason without its place and number, in the order of their first ones."""
    found: dict[str, list[Problem]] = {}
    for each in problems:
        found.setdefault(_TIMES.sub("", _PLACE.sub("", each.reason)), []).append(each)
    return [Unread(reason, tuple(of)) for reason, of in found.items()]


def place(problem: Problem) -> str:
    """What `grouped` left out of a problem's reason: its place and how often it was met."""
    times, at = _TIMES.search(problem.reason), _PLACE.search(problem.reason)
    return (f", {times[0].strip()}" if times else "") + (at[0] if at else "")

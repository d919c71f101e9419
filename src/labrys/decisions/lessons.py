"""What verdicts teach: which rules are normal on which hosts, after checks against being misled.

Whoever holds an analyst's keyboard, or has him tired enough, could teach that an attack is normal.
So a lesson only ever lowers a rank, it never hides; critical rules are not learnt as normal at all
(an exception can say so openly); a broad incident is learnt as normal only when two people say so;
and what somebody has judged an attack stays one, whatever is said elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from labrys.decisions.store import Decisions, Verdict

BROAD: Final = 4
"""From so many phases of an attack on, one person's verdict does not teach that it is normal."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """What triage takes from people. `normal` and `attack`: (rule uid, host); `together` and
    `apart`: finding uids; `doubted`: verdicts that taught nothing, and why."""

    normal: frozenset[tuple[str, str]] = frozenset()
    attack: frozenset[tuple[str, str]] = frozenset()
    together: tuple[tuple[str, ...], ...] = ()
    apart: tuple[tuple[str, ...], ...] = ()
    doubted: tuple[tuple[Verdict, str], ...] = ()


def lessons(decisions: Decisions) -> Lessons:
    """The lessons of all decisions; the same whatever order they were made in."""
    attack = _pairs([each for each in decisions.verdicts if each.verdict == "true"])
    denied = [each for each in decisions.verdicts if each.verdict == "false"]
    doubted = []
    believed = []
    for each in denied:
        people = {other.who for other in denied if other.incident == each.incident}
        if each.phases >= BROAD and len(people) < 2:
            doubted.append((each, f"{each.phases} phases of an attack: a second person must agree"))
        elif not each.pairs:
            doubted.append((each, "all of its rules are critical: nothing to learn as normal"))
        elif attack.issuperset(each.pairs):
            doubted.append((each, "the same was judged an attack elsewhere"))
        else:
            believed.append(each)
    return Lessons(
        normal=_pairs(believed) - attack,
        attack=attack,
        together=tuple(each.findings for each in decisions.regroupings if each.kind == "together"),
        apart=tuple(each.findings for each in decisions.regroupings if each.kind == "apart"),
        doubted=tuple(doubted),
    )


def _pairs(verdicts: Sequence[Verdict]) -> frozenset[tuple[str, str]]:
    return frozenset(pair for each in verdicts for pair in each.pairs)

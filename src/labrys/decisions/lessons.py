"""What verdicts teach: which rules are normal on which hosts, after checks against being misled.

Whoever holds an analyst's keyboard, or has him tired enough, could teach that an attack is normal.
So a lesson only ever lowers a rank, it never hides; critical rules are not learnt as normal at all
(an exception can say so openly); and what somebody has judged an attack stays one, whatever is said
elsewhere. Four things one person alone cannot teach; such a verdict is kept, teaches nothing, and
`doubted` says why, until a second person says the same of that incident:

* that an incident of high severity, or of many phases of an attack, is normal;
* anything, by more verdicts in one sitting than anybody can have thought about;
* what together with his other verdicts would make many phases normal at one place.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from labrys.decisions.store import Decisions, Verdict
from labrys.ocsf.schema import Severity

BROAD: Final = 4
"""From so many phases of an attack on, one person's verdict does not teach that it is normal."""
SITTING: Final = 30 * 60_000
"""Verdicts of one person that are no further apart than this (milliseconds) are one sitting."""
MOST: Final = 20
"""So many verdicts of one sitting that something is normal are believed, more are none of them."""


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
    denied = sorted(
        (each for each in decisions.verdicts if each.verdict == "false"),
        key=lambda each: (each.made, each.id),
    )
    doubts = dict(_doubts(denied, attack))
    return Lessons(
        normal=_pairs([each for each in denied if each.id not in doubts]) - attack,
        attack=attack,
        together=tuple(each.findings for each in decisions.regroupings if each.kind == "together"),
        apart=tuple(each.findings for each in decisions.regroupings if each.kind == "apart"),
        doubted=tuple((each, doubts[each.id]) for each in denied if each.id in doubts),
    )


def _doubts(
    denied: Sequence[Verdict], attack: frozenset[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """The ids of verdicts (oldest first) that teach nothing, and why."""
    people = Counter(incident for incident, _ in {(each.incident, each.who) for each in denied})
    crowded = _crowded(denied)
    taught: dict[tuple[str, str], set[str]] = {}
    for each in denied:
        alone = people[each.incident] < 2
        if alone and each.phases >= BROAD:
            yield each.id, f"{each.phases} phases of an attack: a second person must agree"
        elif alone and each.severity >= Severity.HIGH:
            level = Severity(min(each.severity, Severity.CRITICAL)).name.lower()
            yield each.id, f"{level} severity: a second person must agree, or make an exception"
        elif not each.pairs:
            yield each.id, "all of its rules are critical: nothing to learn as normal"
        elif attack.issuperset(each.pairs):
            yield each.id, "the same was judged an attack elsewhere"
        elif alone and each.id in crowded:
            yield (
                each.id,
                f"one of {crowded[each.id]} verdicts in one sitting: a second person must agree",
            )
        elif alone and (place := _too_broad(each, taught)):
            yield (
                each.id,
                (
                    f"with {each.who or 'the same person'}'s other verdicts {BROAD} phases of an attack "
                    f"would be normal on {place or 'one place'}: a second person must agree"
                ),
            )


def _crowded(denied: Sequence[Verdict]) -> dict[str, int]:
    """Verdicts of sittings that were too long, and how many each sitting had."""
    made: dict[str, int] = {}
    for person in {each.who for each in denied}:
        sitting: list[Verdict] = []
        for each in [*(one for one in denied if one.who == person), None]:
            if each is None or (sitting and each.made - sitting[-1].made > SITTING):
                if len(sitting) > MOST:
                    made |= {one.id: len(sitting) for one in sitting}
                sitting = []
            if each is not None:
                sitting.append(each)
    return made


def _too_broad(verdict: Verdict, taught: dict[tuple[str, str], set[str]]) -> str:
    """The first place where this person would have made too many phases normal, one by one; where
    there is none, what the verdict teaches is noted in `taught`."""
    places = sorted({place for _, place in verdict.pairs})
    for place in places:
        if len(taught.get((verdict.who, place), set()) | set(verdict.tactics)) >= BROAD:
            return place
    for place in places:
        taught.setdefault((verdict.who, place), set()).update(verdict.tactics)
    return ""


def _pairs(verdicts: Sequence[Verdict]) -> frozenset[tuple[str, str]]:
    return frozenset(pair for each in verdicts for pair in each.pairs)

"""Orders incidents: how bad, how broad over the kill chain, how unusual for this case, how sure.

The score is the sum of what each distinct rule adds (its hits count once), each further one
less, and of how unusual the weak findings are that made the incident; widened by the number of
tactics, by their following the kill chain in time, by the number of hosts, and by how much these
and the accounts matter (`labrys.triage.assets`); then pressed into 0 to 100. The list of what is
everyday in a case weighs as much as the most serious thing in it.
"""

from bisect import bisect_right
from math import log2
from typing import Final

from labrys.ocsf.schema import Severity
from labrys.triage.chain import order
from labrys.triage.story import Hits, Story
from labrys.triage.unusual import OUTSTANDING

_WEIGHT: Final = {1: 0.5, 2: 2.0, 3: 8.0, 4: 20.0, 5: 40.0}
_FADE: Final = 0.85
_HALF: Final = 60.0
"""A sum this large scores 50."""
_BIT: Final = 0.3
"""What each bit of surprise adds."""
_HABITUAL: Final = (Severity.MEDIUM, Severity.HIGH)
_USUAL: Final = 0.3
"""What is left of the weight of a rule that fires there every day."""


def score(story: Story) -> float:
    """0 to 100, two decimals; the same findings always give the same score."""
    parts = sorted((_part(hit) for hit in story.hits), reverse=True)
    if story.habits:  # its parts have nothing to do with one another, so they add up to nothing
        return round(100 * parts[0] / (parts[0] + _HALF), 2)
    total = sum(part * _FADE**place for place, part in enumerate(parts))
    total += _BIT * story.bits
    phases = len(tactics(story))
    total *= 1 + 0.25 * max(0, phases - 1)
    total *= 1 + 0.05 * max(0, _in_sequence(story) - 1)
    total *= 1 + 0.1 * log2(max(1, story.cast.count("host")))
    total *= _importance(story)
    return round(100 * total / (total + _HALF), 2)


def severity(story: Story) -> int:
    """The worst finding's severity.

    What only breadth or rarity made an incident counts as medium, or as high where it is far
    beyond chance. What is nothing but usual there counts as one level lower, from high to medium
    and from medium to low: it is a habit of the place. What people have judged normal is low.
    """
    worst = max(int(Severity.LOW) if hit.normal else hit.severity for hit in story.hits)
    if story.bits >= OUTSTANDING:
        worst = max(worst, int(Severity.HIGH))
    elif story.lifted:
        worst = max(worst, int(Severity.MEDIUM))
    elif worst in _HABITUAL and all(hit.usual for hit in story.hits if hit.severity == worst):
        worst -= 1
    return worst


def tactics(story: Story) -> set[str]:
    """All tactics of the incident's findings."""
    return {tactic for hit in story.hits for tactic in hit.attack.tactics}


def _importance(story: Story) -> float:
    """How much what the incident is about matters: as the most important of it, or, where all of
    its hosts are known to matter little, less."""
    weights = [each.weight for each in story.cast.named if each.role != "parent"]
    hosts = [each.weight for each in story.cast.of("host")]
    most = max(weights, default=1.0)
    return most if most > 1 or not hosts else max(hosts)


def _part(hit: Hits) -> float:
    usual = hit.usual and hit.severity < Severity.CRITICAL
    weight = _WEIGHT[int(Severity.LOW) if hit.normal else hit.severity] * (_USUAL if usual else 1)
    return weight * (0.5 + 0.5 * hit.rarity) * (0.4 + 0.006 * hit.confidence)


def _in_sequence(story: Story) -> int:
    """Length of the longest run of rules whose tactics follow the kill chain in time."""
    places = order()
    tails: list[int] = []
    for hit in story.hits:
        known = [places[tactic] for tactic in hit.attack.tactics if tactic in places]
        if not known:
            continue
        place = known[0]
        # Strictly increasing: a second finding of the same tactic does not make the run longer.
        at = bisect_right(tails, place - 1)
        if at == len(tails):
            tails.append(place)
        else:
            tails[at] = place
    return len(tails)

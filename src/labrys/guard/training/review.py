"""All checks of what is to be learnt from, and what each row counts afterwards. Nothing is deleted.

A row is set aside where it is one of a flood or bears the stamp of a backdoor. Where its label is
doubted it is told, and counts until somebody has looked at it. Whoever looks can give each back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from labrys.guard.training.copies import crowded, flooded
from labrys.guard.training.labels import doubted
from labrys.guard.training.rows import Bools, Fit, Floats, HeldOut, Ints, Rows, held_out
from labrys.guard.training.stamps import Found, stamped, tried

LABEL, COPY, SOURCE, STAMP = "label", "copies", "source", "stamp"
WHY = {
    LABEL: "looks like the other side to models that have not seen it",
    COPY: "one more copy, or a copy that is called good and bad",
    SOURCE: "more than a third of all are from its source",
    STAMP: "shares rare values with rows that it has nothing else in common with",
}


@dataclass(frozen=True, slots=True)
class Review:
    """`weight` is 0 for rows that are set aside, else 1; `reason` is why somebody should look at a row
    (a key of `WHY`, or empty).

    `label`, `stamp`: how suspicious each row is by these, 0 for not at all.
    """

    weight: Floats
    reason: tuple[str, ...]
    label: Floats
    stamp: Floats

    def suspects(self) -> Ints:
        """The rows that a person should look at: those set aside, and those of doubted label."""
        made: Ints = np.flatnonzero(np.array(self.reason) != "")
        return made


def reviewed(
    rows: Rows, fit: Fit, *, keep: Bools | None = None, alike: Ints | None = None, seed: int = 1
) -> Review:
    """Look at all rows, a few trainings of five models each. `keep` are rows that somebody has looked
    at and given back: they count fully. `alike` says what is a copy of what."""
    free = np.ones(len(rows), np.bool_) if keep is None else ~keep
    reason = np.full(len(rows), "", dtype="U8")
    weight = np.ones(len(rows))
    for name, found in ((COPY, flooded(rows, alike)), (SOURCE, crowded(rows))):
        reason[found & free & (weight > 0)] = name
        weight[found & free] = 0.0
    by = held_out(fit, rows, weight, seed=seed)
    odd = _stamps(rows, weight, by, seed)
    marked = odd.rows() & free
    reason[marked & (weight > 0)] = STAMP
    weight[marked] = 0.0
    doubt = doubted(held_out(fit, rows, weight, seed=seed + 1).score, rows.bad)
    reason[doubt.rows & free & (weight > 0)] = LABEL
    return Review(weight, tuple(reason.tolist()), doubt.score, odd.score)


def _stamps(rows: Rows, weight: Floats, by: HeldOut, seed: int) -> Found:
    """Stamps among the rows that still count, numbered as all rows are."""
    rest = np.flatnonzero(weight > 0)
    part = HeldOut(by.score[rest], by.part[rest], by.model)
    found = tried(stamped(rows.take(rest), seed=seed), rows.take(rest), part)
    score = np.zeros(len(rows))
    score[rest] = found.score
    return Found(score, tuple(replace(each, rows=rest[each.rows]) for each in found.stamps))


def told(reasons: Sequence[str]) -> list[str]:
    """What was found, a sentence for each reason."""
    return [
        f"{count} of {len(reasons)}: {what}"
        for name, what in WHY.items()
        if (count := sum(each == name for each in reasons))
    ]

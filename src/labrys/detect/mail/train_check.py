"""Looks at the user's mail before a model learns from it, and at the model before it is used.

What can be taught is bound too: words may lose what speaks against them, but none may come to speak for
a message. So no phrase that is planted in good mail is a pass for bad mail (`train_own.moved`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from labrys.detect.mail.columns import Bools, Floats
from labrys.detect.mail.features import Seen
from labrys.detect.mail.score import LEVELS, Model, scores
from labrys.detect.mail.train_made import made
from labrys.detect.mail.train_rows import read_messages
from labrys.errors import LabrysError
from labrys.guard.training.canary import compared
from labrys.guard.training.labels import doubted
from labrys.guard.training.quarantine import Suspect

_EACH: Final = 4
_SEED: Final = 20
_FEW: Final = 0.02
"""So much of made-up good mail may be above: of fewer, one message would decide."""
_LEFT: Final = 0.7
"""Thresholds that rise for the user's ham may cost some known attacks, not more than the rest of this."""
LABEL: Final = "looks like the other side to models that have not seen it"
BOTH: Final = "lies in ham and in spam"


@dataclass(frozen=True, slots=True)
class Checked:
    """Messages to learn from: `bad` as the user has decided, `used` are those that are not set aside,
    `margin` is each one's by a model without it, `suspects` those that he should look at or has looked
    at."""

    bad: Bools
    used: Bools
    margin: Floats
    suspects: tuple[Suspect, ...]

    @property
    def waiting(self) -> int:
        """How many nobody has decided about yet."""
        return sum(not each.decision for each in self.suspects)


def decided(table: pa.Table, bad: Bools, before: dict[str, Suspect]) -> tuple[Bools, Bools, Bools]:
    """Labels after what the user has decided, which messages he wants used, and which dropped."""
    said = [before[uid].decision if uid in before else "" for uid in uids(table, bad)]
    turned = np.array([each == "turn" for each in said], bool)
    kept = turned | np.array([each == "keep" for each in said], bool)
    return bad ^ turned, kept, np.array([each == "drop" for each in said], bool)


def uids(table: pa.Table, bad: Bools) -> list[str]:
    """How the review names each message: by what it says and the folder it lies in."""
    sides = ["spam" if each else "ham" for each in bad.tolist()]
    return [f"{side}-{one}" for side, one in zip(sides, table["cluster"].to_pylist(), strict=True)]


def contradicted(table: pa.Table, bad: Bools) -> Bools:
    """Messages that lie in both folders."""
    _, cluster = np.unique(np.array(table["cluster"].to_pylist()), return_inverse=True)
    sides = np.zeros((int(cluster.max(initial=-1)) + 1, 2), bool)
    sides[cluster, bad.astype(int)] = True
    both: Bools = np.logical_and(sides[:, 0], sides[:, 1])
    found: Bools = both[cluster]
    return found


def mislabelled(margin: Floats, made_by: Model, bad: Bools) -> Bools:
    """Messages that look like the other side, given margins by models that have not seen them."""
    return doubted(made_by.confidence(margin) / 100.0, bad).rows


def suspects(
    table: pa.Table, bad: Bools, why: list[str], before: dict[str, Suspect]
) -> tuple[Suspect, ...]:
    """A line of the review for each message with a reason, and for what was decided before."""
    names = uids(table, bad)
    columns = [
        table[name].cast(pa.string()).to_pylist() for name in ("from_address", "subject", "_source")
    ]
    made_now = {
        uid: Suspect(
            decision=before[uid].decision if uid in before else "",
            label="spam" if side else "ham", why=reason,
            what=f"{sender or '?'}: {subject or ''}", where=source or "", id=uid,
        )
        for uid, side, reason, sender, subject, source in zip(names, bad.tolist(), why, *columns, strict=True)
        if reason
    }  # fmt: skip
    old = {uid: each for uid, each in before.items() if each.decision}
    return tuple({**old, **made_now}.values())


def canary(before: Model, after: Model, say: Callable[[str], None]) -> None:
    """LabrysError where the new model finds fewer of our made-up attacks than the shipped one: at few
    false alarms among made-up good mail, whatever its thresholds, or far fewer with them.

    It is compared with the shipped one, not with the one before: else each training could take a little.
    """
    known = list(made("test", _EACH, _SEED))
    bad = np.array([each.bad for each in known])
    seen = Seen(read_messages([each.raw for each in known]))
    old, new = (scores(seen, each).margin for each in (before, after))
    count = int(bad.sum())
    kin = np.arange(len(known)) // _EACH  # messages of one template
    if reason := compared(old, new, bad, kin, _FEW).refusal:
        raise LabrysError(f"not used: {reason}. What you call ham teaches it to pass attacks")
    for level in LEVELS[:2]:
        held = [
            float((margin[bad] > each.thresholds[level]).mean())
            for margin, each in ((old, before), (new, after))
        ]
        if held[1] < _LEFT * held[0]:
            raise LabrysError(
                f"not used: of {count} known attacks {held[1]:.0%} would be {level} where {held[0]:.0%} "
                "were. The highest of your ham sets the threshold: look for attacks in it"
            )
        if held[1] < held[0]:
            say(
                f"{level}: {held[1]:.0%} of {count} known attacks, {held[0]:.0%} before: your ham is near"
            )

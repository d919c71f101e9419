"""Learns from the user's own mail, starting from the model in use: folders `ham` and `spam`.

Weights of words move only where the user's mail is judged wrongly; trees stay as they are. Thresholds
rise until the user's ham, each part judged by a model without it, stays below them; they never fall.
Of a side no address counts for more than 15 %, and no domain for more than a third; no domain alone
raises a threshold.
Needs scikit-learn (the extra [ml]).
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.mail import hosts
from labrys.detect.mail.columns import Bools, Floats, Ints, mask
from labrys.detect.mail.features import Seen
from labrys.detect.mail.score import LEVELS, TEXTS, Model, model, scores, shipped
from labrys.detect.mail.train import FALSE_ALARMS, Passages, passages, quantised
from labrys.detect.mail.train_check import (
    BOTH,
    LABEL,
    Checked,
    canary,
    contradicted,
    decided,
    mislabelled,
    suspects,
)
from labrys.errors import LabrysError
from labrys.evidence.mail.domains import registered
from labrys.evidence.records import Source
from labrys.evidence.registry import SNIFF_BYTES, choose, formats
from labrys.guard.training import quarantine
from labrys.guard.training.copies import PART, evened
from labrys.guard.training.quarantine import Suspect
from labrys.model.card import packed, save

LEAST: Final = 20
"""So many different messages of each side are needed."""
_MOST: Final = 200_000
_LARGEST: Final = 64 << 20
_PARTS: Final = 5
_LOOKS: Final = 3
_STEP: Final = 0.05
_ROUNDS: Final = 4
_MARGIN: Final = 0.1
_SHAPE: Final = "mail.message"


def learn(
    folder: Path,
    out: Path,
    say: Callable[[str], None],
    *,
    review: Path | None = None,
    keep: bool = False,
) -> None:
    """Write into `out` a model that also knows the mail in `folder`; LabrysError if it cannot.

    What looks mislabelled is not learnt from and told in `review` (a CSV file; `folder`/review.csv if
    none is named), where the user decides; with `keep` it is learnt from as it is.
    """
    own = Mailbox.of(*labelled(folder))
    say(f"{int((~own.bad).sum())} good and {int(own.bad.sum())} bad messages, copies left out")
    place = review or folder / quarantine.FILE
    checked = _checked(model(), own, quarantine.read(place), keep=keep)
    if checked.suspects:
        quarantine.write(place, checked.suspects)
    if checked.waiting:
        used = "they are used all the same" if keep else "they are not used; --keep uses them"
        say(f"{checked.waiting} of your messages look mislabelled, see {place}: {used}")
    for side in (True, False):
        if (count := int((checked.used & (checked.bad == side)).sum())) < LEAST:
            raise LabrysError(f"only {count} messages of a side are beyond doubt; see {place}")
    made, report = _learnt(model(), own, checked)
    canary(shipped(), made, say)
    _write(out, made, report)
    for level in LEVELS:
        above = report["held_out"][level]
        say(f"{level}: {above['bad_above']} of the bad, {above['good_above']} of the good")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The user's messages, which of them he calls bad, and which are held out together."""

    table: pa.Table
    bad: Bools
    seen: Seen
    cut: Passages
    part: Ints
    by: tuple[Ints, Ints]
    """Numbers for who wrote each: the address, and the domain that somebody registered."""

    @classmethod
    def of(cls, table: pa.Table, bad: Bools) -> "Mailbox":
        """Messages as `labelled` gives them."""
        seen = Seen(table)
        part = np.array([int(one[:8], 16) % _PARTS for one in table["cluster"].to_pylist()])
        return cls(table, bad, seen, passages(seen), part, senders(table))

    def counts(self, bad: Bools, used: Bools) -> Floats:
        """What each message counts: 0 if it is not used, less than 1 if its sender gave very much."""
        made = np.zeros(len(bad))
        address, domain = self.by
        made[used] = np.minimum(
            evened(address[used], bad[used], PART), evened(domain[used], bad[used])
        )
        return made

    def held_out(self, made: Model, bad: Bools, used: Bools) -> Floats:
        """The margin of each message by a model that has learnt from those used, but not from it."""
        margin, counts = np.zeros(len(bad)), self.counts(bad, used)
        for number in range(_PARTS):
            mine = self.part == number
            learns = ~mine & used
            both = bool(bad[learns].any() and not bad[learns].all())
            by = moved(made, self.cut, bad, np.where(mine, 0.0, counts)) if both else made
            margin[mine] = scores(self.seen, by).margin[mine]
        return margin


def _checked(made: Model, own: Mailbox, before: dict[str, Suspect], *, keep: bool) -> Checked:
    """The messages after what the user has decided, and what he should look at."""
    bad, kept, dropped = decided(own.table, own.bad, before)
    both = contradicted(own.table, bad) & ~kept & ~dropped
    sure = ~both & ~dropped
    margin = own.held_out(made, bad, sure)
    doubt = np.zeros(len(bad), bool)
    # What is wrong vouches for what is like it: without it more comes to light.
    for _ in range(_LOOKS):
        new = mislabelled(margin, made, bad) & sure & ~kept & ~doubt
        if not new.any():
            break
        doubt |= new
        margin = own.held_out(made, bad, sure & ~doubt)
    why = np.where(both, BOTH, np.where(doubt, LABEL, "")).tolist()
    used = ~dropped if keep else sure & ~doubt
    if keep:
        margin = own.held_out(made, bad, used)
    return Checked(bad, used, margin, suspects(own.table, own.bad, why, before))


def _learnt(made: Model, own: Mailbox, checked: Checked) -> tuple[Model, dict[str, Any]]:
    """The model that has learnt from what is used, and what is told of it."""
    counts = own.counts(checked.bad, checked.used)
    side = checked.used & ~checked.bad
    good, bad = checked.margin[side], checked.margin[checked.used & checked.bad]
    limits = raised(made, good, counts[side], own.by[1][side])
    whole = moved(made, own.cut, checked.bad, counts)
    report = {
        "good": len(good),
        "bad": len(bad),
        "set_aside": int((~checked.used).sum()),
        "held_out": {
            level: {
                "good_above": int((good > limits[level]).sum()),
                "bad_above": int((bad > limits[level]).sum()),
            }
            for level in LEVELS
        },
    }
    return replace(whole, thresholds=limits), report


def labelled(folder: Path) -> tuple[pa.Table, Bools]:
    """The messages below `folder/ham` and `folder/spam`, near-copies once, and which are bad."""
    parts, sides = [], []
    for side in ("ham", "spam"):
        if not (folder / side).is_dir():
            raise LabrysError(f"{folder / side} is no folder; put your mail into ham and spam")
        table = _distinct([*_messages(folder / side)])
        count = 0 if table is None else table.num_rows
        if table is None or count < LEAST:
            raise LabrysError(f"{folder / side}: {count} different messages; {LEAST} are needed")
        parts.append(table)
        sides.append(np.full(count, side == "spam"))
    joined = pa.concat_tables(parts, promote_options="permissive").combine_chunks()
    return joined, np.concatenate(sides)


def _messages(folder: Path) -> Iterator[pa.Table]:
    """The rows of the messages in all mail files below a folder; other files are passed over."""
    count = 0
    for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()):
        if path.stat().st_size > _LARGEST:
            continue
        content = path.read_bytes()
        made = choose(content[:SNIFF_BYTES], path.name)
        if made is None or not made.id.startswith("mail"):
            if path.suffix.lower() != ".eml":
                continue
            made = next(one for one in formats() if one.id == "mail")
        digest = hashlib.sha256(content).hexdigest()
        for shape, batch in made.read(Source(path, str(path), digest, len(content))):
            if shape == _SHAPE and count < _MOST:
                count += batch.num_rows
                yield pa.Table.from_batches([batch])


def _distinct(found: list[pa.Table]) -> pa.Table | None:
    from labrys.detect.mail.train_rows import cluster

    if not found:
        return None
    table = pa.concat_tables(found, promote_options="permissive").combine_chunks()
    outer = mask(pc.equal(table["depth"].cast(pa.string()), "0"))
    clusters = cluster(table)
    _, first = np.unique(clusters, return_index=True)
    kept = [at for at in sorted(first.tolist()) if outer[at]]
    return table.append_column("cluster", pa.array(clusters)).take(pa.array(kept, pa.int64()))


def senders(table: pa.Table) -> tuple[Ints, Ints]:
    """A number for the address that wrote each message, and for its domain; free mail is written by
    many, so there the address is the domain. Whoever names no sender is like no other."""
    address = [(each or "").lower() for each in table["from_address"].cast(pa.string()).to_pylist()]
    named = [each or f"?{at}" for at, each in enumerate(address)]
    domain = []
    for each in named:
        host = each.rpartition("@")[2]
        domain.append(each if host in hosts.FREE_MAIL else registered(host) or each)
    first, second = (np.unique(np.array(each), return_inverse=True)[1] for each in (named, domain))
    return first.astype(np.int64), second.astype(np.int64)


def moved(made: Model, cut: Passages, bad: Bools, counts: Floats) -> Model:
    """The model with weights of words moved by the messages that count, each by so much."""
    from sklearn.linear_model import SGDClassifier

    mine = counts[cut.owner] > 0
    label = bad[cut.owner][mine]
    # Both sides weigh the same, however many messages there are of each.
    weight = cut.share[mine] * counts[cut.owner][mine]
    part = float(weight[label].sum() / weight.sum())
    weight /= np.where(label, part, 1 - part)
    learner = SGDClassifier(
        loss="log_loss", alpha=1e-7, learning_rate="constant", eta0=_STEP, max_iter=_ROUNDS,
        tol=None, random_state=1,
    )  # fmt: skip
    start = made.weights.astype(np.float64)[None, :]
    learner.fit(
        cut.grams[mine], label, coef_init=start, intercept_init=np.zeros(1),
        sample_weight=weight / weight.mean(),
    )  # fmt: skip
    # What the user's mail does not hold keeps its weight to the last bit.
    change = np.abs(learner.coef_[0] - start[0]) > 1e-3 * np.abs(start[0])
    # And no word comes to speak for a message more than it does in the shipped model: good mail can
    # be planted by whoever writes to the user.
    least = np.minimum(shipped().weights.astype(np.float64), 0.0)
    weights = np.where(change, np.maximum(learner.coef_[0], least), start[0])
    return replace(made, weights=quantised(weights)[0].astype(np.float32))


def raised(
    made: Model, ham: Floats, counts: Floats | None = None, by: Ints | None = None
) -> dict[str, float]:
    """Thresholds that no more of this ham is above than of other ham, and never lower than before.

    With `by`, who wrote each, no one alone raises them: what he writes may stay above.
    """
    whole = np.ones(len(ham)) if counts is None else counts
    least = min(made.thresholds.values())
    loud = [] if by is None else np.unique(by[ham > least - _MARGIN]).tolist()
    others = [kept for one in loud if (kept := by != one).any()]
    limits = {}
    for level in LEVELS:
        few = min(
            float(
                np.quantile(
                    ham[kept], 1 - FALSE_ALARMS[level], method="inverted_cdf", weights=whole[kept]
                )
            )
            for kept in (others or [np.ones(len(ham), bool)])
        )
        limits[level] = round(max(made.thresholds[level], few + _MARGIN), 4)
    return limits


def _write(out: Path, made: Model, report: dict[str, Any]) -> None:
    weights, step = quantised(made.weights.astype(np.float64))
    whole = np.round(weights / step).astype(np.int8)
    buckets = np.flatnonzero(whole).astype(np.uint32)
    words = packed({"buckets": buckets, "values": whole[buckets], "scale": np.array(step)})
    card = {
        "name": "mail",
        "version": f"{made.version.partition('+')[0]}+own",
        "what": "The shipped model, its weights of words moved by the user's own mail.",
        "data": {"source": "the shipped model and the user's own mail", "licence": "the user's"},
        "text": {
            name: round(float(value), 6)
            for name, value in zip(TEXTS, made.coefficients, strict=True)
        }
        | {"intercept": made.intercept},
        "thresholds": dict(made.thresholds),
        "calibration": {"slope": made.slope, "offset": made.offset},
        "own": report,
    }
    save(out, card, {"words.npz": words, "trees.txt": made.trees})

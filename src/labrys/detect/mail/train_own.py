"""Learns from the user's own mail, starting from the model in use: folders `ham` and `spam`.

Weights of words move only where the user's mail is judged wrongly; trees stay as they are. Thresholds
rise until the user's ham, each part judged by a model without it, stays below them; they never fall.
Needs scikit-learn (the extra [ml]).
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.mail.columns import Bools, Floats, mask
from labrys.detect.mail.features import Seen
from labrys.detect.mail.score import LEVELS, TEXTS, Model, model, scores
from labrys.detect.mail.train import FALSE_ALARMS, Passages, passages, quantised
from labrys.errors import LabrysError
from labrys.evidence.records import Source
from labrys.evidence.registry import SNIFF_BYTES, choose, formats
from labrys.model.card import packed, save

LEAST: Final = 20
"""So many different messages of each side are needed."""
_MOST: Final = 200_000
_LARGEST: Final = 64 << 20
_PARTS: Final = 5
_STEP: Final = 0.05
_ROUNDS: Final = 4
_MARGIN: Final = 0.1
_SHAPE: Final = "mail.message"


def learn(folder: Path, out: Path, say: Callable[[str], None]) -> None:
    """Write into `out` a model that also knows the mail in `folder`; LabrysError if it cannot."""
    made = model()
    table, bad = labelled(folder)
    say(f"{int((~bad).sum())} good and {int(bad.sum())} bad messages, copies left out")
    seen = Seen(table)
    cut = passages(seen)
    part = np.array([int(one[:8], 16) % _PARTS for one in table["cluster"].to_pylist()])
    margin = np.zeros(len(bad))
    for number in range(_PARTS):
        mine = part == number
        say(f"part {number + 1} of {_PARTS}")
        margin[mine] = scores(seen, moved(made, cut, bad, ~mine)).margin[mine]
    whole = moved(made, cut, bad, np.ones(len(bad), bool))
    limits = raised(made, margin[~bad])
    report = {
        "good": int((~bad).sum()),
        "bad": int(bad.sum()),
        "held_out": {
            level: {
                "good_above": int((margin[~bad] > limits[level]).sum()),
                "bad_above": int((margin[bad] > limits[level]).sum()),
            }
            for level in LEVELS
        },
    }
    _write(out, replace(whole, thresholds=limits), report)
    for level in LEVELS:
        above = report["held_out"][level]  # type: ignore[index]
        say(f"{level}: {above['bad_above']} of the bad, {above['good_above']} of the good")


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


def moved(made: Model, cut: Passages, bad: Bools, chosen: Bools) -> Model:
    """The model with weights of words moved by the chosen messages."""
    from sklearn.linear_model import SGDClassifier

    mine = chosen[cut.owner]
    label = bad[cut.owner][mine]
    # Both sides weigh the same, however many messages there are of each.
    weight = cut.share[mine] / np.where(label, label.mean(), 1 - label.mean())
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
    weights = np.where(change, learner.coef_[0], start[0])
    return replace(made, weights=quantised(weights)[0].astype(np.float32))


def raised(made: Model, ham: Floats) -> dict[str, float]:
    """Thresholds that no more of this ham is above than of other ham, and never lower than before."""
    limits = {}
    for level in LEVELS:
        few = float(np.quantile(ham, 1 - FALSE_ALARMS[level], method="higher"))
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
        "data": {"the user's own mail": {"licence": "the user's"}},
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

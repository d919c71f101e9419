"""Makes the model: `python -m labrys.detect.prompt_injection.train DATA [FOLDER]`.

For each head a logistic regression over runs of words (scikit-learn). Of a text that is no example the
runs count that the weights so far like best, so that what is learnt is what detection does: the best
run of a whole text (multiple instances; Andrews et al. 2002). Needs the extra [ml]; one thread, the
same texts and versions give the same bytes.
"""

import hashlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labrys.detect.mail.text import Words
from labrys.detect.prompt_injection.canon import bounded
from labrys.detect.prompt_injection.score import (
    BITS,
    HEADS,
    Bools,
    Floats,
    Hashes,
    Ints,
    Model,
    Weights,
    buckets,
    read_words,
    roles,
    runs,
    scores,
    unpacked,
    values,
)  # fmt: skip
from labrys.detect.prompt_injection.train_made import families
from labrys.detect.prompt_injection.train_rows import (
    Sample,
    fillers,
    is_for,
    made_up,
    mails,
    manifest,
    pieces,
    prompts,
)  # fmt: skip
from labrys.model.card import packed, save

VERSION: Final = "1"
_ROUNDS: Final = 5
_STRENGTH: Final = 1.0
_COSTS: Final = {"command": 0.2, "steer": 0.35, "task": 0.4}
"""What each word of a run costs: words that say nothing end it."""
_SHARED: Final = 2
"""In attacks of so many sources a word must be to be known."""
_SEEN: Final = 3
"""In so many runs a bucket must be to get a weight."""
_LEVELS: Final = 127
SHARES: Final = {
    "unsure": {"command": 0.001, "steer": 0.0025, "task": 0.001},
    "likely": {"command": 0.0003, "steer": 0.0003, "task": 0.0003},
}
"""Of ordinary mail this share is above each head's limit."""
_LOWEST: Final = 1.0
_SMALL: Final = 0.02
"""Weights below this share of a head's largest are left out."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of words of some texts: the text, the first word, the one behind the last."""

    text: Ints
    first: Ints
    last: Ints


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts as words with their numbers."""

    found: Words
    known: Bools
    bucket: tuple[Ints, ...]

    @property
    def reach(self) -> Ints:
        """How far back the link that each word ends goes: the number of the known word before it."""
        at = np.where(self.known, np.arange(len(self.known)), -1)
        return np.concatenate([[-1], np.maximum.accumulate(at)[:-1]])

    def whole(self) -> Runs:
        """Each text as one run."""
        first, last = self.found.bounds()
        return Runs(np.arange(self.found.texts), first, last)

    def best(self, weights: Weights, cost: float) -> Runs:
        """The best run of each text."""
        value = values(self.bucket, self.known, weights, cost)
        return Runs(np.arange(self.found.texts), *runs(value, self.found))


def texts(said: Sequence[str], known: Hashes) -> Texts:
    """Texts read as detection reads them."""
    found, _ = read_words(pa.array(said, pa.string()))
    among, kind = roles(found, known)
    return Texts(found, among, buckets(found, among, kind))


def known_words(samples: Sequence[Sample]) -> Hashes:
    """The hashes of the words that attacks of several sources share, and of those around them."""
    held = [one for one in samples if one.head in HEADS]
    found, _ = read_words(pa.array([one.text for one in held], pa.string()))
    names = sorted({one.source for one in held})
    number = np.array([names.index(one.source) for one in held])[found.text]
    pairs = np.unique(np.stack([found.whole, number.astype(np.uint64)], 1), axis=0)
    word, sources = np.unique(pairs[:, 0], return_counts=True)
    made: Hashes = word[sources >= _SHARED]
    return made


def matrix(held: Texts, runs: Runs) -> Any:
    """Runs as rows of a sparse matrix: how often each bucket is in them."""
    from scipy.sparse import csr_matrix

    rows, columns = [], []
    for kind, bucket in enumerate(held.bucket):
        ahead = (0, 0, 1, 2, 1)[kind]
        length = np.maximum(runs.last - runs.first - ahead, 0)
        row = np.repeat(np.arange(len(length)), length)
        begin = np.cumsum(length) - length
        at = np.arange(len(row)) - begin[row] + runs.first[row] + ahead
        keep = bucket[at] > 0
        if kind == 4:
            keep &= held.reach[at] >= runs.first[row]
        rows.append(row[keep])
        columns.append(bucket[at][keep])
    row, column = np.concatenate(rows), np.concatenate(columns)
    return csr_matrix((np.ones(len(row)), (row, column)), (len(runs.first), 1 << BITS))


def learnt(samples: Sequence[Sample], head: str, known: Hashes) -> Weights:
    """The weights of a head."""
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    good = [one for one in samples if is_for(one, head)]
    bad = [one for one in samples if is_for(one, head) is False]
    units = [each for one in good for each in ([one.text] if one.whole else pieces(one.text))]
    share = [
        1.0 if one.whole else 0.5 for one in good for _ in ([0] if one.whole else pieces(one.text))
    ]
    attack = texts(units, known)
    other = texts([one.text for one in bad], known)
    first = texts([each for one in bad for each in pieces(one.text, 3)], known)
    parts = [matrix(attack, attack.whole()), matrix(first, first.whole())]
    weight = [np.array(share), np.full(parts[1].shape[0], 0.5)]
    weights = np.zeros(1 << BITS, np.float32)
    for turn in range(_ROUNDS):
        if turn:
            parts.append(matrix(other, other.best(weights, _COSTS[head])))
            weight.append(np.ones(parts[-1].shape[0]))
        label = np.arange(sum(part.shape[0] for part in parts)) < parts[0].shape[0]
        each = np.concatenate(weight)
        each[label] *= each[~label].sum() / each[label].sum() / 2
        rows = vstack(parts, "csr")
        kept = np.flatnonzero(rows.getnnz(axis=0) >= _SEEN)
        model = LogisticRegression(
            C=_STRENGTH, solver="liblinear", tol=1e-4, max_iter=200, random_state=0
        )
        model.fit(rows[:, kept], label, sample_weight=each)
        weights[:] = 0
        weights[kept] = model.coef_[0]
    return weights


def arrays(made: Sequence[Weights], known: Hashes) -> dict[str, npt.NDArray[Any]]:
    """Weights in few levels, only those that say something."""
    kept: dict[str, npt.NDArray[Any]] = {}
    scales = []
    for head, weights in zip(HEADS, made, strict=True):
        scale = float(np.abs(weights).max()) / _LEVELS
        levels = np.rint(weights / scale).astype(np.int8)
        levels[np.abs(weights) < _SMALL * scale * _LEVELS] = 0
        at = np.flatnonzero(levels)
        kept[f"{head}_buckets"], kept[f"{head}_values"] = at.astype(np.uint32), levels[at]
        scales.append(scale)
    return {
        **kept,
        "known": known,
        "scale": np.array(scales),
        "cost": np.array([_COSTS[head] for head in HEADS]),
    }


def fitted(samples: Sequence[Sample]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a model learnt from these samples."""
    known = known_words(samples)
    return arrays([learnt(samples, head, known) for head in HEADS], known)


def held(made: dict[str, npt.NDArray[Any]], limits: Mapping[str, Mapping[str, float]]) -> Model:
    """A model of these arrays."""
    said = {level: dict(each) for level, each in limits.items()}
    return Model(unpacked(made), made["known"], made["cost"], said, VERSION)


def judged(said: Sequence[str], made: dict[str, npt.NDArray[Any]]) -> Floats:
    """The scores of texts by heads (n × heads)."""
    return scores(bounded(pa.array(said, pa.string())), held(made, {}))[0]


def limits_of(benign: Floats) -> dict[str, dict[str, float]]:
    """The limits that few of these scores (n × heads) of ordinary mail exceed."""
    return {
        level: {
            head: max(_LOWEST, round(float(np.quantile(benign[:, at], 1 - shares[head])), 3))
            for at, head in enumerate(HEADS)
        }
        for level, shares in SHARES.items()
    }


def limits_over(halves: Sequence[Floats]) -> dict[str, dict[str, float]]:
    """The limits of a model that has learnt both halves: what is medium is beyond nearly all of both by
    models that saw one; what is low beyond the mean of the two, for it has seen both."""
    made = limits_of(np.concatenate(halves))
    each = [limits_of(half)["unsure"] for half in halves]
    made["unsure"] = {
        head: min(made["likely"][head], round(float(np.mean([one[head] for one in each])), 3))
        for head in HEADS
    }
    return made


def folds(ham: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Ordinary mail in two halves that share no corpus (`train.toml`)."""
    first, second = ({f"mail:{name}" for name in half} for half in manifest()["mails"]["halves"])
    return (
        [one for one in ham if one.source in first],
        [one for one in ham if one.source in second],
    )


def trained(
    prompted: Sequence[Sample], ham: Sequence[Sample]
) -> tuple[dict[str, Any], list[Floats]]:
    """The arrays of the model, and the scores of ordinary mail by models that saw no mail of its half."""
    own = list(made_up(fillers(ham)))
    halves = folds(ham)
    told = [
        judged([one.text for one in halves[1 - at]], fitted([*own, *prompted, *halves[at]]))
        for at in (0, 1)
    ]
    return fitted([*own, *prompted, *ham]), told


def main(root: Path, place: Path) -> None:
    """Train on the data folder, and write the model and its card into a folder."""
    prompted, ham = list(prompts(root)), list(mails(root))
    made, told = trained(prompted, ham)
    card = _card(prompted, ham, np.concatenate(told), limits_over(told))
    save(place, card, {"words.npz": packed(made)})


def _card(
    prompted: Sequence[Sample],
    ham: Sequence[Sample],
    benign: Floats,
    limits: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    said = manifest()
    used = Counter(one.source for one in (*prompted, *ham))
    own = hashlib.sha256("\n".join(one.text for one in made_up()).encode()).hexdigest()
    return {
        "name": "prompt_injection",
        "version": VERSION,
        "licence": "Apache-2.0",
        "what": "Values of words and pairs of words; a text scores the best run of its words, for each head.",
        "heads": list(HEADS),
        "data": {
            "files": [{"path": said["prompts"]["path"], "sha256": said["prompts"]["sha256"]}],
            "licences": said["prompts"]["licences"],
            "mail": "labrys.detect.mail.train_manifest names files, licences and digests",
            "own": {"licence": "Apache-2.0", "families": len(families()), "sha256": own},
            "samples": dict(sorted(used.items())),
        },
        "thresholds": {
            f"{level} {head}": value for level, each in limits.items() for head, value in each.items()
        },
        "held_out": {
            "how": "each half of the corpora of ordinary mail scored by a model that saw only the other; "
            "`likely` is a quantile of all, `unsure` the mean of the halves'; `python -m bench injection` holds out each source of attacks",
            "mails": len(benign),
            "share_above": {
                level: round(float((benign > np.array([each[head] for head in HEADS])).any(axis=1).mean()), 5)
                for level, each in limits.items()
            },
        },
    }  # fmt: skip


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "model",
    )

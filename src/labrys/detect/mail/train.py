"""Trains the model of mail: `python -m labrys.detect.mail.train DATA` makes the shipped one again.

1. Weights of words: logistic regression over windows of 100 words (scikit-learn), every kind of every
   corpus counting about the same.
2. Text scores of each corpus by a model that has not seen it; their coefficients, none below zero.
3. Trees over the features on top (LightGBM), monotone as declared.
4. Thresholds and calibration from margins of corpora that were held out from all three steps.

In steps 1 to 3 each corpus has an offset of its own that is thrown away afterwards: how bad a corpus is
as a whole need not be explained by words and features, so that they learn what tells good from bad
within it and less what tells corpora apart.

Needs the extra [ml] and the corpora of `train_manifest.toml` under DATA. One thread, fixed seeds: the
same data and versions give the same bytes.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from labrys.detect.mail import text
from labrys.detect.mail.columns import Bools, Floats, Ints
from labrys.detect.mail.features import FEATURES, NAMES, Seen, matrix
from labrys.detect.mail.score import LEVELS, TEXTS, text_scores
from labrys.detect.mail.text import Words
from labrys.detect.mail.train_corpora import manifest, samples
from labrys.detect.mail.train_made import Part, made
from labrys.detect.mail.train_modern import modern
from labrys.detect.mail.train_rows import rows
from labrys.model.card import packed, save
from labrys.model.feature import constraints, used
from labrys.model.monotone import mended

EACH_MADE: Final = 16
EACH_MODERN: Final = 8
PASSAGE: Final = 100
_MOST_PASSAGES: Final = 20
_ALPHA: Final = 3e-5
_OFFSET: Final = 0.1
"""How strong the input of a corpus' offset is when words are learnt: little, or words of kinds of mail
that only one side has are learnt from nothing."""
_STIFF: Final = 0.005
"""How much offsets are held back when coefficients are learnt."""
_ROUNDS: Final = 160
_TREES: Final[dict[str, Any]] = {
    "objective": "binary", "num_leaves": 15, "learning_rate": 0.05, "min_data_in_leaf": 60,
    "lambda_l2": 20.0, "feature_fraction": 0.4, "bagging_fraction": 0.7, "bagging_freq": 1,
    "monotone_constraints_method": "advanced", "verbose": -1, "num_threads": 1, "seed": 1,
    "deterministic": True, "force_row_wise": True,
}  # fmt: skip
MADE: Final = {
    "train": ("made_train", "modern_train"), "test": ("made_test", "modern_test"),
}  # fmt: skip
"""The sources that were made up."""
_NEWSLETTERS: Final = 3.0
"""What real newsletters count more than other good mail: there is one corpus of them, and old."""
_MADE_UP: Final = 0.4
"""What good mail that we made up counts beside real mail: it must not crowd out the little there is of
a kind."""
_CORPORA: Final = 2
"""How many corpora must have a kind of ham for it to set levels."""
FALSE_ALARMS: Final = {"suspicious": 0.005, "likely": 0.001, "sure": 0.0002}
"""Of the ham of the worst kind at most so many are above a threshold, where it was held out."""


@dataclass(frozen=True)
class Mail:
    """Labelled messages as numbers; `group` is corpus, kind and label, `fold` what is held out."""

    seen: Seen
    features: Floats
    bad: Bools
    source: np.ndarray
    fold: np.ndarray
    kind: np.ndarray
    text_only: Bools

    @property
    def size(self) -> int:
        """How many messages there are."""
        return len(self.bad)

    def weight(self, chosen: Bools) -> Floats:
        """What each chosen message counts: groups of many count little more than groups of few, and
        of good mail so do kinds, or rare ones such as newsletters would be learnt from nothing."""
        group = np.char.add(np.char.add(self.source.astype(str), self.kind.astype(str)), "")
        made: Floats = np.zeros(self.size)
        for one in np.unique(group[chosen]):
            for side in (True, False):
                mine = chosen & (group == one) & (self.bad == side)
                made[mine] = max(int(mine.sum()), 1) ** -0.6
        for kind in np.unique(self.kind[chosen & ~self.bad]):
            mine = chosen & ~self.bad & (self.kind == kind)
            made[mine] /= np.sqrt(made[mine].sum())
        made_up = np.isin(self.source, MADE["train"])
        made[made_up & ~self.bad] *= _MADE_UP
        made[~made_up & ~self.bad & (self.kind == "newsletter")] *= _NEWSLETTERS
        for side in (True, False):
            mine = chosen & (self.bad == side)
            made[mine] /= max(float(made[mine].sum()), 1e-12)
        return made


def mail(table: pa.Table) -> Mail:
    """Rows of `train_rows.rows` as numbers."""
    seen = Seen(table)

    def of(name: str) -> np.ndarray:
        return np.array(table[name].to_pylist())

    return Mail(
        seen, matrix(seen), of("bad").astype(bool), of("source"), of("fold"), of("kind"),
        of("text_only").astype(bool),
    )  # fmt: skip


@dataclass(frozen=True)
class Passages:
    """The texts cut into passages: a sparse matrix (passages × buckets), whose each is, and its weight."""

    grams: Any
    owner: Ints
    share: Floats


def passages(seen: Seen) -> Passages:
    """Passages of `PASSAGE` words of visible texts, and the subjects."""
    import scipy.sparse as sp

    body, owner = _cut(seen.visible_words)
    subject, owner_of_subject = _cut(seen.subject_words)
    both = sp.vstack([body, subject]).tocsr()
    number = np.bincount(owner, minlength=seen.rows)[owner]
    share = np.concatenate([1 / np.sqrt(number), np.full(len(owner_of_subject), 0.5)])
    return Passages(both, np.concatenate([owner, owner_of_subject]), share)


def _cut(found: Words) -> tuple[Any, Ints]:
    import scipy.sparse as sp

    first, _ = found.bounds()
    number = (np.arange(len(found.text)) - first[found.text]) // PASSAGE
    kept = number < _MOST_PASSAGES
    key, row = np.unique(found.text[kept] * 1000 + number[kept], return_inverse=True)
    column = np.concatenate([bucket[kept] for bucket in text.buckets(found)])
    ones = np.ones(len(column), np.float32)
    cells = (ones, (np.tile(row, 3), column))
    grams = sp.csr_matrix(cells, shape=(len(key), 1 << text.BITS))
    grams.sum_duplicates()
    grams.data = np.minimum(grams.data, 2.0)
    scale = 1 / np.sqrt(np.bincount(row, minlength=len(key)) + text.SHRINK)
    return (sp.diags(scale) @ grams).tocsr().astype(np.float32), key // 1000


def word_weights(data: Mail, cut: Passages, chosen: Bools) -> Floats:
    """The weight of each bucket, learnt from the chosen messages."""
    import scipy.sparse as sp
    from sklearn.linear_model import SGDClassifier

    mine = chosen[cut.owner]
    weight = (data.weight(chosen)[cut.owner] * cut.share)[mine]
    learner = SGDClassifier(
        loss="log_loss", alpha=_ALPHA, average=True, max_iter=6, tol=None, random_state=1
    )
    grams = cut.grams[mine]
    held = np.bincount(grams.indices, minlength=1 << text.BITS)
    rarity = np.sqrt(np.log((1 + grams.shape[0]) / (1 + held)) / 6)  # rare words count more
    corpus = np.unique(data.source, return_inverse=True)[1][cut.owner][mine]
    offsets = sp.csr_matrix((np.full(len(corpus), _OFFSET), (np.arange(len(corpus)), corpus)))
    grams = sp.hstack([grams @ sp.diags(rarity), offsets]).tocsr().astype(np.float32)
    learner.fit(grams, data.bad[cut.owner][mine], sample_weight=weight / weight.mean())
    learnt = learner.coef_[0][: 1 << text.BITS]
    found: Floats = quantised(learnt * rarity)[0]
    return found


def quantised(weights: Floats) -> tuple[Floats, float]:
    """Weights as they are kept: whole multiples of a step, most of them zero; and the step."""
    step = float(np.quantile(np.abs(weights[weights != 0]), 0.999)) / 127
    whole = np.clip(np.round(weights / step), -127, 127)
    return np.asarray(whole * step, np.float64), step


def coefficients(
    said: Floats, bad: Bools, weight: Floats, corpus: Ints | None = None
) -> tuple[Floats, float, Floats]:
    """Logistic regression of text scores with coefficients that are not negative.

    Gives them, the intercept, and each message's offset of its corpus (0 where none is named).
    """
    from scipy.optimize import minimize

    weight = weight / weight.sum()
    sign = np.where(bad, 1.0, -1.0)
    corpus = np.zeros(len(bad), np.int64) if corpus is None else corpus
    inputs, corpora = said.shape[1], int(corpus.max()) + 1
    stiff = np.repeat([1e-3, 0.0, _STIFF], [inputs, 1, corpora])

    def loss(point: Floats) -> tuple[float, Floats]:
        margin = sign * (said @ point[:inputs] + point[inputs] + point[inputs + 1 :][corpus])
        slope = -sign * weight / (1 + np.exp(np.clip(margin, -50, 50)))
        value = float((weight * np.logaddexp(0, -margin)).sum() + (stiff * point**2).sum())
        ways = [said.T @ slope, [slope.sum()], np.bincount(corpus, slope, corpora)]
        return value, np.concatenate(ways) + 2 * stiff * point

    start = np.zeros(inputs + 1 + corpora)
    bounds = [(0, None)] * inputs + [(None, None)] * (1 + corpora)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:inputs], float(found[inputs]), found[inputs + 1 :][corpus]


def trees(data: Mail, chosen: Bools, start: Floats) -> Any:
    """LightGBM on top of the margins `start` of the chosen messages."""
    import lightgbm

    if [feature.name for feature in used(FEATURES)] != list(NAMES):
        raise ValueError("a feature that no model may use")
    weight = data.weight(chosen)[chosen]
    table = lightgbm.Dataset(
        data.features[chosen], data.bad[chosen].astype(int), feature_name=list(NAMES),
        weight=weight / weight.mean(), init_score=start,
    )  # fmt: skip
    return lightgbm.train(
        {**_TREES, "monotone_constraints": constraints(FEATURES)}, table, num_boost_round=_ROUNDS
    )


@dataclass(frozen=True)
class Fitted:
    """A model as it was trained; `said` are the text scores that it was trained on."""

    weights: Floats
    coefficients: Floats
    intercept: float
    booster: Any

    def margin(self, data: Mail, said: Floats) -> Floats:
        """The margin of messages with these text scores."""
        linear = said @ self.coefficients + self.intercept
        made: Floats = linear + self.booster.predict(data.features, raw_score=True)
        return made


def fit(data: Mail, chosen: Bools, weights: Floats, said: Floats) -> Fitted:
    """Steps 2 and 3 on the chosen messages, given text scores that have not seen them."""
    corpus = np.unique(data.source[chosen], return_inverse=True)[1]
    factor, intercept, offset = coefficients(
        said[chosen], data.bad[chosen], data.weight(chosen)[chosen], corpus
    )
    booster = trees(data, chosen, said[chosen] @ factor + intercept + offset)
    return Fitted(weights, factor, intercept, booster)


@dataclass(frozen=True)
class HeldOut:
    """Margins and text scores of messages by models that were trained without their fold, and the
    whole model."""

    margin: Floats
    said: Floats
    fitted: Fitted


def held_out(data: Mail, learns: Bools, say: Callable[[str], object]) -> HeldOut:
    """Train as for shipping on `learns`, and judge every message by models without its fold.

    Folds none of which may be learnt from are judged by the whole model. Text scores within the
    training folds come from models without the fold that each is of.
    """
    cut = passages(data.seen)
    folds = sorted(set(data.fold[learns].tolist()))
    said = np.zeros((data.size, len(TEXTS)))
    for fold in folds:
        mine = data.fold == fold
        say(f"words without {fold}")
        said[mine] = text_scores(data.seen, word_weights(data, cut, learns & ~mine))[0][mine]
    weights = word_weights(data, cut, learns)
    rest = ~np.isin(data.fold, folds)
    said[rest] = text_scores(data.seen, weights)[0][rest]
    margin = np.zeros(data.size)
    for fold in folds:
        mine = data.fold == fold
        say(f"trees without {fold}")
        margin[mine] = fit(data, learns & ~mine, weights, said).margin(data, said)[mine]
    fitted = fit(data, learns, weights, said)
    margin[rest] = fitted.margin(data, said)[rest]
    return HeldOut(margin, said, fitted)


def thresholds(margin: Floats, data: Mail, ham: Bools) -> dict[str, float]:
    """For each level the margin that at most so many of any kind of ham are above.

    A kind of too few messages to tell such a rate decides nothing; a level is never below another.
    """
    made: dict[str, float] = {}
    least = -np.inf
    for level, rate in FALSE_ALARMS.items():
        for kind in np.unique(data.kind[ham]):
            mine = margin[ham & (data.kind == kind)]
            if len(mine) >= 1 / rate:
                least = max(least, float(np.quantile(mine, 1 - rate, method="higher")))
        made[level] = round(least, 4)
    return made


def calibration(margin: Floats, bad: Bools, weight: Floats) -> dict[str, float]:
    """Platt's slope and offset for margins of what was held out, both sides weighing the same."""
    slope, offset, _ = coefficients(margin[:, None], bad, weight)
    return {"slope": round(float(slope[0]), 4), "offset": round(offset, 4)}


def corpora(root: Path, names: tuple[str, ...]) -> pa.Table:
    """The rows of these corpora and of what we make up (both parts)."""
    public = rows(samples(root, names))
    parts: tuple[Part, ...] = ("train", "test")
    own = [rows(made(part, EACH_MADE)) for part in parts]
    own += [rows(modern(part, EACH_MODERN)) for part in parts]
    return pa.concat_tables([public, *own], promote_options="permissive").combine_chunks()


def main(root: Path, out: Path, say: Callable[[str], object] = lambda _: None) -> None:
    """Train on the corpora under `root` and write the model into the folder `out`."""
    data = mail(corpora(root, tuple(manifest())))
    write(out, held_out(data, learnable(data), say), data)


def learnable(data: Mail) -> Bools:
    """What the shipped model may be trained on: by licence, and not kept for testing."""
    kept = [name for name, said in manifest().items() if not said["trains"]]
    return np.asarray(~np.isin(data.source, [*kept, *MADE["test"]]), bool)


def write(out: Path, found: HeldOut, data: Mail) -> None:
    """Write model and card."""
    fitted = found.fitted
    weights, step = quantised(fitted.weights)
    whole = np.round(weights / step).astype(np.int8)
    buckets = np.flatnonzero(whole).astype(np.uint32)
    words = packed({"buckets": buckets, "values": whole[buckets], "scale": np.array(step)})
    judged = _judged(data)
    limits = thresholds(found.margin, data, limiting(data))
    card = {
        "name": "mail", "version": "1", "licence": "Apache-2.0",
        "what": "Word weights, their coefficients, and trees over features of a message.",
        "data": {
            "source": "public corpora, and mail of our own making",
            "licence": "each its own, below",
            "corpora": {
                name: {key: said[key] for key in ("source", "licence", "sha256")}
                for name, said in manifest().items()
                if said["trains"]
            },
            "made up": {
                "source": "train_made.txt, train_modern.txt: every second template",
                "licence": "Apache-2.0",
            },
        },
        "text": {name: round(float(value), 6) for name, value in zip(TEXTS, fitted.coefficients, strict=True)}
        | {"intercept": round(fitted.intercept, 6)},
        "thresholds": limits,
        "calibration": calibration(found.margin[judged], data.bad[judged], data.weight(judged)[judged]),
        "held_out": report(found.margin, data, limits),
        "how": "thresholds and figures: each corpus judged by a model without its fold",
    }  # fmt: skip
    text = mended(fitted.booster.model_to_string().encode(), constraints(FEATURES))
    save(out, card, {"words.npz": words, "trees.txt": text})


def _judged(data: Mail) -> Bools:
    return np.asarray(~np.isin(data.fold, MADE["train"]), bool)


def limiting(data: Mail) -> Bools:
    """Ham that sets levels, chosen by what it is and never by how it is judged: real mail of kinds that
    two corpora or more have, for one corpus tells of itself. All other ham is only told in figures."""
    real = ~data.bad & ~np.isin(data.source, [*MADE["train"], *MADE["test"]])
    pairs = set(zip(data.kind[real].tolist(), data.source[real].tolist(), strict=True))
    corpora = Counter(kind for kind, _ in pairs)
    common = [kind for kind, count in corpora.items() if count >= _CORPORA]
    return np.asarray(real & np.isin(data.kind, common), bool)


def report(margin: Floats, data: Mail, limits: dict[str, float]) -> dict[str, Any]:
    """By corpus and kind: how many messages, and how many of them are above each threshold."""
    made: dict[str, Any] = {}
    for source in sorted(set(data.source.tolist())):
        for kind in sorted(set(data.kind[data.source == source].tolist())):
            for side in (False, True):
                mine = (data.source == source) & (data.kind == kind) & (data.bad == side)
                if mine.any() and source not in MADE["train"]:
                    above = {level: int((margin[mine] > limits[level]).sum()) for level in LEVELS}
                    made[f"{source}, {'bad' if side else 'ham'}, {kind}"] = {"n": int(mine.sum())} | above  # fmt: skip
    return made


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(__file__).parent / "model",
        lambda line: sys.stderr.write(f"{line}\n"),
    )

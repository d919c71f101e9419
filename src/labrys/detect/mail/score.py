"""Numbers → how bad a message is: a text model, and trees over the features, each never lowered.

margin = intercept + Σ coefficient · text score + trees(features). Coefficients are not negative and
the trees are monotone in every feature, so adding what an attacker can add never lowers the margin
by more than it lowers a text score, and of those only the window's can fall, by dilution.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labrys.detect.mail import text
from labrys.detect.mail.columns import Floats, Ints, texts
from labrys.detect.mail.features import NAMES, Seen, matrix
from labrys.detect.mail.letters import folded
from labrys.detect.mail.text import Words
from labrys.errors import ModelError
from labrys.guard import canary, own
from labrys.model.card import Artefact, load
from labrys.model.forest import Forest
from labrys.model.forest import read as read_forest

ID: Final = "mail"
TEXTS: Final = ("window", "subject", "alternative", "hidden")
"""The text scores: the worst window of what is seen, the subject, the plain text that no program shows,
and hidden text."""
ASKED: Final = (
    "verify your account password now",
    "see you at lunch on friday",
    *([float(number % size) for number in range(len(NAMES))] for size in (2, 3, 7)),
)
"""What the model is asked whenever it is loaded (`guard.canary`)."""
LEVELS: Final = ("suspicious", "likely", "sure")


@dataclass(frozen=True, slots=True)
class Model:
    """Weights of words (2**18), coefficients of the text scores, trees (and their text form),
    thresholds by level."""

    weights: npt.NDArray[np.float32]
    coefficients: Floats
    intercept: float
    forest: Forest
    trees: bytes
    thresholds: Mapping[str, float]
    slope: float
    offset: float
    version: str

    def confidence(self, margin: Floats) -> Floats:
        """How many of 100 such messages were bad, good and bad being as frequent as in training."""
        made: Floats = 100.0 / (1.0 + np.exp(-np.clip(self.slope * margin + self.offset, -30, 30)))
        return made

    def answers(self, asked: Sequence[str | Sequence[float]]) -> Floats:
        """What canaries ask: a text what its words weigh, numbers what the trees make of them."""
        return np.array([self._answer(one) for one in asked])

    def _answer(self, one: str | Sequence[float]) -> float:
        if not isinstance(one, str):
            return float(self.forest.raw(np.array([one], np.float64))[0])
        return float(text.word_weights(text.words(pa.array([one])), self.weights).sum())


@dataclass(frozen=True, slots=True)
class Scores:
    """What the model says of messages, and what it was said from."""

    margin: Floats
    features: Floats
    texts: Floats
    first: Ints
    last: Ints
    """The worst window of each visible text: its first word and the one behind its last."""


@cache
def model() -> Model:
    """The user's own model where there is one, else the shipped one; ModelError where the one in
    use is not what a trusted key signed."""
    artefact = own.in_use(ID)
    return shipped() if artefact is None else read(artefact)


@cache
def shipped() -> Model:
    """The model that comes with labrys."""
    return read(load(files("labrys.detect.mail") / "model"))


def read(artefact: Artefact) -> Model:
    """A model from its files; ModelError where they are not such a model."""
    place = artefact.place
    held = artefact.arrays("words.npz")
    try:
        weights = np.zeros(1 << text.BITS, np.float32)
        weights[held["buckets"].astype(np.int64)] = held["values"] * np.float32(held["scale"])
        forest = read_forest(artefact.files["trees.txt"], f"{place}/trees.txt")
        coefficients = np.array([artefact.number("text", name) for name in TEXTS])
    except (KeyError, IndexError, ValueError) as error:
        raise ModelError(f"{place} is no model of mail ({error!r}); train it anew") from error
    if forest.names != NAMES:
        raise ModelError(f"{place}/trees.txt is of other features; train it anew")
    if not np.isfinite(weights).all() or (coefficients < 0).any():
        raise ModelError(f"{place} holds weights that are none; train it anew")
    made = Model(
        weights,
        coefficients,
        artefact.number("text", "intercept"),
        forest,
        artefact.files["trees.txt"],
        {level: artefact.number("thresholds", level) for level in LEVELS},
        artefact.number("calibration", "slope"),
        artefact.number("calibration", "offset"),
        str(artefact.card.get("version", "1")),
    )
    canary.check(artefact.card, place, made.answers)
    return made


def scores(seen: Seen, made: Model) -> Scores:
    """The margin (log odds as in training) of each message, and what it is made of."""
    features = matrix(seen)
    said, first, last = text_scores(seen, made.weights)
    margin = made.intercept + said @ made.coefficients + made.forest.raw(features)
    return Scores(margin, features, said, first, last)


def text_scores(seen: Seen, weights: npt.NDArray[np.floating[Any]]) -> tuple[Floats, Ints, Ints]:
    """The scores of `TEXTS` of each message, and the worst window of each visible text."""
    visible = seen.visible_words
    value = text.word_weights(visible, weights)
    window, first, last = text.windows(value, visible)
    subject = text.mean(text.word_weights(seen.subject_words, weights), seen.subject_words)
    columns = [window, subject]
    for found in unseen(seen):
        columns.append(text.windows(text.word_weights(found, weights), found)[0])
    return np.column_stack(columns), first, last


def unseen(seen: Seen) -> tuple[Words, Words]:
    """The words of the plain alternative and of the hidden text, which programs do not show."""

    def of(name: str) -> Words:
        return text.words(folded(texts(seen.table, name))[0])

    return of("text_alternative"), of("text_hidden")


def judged(table: pa.Table) -> Scores:
    """The scores of rows of `mail.message`, by the model in use."""
    return scores(Seen(table), model())

"""Models whose training data is to be told: ours, trained anew on made-up things; yours, as it is.

Ours are trained again and again on halves of what our generators make, with the very training code:
what is told is how much that training remembers. Yours takes a column that says which rows it was
trained on (`member = "COLUMN"` in the threat description); its shadows are boosted trees.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from labrys.duel import tabular
from labrys.duel.attacks import NotPlayed, Order
from labrys.duel.extraction.victims import links, names
from labrys.duel.inference.membership import Marks
from labrys.duel.target import Floats
from labrys.errors import LabrysError

_ROWS: Final = 2_000
_TREES: Final = {
    "objective": "binary", "num_leaves": 31, "learning_rate": 0.1, "num_threads": 1,
    "deterministic": True, "force_row_wise": True, "seed": 1, "verbose": -1,
}  # fmt: skip
_ROUNDS: Final = 100


@dataclass(frozen=True, slots=True)
class Learner:
    """Training that can be repeated: `train(chosen)` learns from the chosen rows and says how sure it
    is of what each of all `rows` truly is, in log odds. `given` is the model under attack where it is
    there already: its answers, and which rows it was trained on."""

    name: str
    version: str
    rows: int
    train: Callable[[Marks], Floats]
    what: str
    given: tuple[Floats, Marks] | None = None


def learner(order: Order) -> Learner:
    """What was asked for; NotPlayed where training cannot be repeated."""
    try:
        import lightgbm  # noqa: F401
    except ImportError as error:
        raise NotPlayed("training shadow models takes the extra [ml]") from error
    if order.own:
        return _own(order)
    made = _OURS.get(order.name)
    if made is None:
        raise NotPlayed(
            f"inference on {order.name!r}: its training cannot be repeated here; that of "
            f"{', '.join(_OURS)} can, and of models of your own"
        )
    return made(order.seed)


def dga(labels: "np.ndarray[Any, Any]", bad: Marks, family: "np.ndarray[Any, Any]") -> Learner:
    """The name model's training on these labels; `family` names the generator of each bad one."""
    from labrys.detect.dga import train

    def learn(chosen: Marks) -> Floats:
        good, evil = (
            train.named(
                list(zip(labels[at], family[at], strict=True)), [1.0] * int(at.sum())
            )
            for at in (chosen & ~bad, chosen & bad)
        )  # fmt: skip
        return _sure(train.fit(good, evil).margin(labels.tolist()), bad)

    return Learner("dga", "1", len(labels), learn, f"trained anew on halves of {len(labels)} names")


def url(links_: "np.ndarray[Any, Any]", bad: Marks) -> Learner:
    """The URL model's training on these links."""
    from labrys.detect.url import train

    source, weight = np.where(bad, "bad", "good").astype(object), np.ones(len(links_))

    def learn(chosen: Marks) -> Floats:
        made = train.fit(
            train.Links(links_[chosen], bad[chosen], source[chosen], weight[chosen])
        )  # fmt: skip
        return _sure(made.scores(links_.tolist()), bad)

    return Learner("url", "1", len(links_), learn, f"trained anew on halves of {len(links_)} links")


def _sure(margins: Floats, bad: Marks) -> Floats:
    return np.where(bad, margins, -margins)


def _made_names(seed: int) -> Learner:
    from labrys.detect.dga.train_generators import generators, labels
    from labrys.duel.extraction.victims import words

    families = list(generators(seed, words(), 6))
    each = _ROWS // 2 // len(families) + 1
    evil = {label: f"{one.kind} {one.number}" for one in families for label in labels(one, 1, each)}
    good = [each for each in names(2 * _ROWS, seed) if each not in evil][: len(evil)]
    return dga(
        np.array([*good, *evil], object),
        np.arange(len(good) + len(evil)) >= len(good),
        np.array([*["made"] * len(good), *evil.values()], object),
    )


def _made_links(seed: int) -> Learner:
    from labrys.detect.url.score import model

    held = np.array(links(_ROWS, seed), object)
    import pyarrow as pa

    return url(held, model().scores(pa.array(held, pa.string())) >= model().limits["unsure"])


_OURS: Final[dict[str, Callable[[int], Learner]]] = {"dga": _made_names, "url": _made_links}


def _own(order: Order) -> Learner:
    if order.data is None or order.threat is None:
        raise NotPlayed("inference on a model of your own takes --data and --threat")
    member = tomllib.loads(order.threat.read_text("utf-8")).get("member")
    if not isinstance(member, str):
        raise NotPlayed(
            f'{order.threat} names no column that says what was trained on: member = "COLUMN"'
        )
    columns, rows, bad = tabular.labelled(order.data, tabular.threat(order.threat))
    if member not in columns:
        raise LabrysError(f"{order.data} has no column {member!r} of numbers")
    inside = np.nan_to_num(rows[:, columns.index(member)]) > 0
    rows = np.delete(rows, columns.index(member), axis=1)
    if inside.all() or not inside.any():
        raise LabrysError(f"{order.data}: {member!r} must hold both members and others")
    left = [each for each in columns if each != member]
    odds = np.clip(tabular.scorer(order.model, left)(rows), 1e-9, 1 - 1e-9)

    def learn(chosen: Marks) -> Floats:
        import lightgbm

        held = lightgbm.Dataset(rows[chosen], bad[chosen].astype(int))
        trees: Any = lightgbm.train(dict(_TREES), held, _ROUNDS)
        return _sure(np.asarray(trees.predict(rows, raw_score=True), np.float64), bad)

    return Learner(
        Path(order.model).name if "://" not in order.model else order.model, "", len(rows), learn,
        f"{int(inside.sum())} of {len(rows)} rows were trained on",
        (_sure(np.log(odds / (1 - odds)), bad), inside),
    )  # fmt: skip

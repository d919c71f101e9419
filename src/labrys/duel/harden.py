"""Learns from what a duel showed, and tells the price: what is found now, what it costs, what still wins.

Mail: the model in use is taught attacks of our own making that were rewritten as the duel rewrites them,
beside ordinary mail of our own making. Seeds, texts to hide behind and chains of changes are others than
those of any duel, so that what the duel wins afterwards is told on attacks that were not learnt. A user's
own table: `labrys.duel.harden_table`. Needs the extra [ml].
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from labrys.detect.mail.columns import Bools, Floats
from labrys.detect.mail.features import FEATURES, NAMES, Seen
from labrys.detect.mail.score import TEXTS, Model, model, scores
from labrys.detect.mail.threat import ADD_ONLY, REWRITES
from labrys.detect.mail.train import passages, quantised
from labrys.detect.mail.train_made import made
from labrys.detect.mail.train_own import moved, raised
from labrys.detect.mail.train_rows import read_messages
from labrys.duel.evasion.fight import Asked, Duel, fight, wilson
from labrys.duel.outcome import Outcome, Table
from labrys.duel.targets import mail as attacked
from labrys.errors import LabrysError
from labrys.guard import keys, own
from labrys.model.card import packed, save
from labrys.model.feature import constraints
from labrys.model.forest import read as forest
from labrys.model.monotone import mended

NAMES_OF: Final = ("mail",)
"""The detectors that can be hardened: those that use a model of the user's own."""
_KEY: Final = "own"
_APART: Final = 10_000
"""Seeds of what is learnt from are above this, those of duels below."""
_EACH: Final = 10
_CHAINS: Final = 3
_DEEPEST: Final = 6
_PARTS: Final = 3
_ROUNDS: Final = 400
_WEIGHT: Final = 0.6
"""So much of all weight is the attacks'."""
_TREES: Final[dict[str, Any]] = {
    "objective": "binary", "num_leaves": 8, "learning_rate": 0.05, "min_data_in_leaf": 40,
    "lambda_l2": 5.0, "feature_fraction": 0.4, "bagging_fraction": 0.7, "bagging_freq": 1,
    "verbose": -1, "num_threads": 1, "seed": 1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
_ORDINARY: Final = (
    "filler in front",
    "filler behind",
    "filler invisible",
    "polite wrapper",
    *ADD_ONLY,
)
"""What ordinary mail is rewritten by as well, so that nobody's manner is taken for an attack."""
_LEVEL: Final = "likely"


@dataclass(frozen=True, slots=True)
class Lesson:
    """Messages to learn from: raw, which are attacks, and the part that each is held out with."""

    raw: list[bytes]
    bad: Bools
    part: np.ndarray


def harden(
    name: str,
    asked: Asked,
    attacks: int,
    say: Callable[[str], None],
    *,
    ham: Sequence[bytes] = (),
    keep: bool = True,
) -> Outcome:
    """Harden a detector's model, and use the hardened one from now on (`labrys guard back` undoes it).

    `ham` is ordinary mail of the user's, which is learnt beside what is made up. `keep` false: the model
    is judged and not taken in. Raises LabrysError where the detector cannot be hardened.
    """
    if name not in NAMES_OF:
        raise LabrysError(
            f"{name} uses no model of your own; {', '.join(NAMES_OF)} can be hardened"
        )
    base = model()
    say("what the duel wins now")
    before = fight(attacked.target(attacks, asked.seed), asked, say)
    say("what is learnt from is made up")
    lesson = lessons(_APART + asked.seed, ham)
    say(f"{int(lesson.bad.sum())} attacks, {int((~lesson.bad).sum())} ordinary messages")
    lesson = deepened(base, lesson, _APART + asked.seed + 1)
    say(f"{int(lesson.bad.sum())} attacks, with those that the first lesson missed")
    hardened = learnt(base, lesson)
    say("what the duel wins afterwards")
    after = fight(attacked.target(attacks, asked.seed, judge=hardened), asked, say)
    price = paid(base, hardened, asked.seed)
    number = _kept(name, hardened, price) if keep else 0
    return _outcome(before, after, price, number)


def lessons(seed: int, ham: Sequence[bytes] = ()) -> Lesson:
    """Made-up mail of the training half, as it is and rewritten; each template is in one part."""
    draw = np.random.default_rng(seed)
    samples = list(made("train", _EACH, seed))
    good = [one.raw for one in samples if not one.bad] + list(ham)
    filler = [text for raw in good if len(text := attacked.text(raw)) > 200]
    raw: list[bytes] = []
    bad: list[bool] = []
    part: list[int] = []

    def take(message: bytes, is_bad: bool, of: int) -> None:
        raw.append(message)
        bad.append(is_bad)
        part.append(of % _PARTS)

    ways = {
        name: one for name, one in {**REWRITES, **ADD_ONLY}.items() if not name.startswith("all ")
    }
    ordinary = {name: ways[name] for name in _ORDINARY}
    for number, (message, is_bad) in enumerate(
        [*((one.raw, one.bad) for one in samples), *((one, False) for one in ham)]
    ):
        # Messages of one template follow one another: so a template is in one part.
        of = number // _EACH
        take(message, is_bad, of)
        for _ in range(_CHAINS if is_bad else 1):
            changed = message
            for _ in range(int(draw.integers(1, _DEEPEST + 1))):
                some = ways if is_bad else ordinary
                way = some[list(some)[int(draw.integers(len(some)))]]
                changed = way(changed, draw, filler[int(draw.integers(len(filler)))][:1500])
            if not is_bad or attacked.holds(message, changed):
                take(changed, is_bad, of)
    return Lesson(raw, np.array(bad), np.array(part))


def deepened(base: Model, lesson: Lesson, seed: int) -> Lesson:
    """The lesson with further attacks that a model taught it misses."""
    seen = Seen(read_messages(lesson.raw))
    taught = _taught(base, seen, passages(seen), lesson.bad, np.ones(len(lesson.bad), np.bool_))
    more = lessons(seed)
    missed = margins(taught, more.raw) <= taught.thresholds[_LEVEL]
    chosen = np.flatnonzero(more.bad & missed)
    return Lesson(
        lesson.raw + [more.raw[at] for at in chosen.tolist()],
        np.concatenate([lesson.bad, more.bad[chosen]]),
        np.concatenate([lesson.part, more.part[chosen]]),
    )


def learnt(base: Model, lesson: Lesson) -> Model:
    """The model taught the lesson; thresholds rise until held-out ordinary messages stay below them."""
    table = read_messages(lesson.raw)
    seen = Seen(table)
    cut = passages(seen)
    margin = np.zeros(len(lesson.bad))
    for number in range(_PARTS):
        mine = lesson.part == number
        taught = _taught(base, seen, cut, lesson.bad, ~mine)
        margin[mine] = scores(seen, taught).margin[mine]
    whole = _taught(base, seen, cut, lesson.bad, np.ones(len(lesson.bad), np.bool_))
    return replace(
        whole,
        thresholds=raised(base, margin[~lesson.bad]),
        version=f"{base.version.partition('+')[0]}+hardened",
    )


def _taught(base: Model, seen: Seen, cut: Any, bad: Bools, chosen: Bools) -> Model:
    """Weights of words moved, and some trees more on top, bound as the others are."""
    import lightgbm

    words = moved(base, cut, bad, chosen.astype(np.float64))
    said = scores(seen, words)
    label = bad[chosen]
    data = lightgbm.Dataset(
        said.features[chosen], label.astype(int), feature_name=list(NAMES),
        init_score=said.margin[chosen],
        weight=np.where(label, _WEIGHT / label.mean(), (1 - _WEIGHT) / (1 - label.mean())),
    )  # fmt: skip
    signs = constraints(FEATURES)
    more = lightgbm.train({**_TREES, "monotone_constraints": signs}, data, _ROUNDS)
    text = mended(_joined(base.trees, more.model_to_string().encode()), signs)
    return replace(words, trees=text, forest=forest(text, "the hardened model"))


def _joined(one: bytes, other: bytes) -> bytes:
    """The trees of both, one after the other, in LightGBM's text form."""
    end, size = b"\nend of trees", b"tree_sizes="
    head, _, tail = one.partition(end)
    count = head.count(b"\nTree=")
    trees = other.partition(end)[0].split(b"\nTree=")[1:]
    added = b"".join(
        b"\nTree=%d\n%s" % (count + at, tree.partition(b"\n")[2]) for at, tree in enumerate(trees)
    )
    lines = [line for line in (head + added).split(b"\n") if not line.startswith(size)]
    return b"\n".join(lines) + end + tail


def paid(base: Model, hardened: Model, seed: int) -> dict[str, tuple[int, int, int]]:
    """On made-up mail of the test half, unchanged: found before, found after, of how many."""
    samples = list(made("test", 10, _APART + seed))
    seen = Seen(read_messages([one.raw for one in samples]))
    bad = np.array([one.bad for one in samples])
    above = [
        scores(seen, each).margin > each.thresholds[_LEVEL] for each in (base, hardened)
    ]  # fmt: skip
    return {
        said: (int(above[0][mine].sum()), int(above[1][mine].sum()), int(mine.sum()))
        for said, mine in (("attacks found", bad), ("ordinary mail found", ~bad))
    }


def _kept(name: str, hardened: Model, price: dict[str, tuple[int, int, int]]) -> int:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="labrys-model-") as folder:
        place = Path(folder) / "model"
        write(place, hardened, price)
        if not any(each.name == _KEY for each in keys.trusted()):
            keys.make(_KEY)
        kept = own.add(name, place, _KEY)
    model.cache_clear()
    return kept.number


def write(place: Path, hardened: Model, price: dict[str, tuple[int, int, int]]) -> None:
    """Write a hardened model of mail and its card."""
    weights, step = quantised(hardened.weights.astype(np.float64))
    whole = np.round(weights / step).astype(np.int8)
    buckets = np.flatnonzero(whole).astype(np.uint32)
    card = {
        "name": "mail",
        "version": hardened.version,
        "what": "The model that was in use, taught attacks as the duel rewrites them.",
        "data": {"source": "the model in use, and mail of our own making", "licence": "Apache-2.0"},
        "text": dict(zip(TEXTS, map(float, hardened.coefficients), strict=True))
        | {"intercept": hardened.intercept},
        "thresholds": dict(hardened.thresholds),
        "calibration": {"slope": hardened.slope, "offset": hardened.offset},
        "hardened": {said: list(row) for said, row in price.items()},
    }
    words: dict[str, np.ndarray[Any, Any]] = {
        "buckets": buckets,
        "values": whole[buckets],
        "scale": np.array(step),
    }
    save(place, card, {"words.npz": packed(words), "trees.txt": hardened.trees})


def _outcome(
    before: Duel, after: Duel, price: dict[str, tuple[int, int, int]], number: int
) -> Outcome:
    rows = [
        (one.search, _share(one.wins, one.attacks), _share(two.wins, two.attacks))
        for one, two in zip(before.rounds, after.rounds, strict=True)
    ]
    cost = [(said, _share(a, n), _share(b, n)) for said, (a, b, n) in price.items()]
    kept = f"; it is your model {number}, and `labrys guard back mail` undoes it" if number else ""
    return Outcome(
        attack="hardening",
        target=before.target,
        version=before.version,
        rules=f"{before.budget} questions, told a {before.access}, cost up to {before.most_cost}",
        figures={
            "won before": max((one.share for one in before.rounds), default=0.0),
            "won after": max((one.share for one in after.rounds), default=0.0),
        }
        | {f"{said}, after": b / n for said, (_, b, n) in price.items() if n},
        tables=(
            Table("What the duel wins", ("search", "before", "after"), tuple(rows)),
            Table("The price: unchanged made-up mail", ("", "before", "after"), tuple(cost)),
        ),
        notes=(f"learnt from seeds and texts that no duel plays with{kept}",),
        seconds=before.seconds + after.seconds,
        complete=before.complete and after.complete,
    )


def _share(hits: int, count: int) -> str:
    low, high = wilson(hits, count)
    return f"{hits} of {count} ({low:.0%} to {high:.0%})"


def margins(made_: Model, raws: Sequence[bytes]) -> Floats:
    """The margin of messages by a model."""
    return scores(Seen(read_messages(list(raws))), made_).margin

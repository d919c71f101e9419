"""Makes the model: `python -m labrys.detect.evasion.train [FOLDER]`; the same bytes every time.

A logistic regression whose weights are kept at zero or above, on made-up lines only
(`train_lines.py`). Thresholds are set on templates that no weight was learnt from.
"""

import hashlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labrys.detect.evasion.canon import Shell, canonical
from labrys.detect.evasion.features import BUCKETS, SIZES, grams
from labrys.detect.evasion.score import ASKED, MOST, WORDS, Model, scores, unpacked
from labrys.detect.evasion.threat import TRAINED, disguised
from labrys.detect.evasion.train_lines import Template, attacks, filled, ordinary
from labrys.detect.evasion.watched import columns
from labrys.guard.canary import canaries
from labrys.guard.drift import reference

VERSION: Final = "1"
_SEED: Final = 7
_EACH: Final = 6
"""Lines made of each template."""
_TRIED: Final = 2
_ROUNDS: Final = 300
_RATE: Final = 0.35
_SPARSE: Final = 2e-5
_BIAS: Final = -4.0
_FOLDS: Final = 5
_LEVELS: Final = 255

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines as the model sees them, which are attacks, and the template each is made of."""

    text: pa.Array
    attack: npt.NDArray[np.bool_]
    template: Ints
    weight: Floats


def main(place: Path) -> None:
    """Train, and write the model and its card into a folder."""
    lines = made_up()
    held_out = _held_out(lines)
    weights = quantised(learnt(lines, np.ones(len(lines.attack), np.bool_)))
    content = packed(weights)
    place.mkdir(parents=True, exist_ok=True)
    (place / "weights.npz").write_bytes(content)
    tried = ordinary_lines()
    (place / "ordinary.txt").write_bytes(tried)
    card = _card(lines, held_out, content, tried)
    (place / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", "utf-8")


def made_up() -> Lines:
    """The lines to learn from: each template a few times, attacks also in the disguises trained on."""
    draw = np.random.default_rng(_SEED)
    texts: list[str] = []
    attack: list[bool] = []
    number: list[int] = []
    templates = (*ordinary(), *attacks())
    for at, template in enumerate(templates):
        for line in _each(template, draw):
            texts.append(line)
            attack.append(bool(template.technique))
            number.append(at)
    marks = np.array(attack)
    weight = np.where(marks, len(marks) / (2 * marks.sum()), len(marks) / (2 * (~marks).sum()))
    return Lines(pa.array(texts), marks, np.array(number), weight)


def ordinary_lines() -> bytes:
    """Ordinary lines by which rules read loosely are tried, in their canonical form."""
    draw = np.random.default_rng(_SEED + 1)
    made = dict.fromkeys(
        canonical(filled(template, draw), _shell(template)).text.replace("\n", " ")
        for template in ordinary()
        for _ in range(_TRIED)
    )
    return ("\n".join(made) + "\n").encode()


def _shell(template: Template) -> Shell:
    return "posix" if template.system == "linux" else "windows"


def _each(template: Template, draw: np.random.Generator) -> Sequence[str]:
    made = [filled(template, draw) for _ in range(_EACH)]
    if template.technique:
        made += [disguised(line, family, draw) for line in made[:2] for family in TRAINED]
    return [canonical(line, _shell(template)).text for line in made]


def learnt(lines: Lines, used: npt.NDArray[np.bool_]) -> Floats:
    """The weight of each bucket, from the lines that are used."""
    found = grams(lines.text)
    owner = found.line[found.word]
    pairs = np.unique(owner * BUCKETS + found.bucket)
    row, bucket = pairs // BUCKETS, pairs % BUCKETS
    keep = used[row]
    row, bucket = row[keep], bucket[keep]
    names, column = np.unique(bucket, return_inverse=True)
    count = len(lines.attack)
    weights, squares = np.zeros(len(names)), np.full(len(names), 1e-8)
    share = np.where(used, lines.weight, 0.0) / used.sum()
    for _ in range(_ROUNDS):
        told = 1 / (1 + np.exp(-(_BIAS + np.bincount(row, weights[column], count))))
        slope = np.bincount(column, ((told - lines.attack) * share)[row], len(names)) + _SPARSE
        squares += slope**2
        weights = np.maximum(weights - _RATE * slope / np.sqrt(squares), 0.0)
    whole = np.zeros(BUCKETS)
    whole[names] = weights
    return whole


def quantised(weights: Floats) -> tuple[Ints, npt.NDArray[np.uint8], float]:
    """Buckets with a weight, the weights in 255 levels, and what one level is worth."""
    scale = float(np.float32(weights.max() / _LEVELS))
    levels = np.rint(weights / scale).astype(np.int64)
    buckets = np.flatnonzero(levels)
    return buckets, np.minimum(levels[buckets], _LEVELS).astype(np.uint8), scale


def packed(made: tuple[Ints, npt.NDArray[np.uint8], float]) -> bytes:
    """The model file: numpy's own format, without objects; the same bytes for the same weights."""
    buckets, values, scale = made
    out = io.BytesIO()
    np.savez_compressed(
        out, buckets=buckets.astype(np.uint32), values=values, scale=np.float64(scale)
    )
    return out.getvalue()


def _held_out(lines: Lines) -> Floats:
    """Each line's score by weights learnt without its template's fold."""
    told = np.zeros(len(lines.attack))
    for fold in range(_FOLDS):
        mine = lines.template % _FOLDS == fold
        weights = learnt(lines, ~mine).astype(np.float32)
        chosen = np.flatnonzero(mine)
        told[chosen] = scores(lines.text.take(pa.array(chosen)), weights)
    return told


def _card(lines: Lines, held_out: Floats, content: bytes, tried: bytes) -> dict[str, Any]:
    benign, bad = held_out[~lines.attack], held_out[lines.attack]
    held = Model(unpacked(content, "the model made here"), 0.0, 0.0, VERSION)
    ordinary_ = lines.text.filter(pa.array(~lines.attack))
    unlike = round(float(np.quantile(benign, 0.95)), 3)
    attack = round(float(benign.max()), 3)
    return {
        "name": "evasion",
        "version": VERSION,
        "licence": "Apache-2.0",
        "what": "Weights of letter runs in command lines; a sum over a line's strongest words.",
        "features": {"sizes": list(SIZES), "buckets": BUCKETS, "words": WORDS, "most": MOST},
        "data": {
            "source": "made up by train_lines.py from train_attacks.txt and train_benign.txt, our own text",
            "licence": "Apache-2.0",
            "templates": {"ordinary": len(ordinary()), "attack": len(attacks())},
            "lines": {"ordinary": len(benign), "attack": len(bad)},
            "sha256": _sha256("\n".join(lines.text.to_pylist()).encode()),
        },
        "families": {"trained": list(TRAINED)},
        "thresholds": {"unlike": unlike, "attack": attack},
        "held_out": {
            "how": f"{_FOLDS} folds by template; `unlike` is the 95th percentile of ordinary lines, `attack` the highest of all",
            "ordinary_above": {"unlike": _above(benign, unlike), "attack": _above(benign, attack)},
            "attack_above": {"unlike": _above(bad, unlike), "attack": _above(bad, attack)},
        },
        "files": {
            name: {"sha256": _sha256(each), "bytes": len(each)}
            for name, each in (("ordinary.txt", tried), ("weights.npz", content))
        },
        "canaries": canaries(
            ASKED, lambda asked: scores(pa.array(asked, pa.string()), held.weights)
        ),
        "reference": msgspec.to_builtins(
            reference(columns(ordinary_, held), "made-up ordinary lines, templates of training")
        ),
    }


def _above(told: Floats, threshold: float) -> float:
    return round(float((told >= threshold).mean()), 4)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "model")

"""Makes the name model: `python -m labrys.detect.dga.train DATA [FOLDER]`; the same bytes every time.

The sources are those of `train.toml`, found under DATA by path and digest. Everything that a label's
numbers come from (chances of letters, words, weights of runs) is learnt without the label's own fold,
so that the trees see numbers as they are for names never seen. Families that are relatives are in one
fold. Needs the `train` extras (lightgbm).
"""

import hashlib
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from labrys.detect.dga.names import FEATURES, NAMES, Floats, Ints, numbers
from labrys.detect.dga.split import split
from labrys.detect.dga.train_generators import WORD_LISTS, generators, labels
from labrys.detect.dga.train_tables import benign, quantised, weighed
from labrys.errors import ModelError
from labrys.model.card import packed, save
from labrys.model.feature import constraints

VERSION: Final = "1"
MANIFEST: Final = Path(__file__).parent / "train.toml"
RELATIVES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("gameover", "newgoz", "zeus_goz", "murofet"), "zeus"),
    **dict.fromkeys(("fobber", "tinba"), "tinba"),
}
"""Families whose algorithms are related, and what they are called together."""
_FOLDS: Final = 3
_EACH_FAMILY: Final = 400
_OWN_FAMILIES: Final = 6
_OWN_NAMES: Final = 150
_OWN_SHARE: Final = 0.5
_WORD_LIST_WEIGHT: Final = 0.3
_GENERATED_SHARE: Final = 0.5
_ROUNDS: Final = 150
_PARAMETERS: Final[Mapping[str, Any]] = {
    "objective": "binary", "num_leaves": 31, "learning_rate": 0.08, "min_data_in_leaf": 60,
    "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 2.0,
    "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 1, "verbose": -1,
    "monotone_constraints": constraints(FEATURES),
}  # fmt: skip
RATES: Final = {"unsure": 0.01, "low": 0.001, "sure": 0.0003}
"""The share of benign names above each threshold, in the benign source where it is greatest."""


@dataclass(frozen=True, slots=True)
class Named:
    """Labels with their source (of benign ones) or family (of generated ones), and their weight."""

    label: npt.NDArray[np.object_]
    group: npt.NDArray[np.object_]
    weight: Floats

    def take(self, chosen: Any) -> "Named":
        """Those that are chosen."""
        return Named(self.label[chosen], self.group[chosen], self.weight[chosen])


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and what it says of the benign labels and of the generated ones when held out."""

    tables: Mapping[str, npt.NDArray[Any]]
    trees: Any
    benign: Floats
    generated: Floats

    def margin(self, names: Sequence[str]) -> Floats:
        """The margin of labels."""
        made: Floats = self.trees.predict(
            numbers(pa.array(names, pa.string()), self.tables), raw_score=True
        )
        return made


def main(data: Path, place: Path) -> None:
    """Train, and write the model and its card into a folder."""
    ordinary, generated = load(data)
    own = own_names(english(data))
    made = fit(ordinary, joined(generated, own))
    limits = thresholds(made.benign, ordinary.group)
    tables = {**made.tables, "linear": made.tables["linear"].astype(np.float32)}
    text = made.trees.model_to_string().partition("\nparameters:")[0] + "\nend of trees\n"
    files = {"tables.npz": packed(tables), "trees.txt": text.encode()}
    save(place, _card(data, ordinary, generated, own, made, limits), files)


def rows(data: Path, generated: bool | None = None) -> Iterator[tuple[str, str, str]]:
    """Label, source and family of each name of the manifest's sources; the family of benign is ""."""
    for file in tomllib.loads(MANIFEST.read_text("utf-8"))["file"]:
        wanted = {one["name"]: one["generated"] for one in file.get("source", ())}
        if not wanted:
            continue
        table = parquet.read_table(checked(data, file))
        name = "domain" if "domain" in table.column_names else "url"
        family = table["family"] if "family" in table.column_names else table["source"]
        for text, source, kind in zip(
            table[name].to_pylist(), table["source"].to_pylist(), family.to_pylist(), strict=True
        ):
            if source in wanted and generated in (None, wanted[source]):
                yield text, source, kind if wanted[source] else ""


def checked(data: Path, file: Mapping[str, Any]) -> Path:
    """A file of the manifest; ModelError where it is not the one that the manifest means."""
    path = data / str(file["path"])
    if hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
        raise ModelError(f"{path} is not the file that {MANIFEST.name} means")
    return path


def load(data: Path) -> tuple[Named, Named]:
    """The benign and the generated labels to learn from, each once."""
    known: dict[str, tuple[str, str]] = {}
    for text, source, family in rows(data):
        name = split(text)
        if name is not None:
            known.setdefault(name.registered, (source, family))
    taken: Counter[str] = Counter()
    benign_rows, bad_rows = [], []
    for registered, (source, family) in known.items():
        label = registered.partition(".")[0]
        if not family:
            benign_rows.append((label, source))
            continue
        taken[family] += 1
        if taken[family] <= _EACH_FAMILY:
            bad_rows.append((label, family))
    size = Counter(family for _, family in bad_rows)
    return (
        named(benign_rows, [1.0] * len(benign_rows)),
        named(bad_rows, [size[family] ** -0.5 for _, family in bad_rows]),
    )


def named(pairs: Sequence[tuple[str, str]], weight: Sequence[float]) -> Named:
    """Labels with their groups and weights."""
    label = np.array([one for one, _ in pairs], object)
    return Named(label, np.array([group for _, group in pairs], object), np.array(weight))


def english(data: Path) -> list[str]:
    """Common words of English mail, every second of them (the others are for tests)."""
    file = tomllib.loads(MANIFEST.read_text("utf-8"))["file"][-1]
    table = parquet.read_table(checked(data, file), columns=["label", "body"])
    seen: Counter[str] = Counter()
    for label, body in zip(table["label"].to_pylist(), table["body"].to_pylist(), strict=True):
        if label == 0:
            seen.update(set(re.findall("[a-z]{4,9}", (body or "").lower())))
    return sorted(word for word, count in seen.items() if count >= 8)[::2]


def own_names(words: Sequence[str]) -> Named:
    """Names of made-up families."""
    made = [
        (label, f"own {one.kind} {one.number}")
        for one in generators(1, words, _OWN_FAMILIES)
        for label in labels(one, 1, _OWN_NAMES)
    ]
    light = tuple(f"own {kind}" for kind in WORD_LISTS)
    weight = [_WORD_LIST_WEIGHT if group.startswith(light) else 1.0 for _, group in made]
    return named(made, weight)


def joined(generated: Named, own: Named) -> Named:
    """Names of malware and made-up ones, these with a fixed share of the weight."""
    weight = own.weight * (_OWN_SHARE * generated.weight.sum() / own.weight.sum())
    return Named(
        np.concatenate([generated.label, own.label]),
        np.concatenate([generated.group, own.group]),
        np.concatenate([generated.weight, weight]),
    )


def fit(ordinary: Named, generated: Named) -> Trained:
    """The model of these names."""
    size = len(ordinary.label)
    label = np.concatenate([ordinary.label, generated.label])
    bad = np.arange(len(label)) >= size
    share = _GENERATED_SHARE * ordinary.weight.sum() / generated.weight.sum()
    weight = np.concatenate([ordinary.weight, generated.weight * share])
    fold = _folds(ordinary, generated)
    seen = np.zeros((len(label), len(NAMES)))
    for number in range(_FOLDS):
        mine = fold == number
        tables = _tables(label[~mine], bad[~mine], weight[~mine])
        seen[mine] = numbers(pa.array(label[mine], pa.string()), tables)
    told = np.zeros(len(label))
    for number in range(_FOLDS):
        mine = fold == number
        told[mine] = _trees(seen[~mine], bad[~mine], weight[~mine]).predict(
            seen[mine], raw_score=True
        )
    return Trained(_tables(label, bad, weight), _trees(seen, bad, weight), told[:size], told[size:])


def _folds(ordinary: Named, generated: Named) -> Ints:
    family = np.array([RELATIVES.get(group, group) for group in generated.group], object)
    number = {group: at % _FOLDS for at, group in enumerate(sorted(set(family)))}
    theirs = [number[group] for group in family]
    mine = [
        int(hashlib.sha256(one.encode()).hexdigest()[:8], 16) % _FOLDS for one in ordinary.label
    ]
    return np.array([*mine, *theirs], np.int64)


def _tables(label: Any, bad: npt.NDArray[np.bool_], weight: Floats) -> dict[str, npt.NDArray[Any]]:
    tables = benign(pa.array(label[~bad], pa.string()))
    tables["linear"] = quantised(weighed(pa.array(label, pa.string()), bad, weight))
    return tables


def _trees(seen: Floats, bad: npt.NDArray[np.bool_], weight: Floats) -> Any:
    data = lightgbm.Dataset(seen, bad.astype(int), weight=weight, feature_name=list(NAMES))
    return lightgbm.train(dict(_PARAMETERS), data, _ROUNDS)


def thresholds(margin: Floats, source: Any) -> dict[str, float]:
    """The margins that so few benign names exceed, by the worst of their sources."""
    return {
        name: round(
            max(float(np.quantile(margin[source == one], 1 - rate)) for one in sorted(set(source))),
            3,
        )
        for name, rate in RATES.items()
    }


def _card(
    data: Path,
    ordinary: Named,
    generated: Named,
    own: Named,
    made: Trained,
    limits: Mapping[str, float],
) -> dict[str, Any]:
    manifest = tomllib.loads(MANIFEST.read_text("utf-8"))["file"]
    family = np.array([RELATIVES.get(one, one) for one in (*generated.group, *own.group)], object)
    above = {
        name: {
            "benign": {
                one: round(float((made.benign[ordinary.group == one] > limit).mean()), 5)
                for one in sorted(set(ordinary.group))
            },
            "families, mean": round(
                float(
                    np.mean(
                        [
                            (made.generated[family == one] > limit).mean()
                            for one in sorted(set(family))
                        ]
                    )
                ),
                3,
            ),
        }
        for name, limit in limits.items()
    }
    return {
        "name": "dga",
        "version": VERSION,
        "licence": "Apache-2.0",
        "what": "Whether the registered label of a name looks generated: benign letter chances, words, "
        "weighed letter runs, and trees over them.",
        "data": {
            "files": manifest,
            "names": dict(sorted(Counter(ordinary.group).items())),
            "families": dict(sorted(Counter(generated.group).items())),
            "own": {
                "families": len(set(own.group)),
                "names": len(own.label),
                "licence": "Apache-2.0",
            },
        },
        "features": {
            each.name: {"what": each.what, "reach": each.reach, "sign": each.sign}
            for each in FEATURES
        },
        "relatives": dict(RELATIVES),
        "thresholds": dict(limits),
        "held_out": {
            "how": f"{_FOLDS} folds; families (relatives together) and benign names by digest; a threshold is "
            "the share in RATES of the worst benign source",
            "above": above,
        },
    }


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "model",
    )

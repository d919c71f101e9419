"""What can be stolen from models, what their training data gives away, and who is noticed asking.

`python -m bench theft [extraction|inference|shipped|drift|probing…] [--whole]`. Copies of our models are judged
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
from labrys.duel.inference.membership import told as ranked
from labrys.duel.inference.victims import Learner, dga, url
from labrys.duel.outcome import Outcome

_PE: Final = "aisec/pe_header_kaggle.parquet"
_TREES: Final = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 1}
_SIZES: Final = (10, 100, 1_000, 10_000)
_FEW: Final = 100


def main(arguments: list[str]) -> int:
    """Print the tables that were asked for."""
    parts: dict[str, Callable[[bool], None]] = {
        "extraction": copied, "inference": told, "shipped": remembered, "drift": drifted,
        "probing": noticed,
    }  # fmt: skip
    parser = argparse.ArgumentParser(prog="python -m bench theft", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument(
        "--whole", action="store_true", help="more of everything: hours, not minutes"
    )
    asked = parser.parse_args(arguments)
    for name in asked.parts or parts:
        if name not in parts:
            parser.error(f"no part {name!r}")
        parts[name](asked.whole)
    return 0


# ------------------------------------------------------------------------------------- extraction


def copied(whole: bool) -> None:
    """Agreement of a copy by questions."""
    most = 10_000 if whole else 1_000
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


def told(whole: bool) -> None:
    """Membership of training data."""
    rows: list[Shown] = []
    with TemporaryDirectory() as folder:
        for rounds in (100, 600):
            order = _pe(Path(folder), members=True, rounds=rounds)
            rows += _members(f"PE headers, {rounds} trees", inference.play(order))
    count = 10_000 if whole else 2_000
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


def remembered(whole: bool) -> None:
    """Membership of the training data of the links' model as it is shipped, and of a model of mail that
    half of the messages of each corpus trained (the shipped one has seen them all)."""
    rows = [*_shipped_links(20_000 if whole else 5_000), *_half_of_mail(2_000 if whole else 600)]
    table(
        "Membership by how sure the model is; area, and members found at 1 % false alarms",
        ("source, label", "members / others", "area", "1 %"), rows,
    )  # fmt: skip


def _shown(name: str, inside: Any, outside: Any) -> Shown:
    one = ranked(
        np.concatenate([inside, outside]), np.arange(len(inside) + len(outside)) < len(inside)
    )
    low, high = one.bounds
    return Shown(
        name,
        (
            f"{len(inside):,} / {len(outside):,}",
            f"{one.auc:.3f} ({low:.3f}-{high:.3f})", f"{one.found[0]:.1%}",
        ),
    )  # fmt: skip


def _shipped_links(most: int) -> Iterator[Shown]:
    from bench.names.url import domains
    from labrys.detect.url import train
    from labrys.detect.url.score import NOTHING, scores

    # Of these lists every fourth link was taken: the others are drawn alike.
    known = train.load(SHARED)
    web = train._capped(known["kasztp_links"], train._DOMAIN[False])
    lists = {
        "jpcert": known["jpcert"],
        "eth_blacklist": known["eth_blacklist"],
        "kasztp_links": web,
    }
    for source, urls in lists.items():
        mine, rest = urls[:: train._EVERY], urls[1 :: train._EVERY]

        def sure(chosen: list[str], sign: float = -1.0 if urls is web else 1.0) -> Any:
            margin = scores(pa.array(chosen[:most], pa.string()))
            return sign * margin[margin != NOTHING]

        near, of = set(domains(mine)), domains(rest)
        far = [one for one, domain in zip(rest, of, strict=True) if domain not in near]
        yield _shown(f"url, {source}", sure(mine), sure(rest))
        yield _shown(f"url, {source}, others of other domains", sure(mine), sure(far))


def _half_of_mail(most: int) -> Iterator[Shown]:
    from itertools import islice

    from labrys.detect.mail import train
    from labrys.detect.mail.train_corpora import manifest, samples
    from labrys.detect.mail.train_rows import rows

    some = [
        rows(islice(samples(SHARED, (name,)), 0, 4 * most, 2))
        for name, said in manifest().items()
        if said["trains"]
    ]
    found_ = pa.concat_tables(some, promote_options="permissive").combine_chunks()
    data = train.mail(found_)
    # Near copies are on one side: else others would be members in all but name.
    quarter = np.array([int(one[:8], 16) % 4 for one in found_["cluster"].to_pylist()])
    half, cut = quarter < 2, train.passages(data.seen)

    def text(learns: Any) -> tuple[Any, Any]:
        weights = train.word_weights(data, cut, learns)
        return weights, train.text_scores(data.seen, weights)[0]

    # Trees learn from text scores that have not seen their message, as they do in training.
    apart = np.where((quarter == 0)[:, None], text(quarter == 1)[1], text(quarter == 0)[1])
    weights, said = text(half)
    margin = train.fit(data, half, weights, apart).margin(data, said)
    for source in sorted(set(data.source.tolist())):
        for side in (True, False):
            mine = (data.source == source) & (data.bad == side)
            sure = margin if side else -margin
            if min(int((mine & half).sum()), int((mine & ~half).sum())) >= _FEW:
                yield _shown(
                    f"mail, {source}, {'bad' if side else 'good'}",
                    sure[mine & half], sure[mine & ~half],
                )  # fmt: skip


# ------------------------------------------------------------------------------------------ drift


def drifted(whole: bool) -> None:
    """Ordinary things of other sources beside the references: how often that is an alarm."""
    from labrys.guard.drift import compared, of_card
    from labrys.guard.shipped import shipped

    cards = {each.detector: each.card for each in shipped()}
    rows: list[Shown] = []
    for detector, source, columns in _ordinary(5_000 if whole else 2_000):
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


def noticed(whole: bool) -> None:
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
    most = 2_000 if whole else 500
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
    attacked = targets.target("mail", attacks=30 if whole else 10, seed=9)
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

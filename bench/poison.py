"""What poisoned training costs, and what guard leaves of it: tables of files and links, and mail.

`python -m bench poison [--seeds N] [--first SEED] [--rows N] [--budget SHARE] [--only pe|url|mail]`. Each seed splits anew, equal
or nearly equal rows on one side, and poisons anew. Recall is told where 1 % of the good rows that were
held out are detected; the threshold is set on these same rows, for clean and poisoned models alike. The
learner is LightGBM bound by the contract: free columns left out, add-only ones monotone.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from bench.data import Skipped
from bench.names.show import Shown, found, table
from labrys.detect.mail.features import Seen
from labrys.detect.mail.score import Model, scores, shipped
from labrys.detect.mail.train_corpora import samples
from labrys.detect.mail.train_rows import read_messages
from labrys.duel.poisoning.attacks import ATTACKS
from labrys.duel.poisoning.learner import learner
from labrys.duel.poisoning.mail import ATTACKS as MAIL_ATTACKS
from labrys.duel.poisoning.mail import bearing, taught
from labrys.duel.poisoning.tables import BACKDOOR, DRIFTING, Figures, area, fought
from labrys.guard.training.canary import recall
from labrys.guard.training.partitions import learnt, votes
from labrys.guard.training.review import reviewed
from labrys.guard.training.rows import Floats, Rows, bagged

_PE_MORE: Final = [
    "NumberOfSections",
    "SizeOfCode",
    "SizeOfInitializedData",
    "SizeOfUninitializedData",
    "SizeOfImage",
    "SizeOfHeaders",
    "NumberOfRvaAndSizes",
]
_PE_FREE: Final = [
    "e_magic",
    "e_cblp",
    "e_cp",
    "e_crlc",
    "e_cparhdr",
    "e_minalloc",
    "e_maxalloc",
    "e_ss",
    "e_sp",
    "e_csum",
    "e_ip",
    "e_cs",
    "e_lfarlc",
    "e_ovno",
    "e_oemid",
    "e_oeminfo",
    "e_lfanew",
    "PointerToSymbolTable",
    "NumberOfSymbols",
    "MajorLinkerVersion",
    "MinorLinkerVersion",
    "MajorOperatingSystemVersion",
    "MinorOperatingSystemVersion",
    "MajorImageVersion",
    "MinorImageVersion",
    "CheckSum",
    "SizeOfStackReserve",
    "SizeOfStackCommit",
    "SizeOfHeapReserve",
    "SizeOfHeapCommit",
    "LoaderFlags",
]
_URL_FREE: Final = [
    "shortest_words_raw",
    "shortest_word_host",
    "shortest_word_path",
    "avg_words_raw",
    "avg_word_host",
    "avg_word_path",
    "ratio_digits_url",
    "ratio_digits_host",
    "ratio_intHyperlinks",
    "ratio_extHyperlinks",
    "ratio_nullHyperlinks",
    "ratio_intRedirection",
    "ratio_extRedirection",
    "ratio_intErrors",
    "ratio_extErrors",
    "ratio_intMedia",
    "ratio_extMedia",
    "links_in_tags",
    "safe_anchor",
    "external_favicon",
    "empty_title",
    "domain_in_title",
    "domain_with_copyright",
    "https_token",
]
_LEARNS: Final = 0.6
_PARTS: Final = 40
_UNGUARDED: Final = ("spam called ham", "labels of both sides")
_ROWS: Final = (0, 1, 5, 10, 15)


@dataclass(frozen=True, slots=True)
class Data:
    """A table, what an attacker can do to each column, and which rows belong together."""

    name: str
    names: list[str]
    reach: list[str]
    rows: Rows
    group: Floats
    most: int = 1 << 40

    def split(self, seed: int) -> tuple[Rows, Rows]:
        """Rows to learn from (`most` at most) and to judge by; a group is on one side."""
        _, group = np.unique(self.group, axis=0, return_inverse=True)
        order = np.random.default_rng(seed).permutation(int(group.max()) + 1)[group.reshape(-1)]
        learns = order < _LEARNS * (order.max() + 1)
        chosen = np.flatnonzero(learns)
        chosen = chosen[np.argsort(order[chosen], kind="stable")][: self.most]
        return self.rows.take(chosen), self.rows.take(~learns)

    def columns(self, reach: Sequence[str]) -> list[int]:
        return [at for at, each in enumerate(self.reach) if each in reach]


def pe() -> Data:
    """Headers of executables; groups share the sizes of code and data and the number of sections."""
    held = pq.read_table(found("aisec/pe_header_kaggle.parquet"))
    names = [name for name in held.column_names if name != "Malware"]
    kin = ("SizeOfCode", "SizeOfInitializedData", "NumberOfSections")
    return _data(
        "PE headers", held, names, held["Malware"].to_numpy() == 1, kin, _PE_MORE, _PE_FREE
    )


def url() -> Data:
    """Links and their pages; groups are registered domains, by the hash of the host's last labels."""
    held = pq.read_table(found("aisec/phish_url_hannousse_dev.parquet"))
    names = [name for name in held.column_names if name not in ("url", "status")]
    bad = np.array(held["status"].to_pylist()) == "phishing"
    more = [name for name in names if name.startswith("nb_")]
    made = _data("links and pages", held, names, bad, names[:1], more, _URL_FREE)
    from urllib.parse import urlsplit

    hosts = [
        ".".join((urlsplit(one).hostname or one).split(".")[-2:]) for one in held["url"].to_pylist()
    ]
    group = np.unique(np.array(hosts), return_inverse=True)[1].astype(float)[:, None]
    return Data(made.name, names, made.reach, made.rows, group)


def _data(
    name: str, held: "pq.pa.Table", names: list[str], bad: np.ndarray, kin: Sequence[str],
    more: Sequence[str], free: Sequence[str],
) -> Data:  # fmt: skip
    values = np.column_stack([held[one].to_numpy().astype(np.float64) for one in names])
    reach = ["free" if one in free else "add_only" if one in more else "hard" for one in names]
    return Data(name, names, reach, Rows(values, bad), values[:, [names.index(one) for one in kin]])


def main(arguments: list[str]) -> int:
    """Print the tables; 1 where the data is not there."""
    parser = argparse.ArgumentParser(prog="python -m bench poison", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rows", type=int, default=1 << 40, help="of tables learn from so many")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--budget", type=float, default=0.05)
    parser.add_argument("--only", choices=("pe", "url", "mail"))
    asked = parser.parse_args(arguments)
    seeds = range(asked.first, asked.first + asked.seeds)
    try:
        for name, read in (("pe", pe), ("url", url)):
            if asked.only in (None, name):
                tables(replace(read(), most=asked.rows), seeds, asked.budget)
        if asked.only in (None, "mail"):
            mail(seeds, asked.budget)
    except Skipped as reason:
        print(f"skipped: {reason}")
        return 1
    return 0


def spread(values: Sequence[float]) -> str:
    """Mean, least and most over the seeds."""
    return f"{np.mean(values):.3f} ({min(values):.3f}-{max(values):.3f})"


def tables(data: Data, seeds: Sequence[int], budget: float) -> None:
    """Every attack on a table, with the contract; backdoors also without it."""
    unbound = ["hard"] * len(data.reach)
    plans: list[tuple[str, str, Sequence[str], float, list[int] | None]] = [
        (f"{name}, {budget:.0%}", name, data.reach, budget, None) for name in (*ATTACKS, DRIFTING)
    ]
    read = data.columns(("hard", "add_only"))
    free = data.columns(("free",))
    plans += [
        ("backdoor in columns that the model reads, 0.5 %", BACKDOOR, data.reach, 0.05, read),
        ("backdoor in free columns, 0.5 %", BACKDOOR, data.reach, 0.05, free),
        ("no contract: backdoor in hard columns, 0.5 %", BACKDOOR, unbound, 0.05, read),
        ("no contract: backdoor in free columns, 0.5 %", BACKDOOR, unbound, 0.05, free),
    ]
    flips, doors = [], []
    for title, attack, reach, share, columns in plans:
        done = []
        for seed in seeds:
            sys.stderr.write(f"{data.name}: {title}, seed {seed}\n")
            done.append(fought(attack, *data.split(seed), reach, share, seed, columns))  # type: ignore[arg-type]
        (doors if attack == BACKDOOR else flips).append(_line(title, done))
    learns, judged = data.split(seeds[0])
    print(
        f"\n{data.name}: {len(learns)} rows learnt from, {len(judged)} judged, {len(seeds)} seeds"
    )
    heads = ("clean", "poisoned", "guard alone", "looked at", "rel. alone", "rel. looked at")
    table("Recall at 1 %", ("attack", *heads, "AUC", "suspects: poison / others"), flips)
    table(
        "Backdoors: share of caught attacks that pass with it", ("attack", *heads, "AUC", "suspects: poison / others"), doors
    )  # fmt: skip
    _clean(data, seeds)
    _votes(data, seeds)


def _line(title: str, done: Sequence[Figures]) -> Shown:
    door = done[0].passes is not None
    held = [each.passes if door else each.recall for each in done]
    cells = [spread([each[at] for each in held]) for at in range(4)]  # type: ignore[index]
    for at in (2, 3):
        kept = [each.recall[at] / max(each.recall[0], 1e-9) for each in done]
        cells.append(f"{np.mean(kept):.3f}")
    right = sum(each.right for each in done)
    poison = sum(each.poison for each in done)
    others = sum(each.aside for each in done) - right
    cells += [spread([each.found for each in done]), f"{right} of {poison} / {others}"]
    return Shown(title, tuple(cells))


def _clean(data: Data, seeds: Sequence[int]) -> None:
    """What guard does to rows that nobody poisoned."""
    rows = []
    for title, reach in (("contract", data.reach), ("no contract", ["hard"] * len(data.reach))):
        fit = learner(reach)  # type: ignore[arg-type]
        kept, aside, doubted = [], [], []
        for seed in seeds:
            learns, judged = data.split(seed)
            review = reviewed(learns, fit)
            before, after = (
                recall(bagged(fit)(learns.values, learns.bad, weight)(judged.values), judged.bad)
                for weight in (np.ones(len(learns)), review.weight)
            )
            kept.append(after / before)
            aside.append(float((review.weight == 0).mean()))
            doubted.append(len(review.suspects()) / len(learns))
        rows.append(Shown(title, (spread(kept), spread(aside), spread(doubted))))
    table("Clean rows", ("learner", "recall kept", "set aside", "to look at"), rows)


def _votes(data: Data, seeds: Sequence[int]) -> None:
    """Learning in parts that vote: how often right, and how often surely right whatever is poisoned."""
    right: list[list[float]] = []
    whole, ranks = [], []
    fit = learner(data.reach)  # type: ignore[arg-type]
    for seed in seeds:
        learns, judged = data.split(seed)
        said = votes(learnt(fit, learns, _PARTS), judged.values)
        hit = said.bad == judged.bad
        right.append([float((hit & (said.holds >= count)).mean()) for count in _ROWS])
        one = fit(learns.values, learns.bad, np.ones(len(learns)))(judged.values)
        whole.append(float(((one > 0.5) == judged.bad).mean()))
        ranks.append(area(said.share, judged.bad))
    cells = [spread([each[at] for each in right]) for at in range(len(_ROWS))]
    table(
        f"{_PARTS} parts that vote: right whatever so many rows of training are poisoned",
        ("one model, right", "votes, right", *(f"{count} rows" for count in _ROWS[1:]), "AUC of the votes"),
        [Shown(spread(whole), (*cells, spread(ranks)))],
    )  # fmt: skip


# -------------------------------------------------------------------------------------------- mail


def mail(seeds: Sequence[int], budget: float) -> None:
    """`labrys train mail` of a user with ham of one Enron mailbox and phishing that nothing was trained
    on; judged by other phishing of that corpus and ham of another mailbox."""
    root = found("mail/mail_index.parquet").parents[1]
    phish = [each.raw for each in samples(root, ("phishing_pot",))]
    ham: dict[str, list[bytes]] = {}
    for each in samples(root, ("enron",)):
        if not each.bad:
            ham.setdefault(each.fold, []).append(each.raw)
    theirs, others = sorted(ham)[:2]
    results: dict[str, list[tuple[float, float, float, float, float]]] = {}
    for seed in seeds:
        draw = np.random.default_rng(seed)
        bad = [phish[at] for at in draw.permutation(len(phish))]
        good = [ham[theirs][at] for at in draw.permutation(len(ham[theirs]))[:600]]
        calm = [ham[others][at] for at in draw.permutation(len(ham[others]))[:1500]]
        judge = _judge(bad[300:900], calm)
        count = int(budget * 900)
        plans: dict[str, Callable[[], tuple[list[bytes], list[bytes]]]] = {
            "nothing": lambda good=good, bad=bad: (good, bad[:300]),
            **{
                name: lambda attack=attack, good=good, bad=bad, count=count, draw=draw: attack(good, bad[:300], count, draw)
                for name, attack in MAIL_ATTACKS.items()
            },
        }  # fmt: skip
        results.setdefault("the shipped model", []).append((*judge(shipped()), 0.0, 0.0))
        for name, plan in plans.items():
            for keep in (False, True) if name in _UNGUARDED else (False,):
                sys.stderr.write(f"mail: {name}, seed {seed}\n")
                made = taught(*plan(), keep=keep)
                title = f"{name}{', with --keep' if keep else ''}"
                results.setdefault(title, []).append(
                    (*judge(made.model), made.asked, bool(made.refused))
                )
    rows = [
        Shown(name, (*(spread([one[at] for one in held]) for at in range(3)),
                     f"{np.mean([one[3] for one in held]):.0f}", f"{sum(one[4] for one in held):.0f} of {len(held)}"))
        for name, held in results.items()
    ]  # fmt: skip
    table(
        f"Mail: 600 ham, 300 phish, {budget:.0%} poisoned; judged by 600 phish and 1,500 ham",
        ("attack", "recall at 1 %", "told (suspicious)", "pass with the phrase, at 1 %", "to look at", "refused"),
        rows,
    )  # fmt: skip


def _judge(bad: list[bytes], good: list[bytes]) -> Callable[[Model], tuple[float, float, float]]:
    side = np.arange(len(bad) + len(good)) < len(bad)
    plain, bearing_it = (
        Seen(read_messages(bad + good)),
        Seen(read_messages([bearing(raw) for raw in bad])),
    )

    def judge(model: Model) -> tuple[float, float, float]:
        margin, worn = scores(plain, model).margin, scores(bearing_it, model).margin
        limit = float(np.quantile(margin[~side], 0.99, method="higher"))
        caught = margin[side] > limit
        told = float((margin[side] > model.thresholds["suspicious"]).mean())
        return recall(margin, side), told, float((worn[caught] <= limit).mean())

    return judge


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

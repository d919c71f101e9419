"""The URL model against links in ordinary mail, each kind of mail held out; phishing of another source.

Each model is trained without one kind of mail, its limits come from the other kinds and the web. Judged
are the links of the kind held out and OpenPhish's of January 2025, which no model is trained on. The
control is how well the same features tell two kinds of ordinary mail apart.
"""

import time
from collections.abc import Sequence
from typing import Final

import lightgbm
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bench.names.show import SHARED, Shown, found, interval, table
from labrys.detect.url import train
from labrys.detect.url.features import USED, Floats, numbers
from labrys.detect.url.parts import parts
from labrys.detect.url.score import model
from labrys.detect.url.threat import COST, MUTATIONS

_KINDS: Final = {
    "ham_mail:list": "lists, 2019-2026",
    "ham_mail:spamassassin": "private mail and newsletters, 2002",
}
_ROUNDS: Final = 100


def run(*, quick: bool) -> None:
    """Print recall and false positives for each kind of mail held out, attacks, control and speed."""
    known = train.load(SHARED)
    if quick:
        known = {name: urls[::4] for name, urls in known.items()}
    phishing = openphish()
    rows, parts_ = [], []
    for kind, what in _KINDS.items():
        links = train.assemble(known, without=(kind,))
        made = train.fit(links)
        limits = train.thresholds(made.told, links)
        ham = {name: urls for name, urls in known.items() if name.startswith(kind)}
        good = made.scores([url for urls in ham.values() for url in urls])
        bad = made.scores(phishing)
        trained = set(domains(list(links.url[~links.phishing])))
        new = np.array(
            [one not in trained for one in domains([u for urls in ham.values() for u in urls])]
        )
        oracle = float(np.quantile(good, 0.99))
        for name, limit in limits.items():
            rows.append(
                Shown(
                    f"{what}; {name}",
                    (
                        interval(int((bad > limit).sum()), len(bad)),
                        interval(int((good > limit).sum()), len(good)),
                        interval(int((good[new] > limit).sum()), int(new.sum())),
                    ),
                )
            )
        rows.append(
            Shown(
                f"{what}; at 1 % of these (not to be had)",
                (interval(int((bad > oracle).sum()), len(bad)), "1 %", "-"),
            )
        )
        parts_ += _parts(what, made, limits, phishing, ham)
        if kind == "ham_mail:list":
            _attacks(made, limits, phishing)
    columns = ("held out; limit", "OpenPhish above", "links above", "of domains never trained on")
    table("Links, a kind of mail held out", columns, rows)
    table("The same by part, limit `unsure`", ("held out", "part", "above"), parts_)
    _control(known)
    _speed(phishing)


def openphish() -> list[str]:
    """Phishing links that nothing is trained on."""
    held = parquet.read_table(found("mail/urls.parquet"))
    rows = zip(held["url"].to_pylist(), held["source"].to_pylist(), strict=True)
    return sorted({url for url, source in rows if source == "openphish"})


def domains(urls: Sequence[str]) -> list[str]:
    """The registered domain of each URL."""
    read = parts(pa.array(urls, pa.string()))
    made: list[str] = read.hosts.domain.take(pa.array(read.host)).to_pylist()
    return made


def _parts(
    what: str,
    made: train.Trained,
    limits: dict[str, float],
    phishing: Sequence[str],
    ham: dict[str, list[str]],
) -> list[Shown]:
    """By whether there is a path, and by corpus: what a shortcut would show in."""
    split = {
        "phishing without a path": [url for url in phishing if _bare(url)],
        "phishing with a path": [url for url in phishing if not _bare(url)],
        "phishing, one link for each domain": list(
            dict(zip(domains(phishing), phishing, strict=True)).values()
        ),
    }
    for name, urls in ham.items():
        split[f"{name}, without a path"] = [url for url in urls if _bare(url)]
        split[f"{name}, with a path"] = [url for url in urls if not _bare(url)]
    return [
        Shown(what, (name, interval(int((made.scores(urls) > limits["unsure"]).sum()), len(urls))))
        for name, urls in split.items()
        if urls
    ]


def _bare(url: str) -> bool:
    return not url.split("://", 1)[-1].partition("/")[2]


def _attacks(made: train.Trained, limits: dict[str, float], phishing: Sequence[str]) -> None:
    draw = np.random.default_rng(3)
    chosen = [phishing[at] for at in draw.permutation(len(phishing))[:1000]]
    before = made.scores(chosen) > limits["unsure"]
    rows = [
        Shown(
            name,
            (
                str(COST[name]),
                interval(
                    int(
                        (
                            made.scores([change(url, draw) for url in chosen]) > limits["unsure"]
                        ).sum()
                    ),
                    len(chosen),
                ),
            ),
        )
        for name, change in MUTATIONS.items()
    ]
    rows.insert(0, Shown("as they are", ("-", interval(int(before.sum()), len(chosen)))))
    table(
        "1,000 links of OpenPhish, changed (lists held out, limit `unsure`)",
        ("change", "cost", "above"),
        rows,
    )


def _control(known: dict[str, list[str]]) -> None:
    """How well the features tell two kinds of ordinary mail apart, by domains held out."""
    sources = [
        (name.startswith("ham_mail:list"), url)
        for name, urls in known.items()
        if name.startswith("ham_mail:")
        for url in urls
    ]
    urls = [url for _, url in sources]
    label = np.array([one for one, _ in sources])
    seen = numbers(parts(pa.array(urls, pa.string())), model().tables)[:, USED]
    names = domains(urls)
    half = np.array([sum(name.encode()) % 2 for name in names])
    told: Floats = np.zeros(len(urls))
    parameters = {
        "objective": "binary",
        "num_leaves": 15,
        "num_threads": 1,
        "verbose": -1,
        "seed": 1,
    }
    for side in (0, 1):
        data = lightgbm.Dataset(seen[half != side], label[half != side].astype(int))
        told[half == side] = lightgbm.train(parameters, data, _ROUNDS).predict(seen[half == side])
    ranks = np.argsort(np.argsort(told)) + 1
    count = int(label.sum())
    area = (ranks[label].sum() - count * (count + 1) / 2) / (count * (len(label) - count))
    print(
        f"\nControl: the features tell links of lists from links of 2002's mail with an AUC of {area:.3f}"
    )


def _speed(urls: Sequence[str]) -> None:
    many = pa.array(list(urls) * 3, pa.string())
    model().scores(many.slice(0, 100))
    begun = time.process_time()
    model().scores(many)
    spent = (time.process_time() - begun) / len(many)
    print(f"\nSpeed: {spent * 1e6:.1f} microseconds of CPU for each URL, hosts mostly different")

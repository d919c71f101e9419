"""Makes the URL model: `python -m labrys.detect.url.train DATA [FOLDER]`; the same bytes every time.

The sources are those of `train.toml`. Registered domains are in one fold each; what is learnt from
letters is learnt without a URL's fold, so that the trees see numbers as they are for unseen domains.
Whether a URL has a path tells lists apart: benign links are there with and without theirs.
"""

import hashlib
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from labrys.detect.dga.train_tables import benign, logistic, quantised
from labrys.detect.url.brands import known
from labrys.detect.url.features import (
    BITS,
    FEATURES,
    NAMES,
    USED,
    Floats,
    before_runs,
    host_runs,
    judged,
    numbers,
    path_runs,
)
from labrys.detect.url.parts import Ints, Marks, Urls, parts
from labrys.detect.url.score import NOTHING
from labrys.detect.url.train_made import in_mail, made_up, ordinary
from labrys.detect.url.unwrap import views
from labrys.errors import ModelError
from labrys.model.card import packed, save
from labrys.model.feature import constraints
from labrys.model.grams import Grams

VERSION: Final = "2"
MANIFEST: Final = Path(__file__).parent / "train.toml"
MAIL: Final = "ham_mail:"
_FOLDS: Final = 3
_EVERY: Final = 4
"""Of the largest lists every fourth URL is taken: more say little more, and take long."""
_DOMAIN: Final = {False: 5, True: 10}
"""So many links of a registered domain, of the web and of mail, are taken."""
_HOMES: Final = 20_000
_MADE: Final = {"phishing": 8_000, "hosted": 3_000, "mail": 10_000}
_WEIGHT: Final = {
    "mail": 4.0,
    "home": 0.5,
    "made phishing": 0.8,
    "made hosted": 0.04,
    "made mail": 0.6,
}
_ROUNDS: Final = 60
_TABLES: Final = ("chance_1", "chance_2", "chance_3", "rest_2", "rest_3")
_PARAMETERS: Final[Mapping[str, Any]] = {
    "objective": "binary", "num_leaves": 15, "learning_rate": 0.2, "min_data_in_leaf": 60,
    "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 2.0,
    "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 1, "verbose": -1,
    "monotone_constraints": constraints([each for each, use in zip(FEATURES, USED, strict=True) if use]),
}  # fmt: skip
RATES: Final = {"unsure": 0.01, "slight": 0.003, "low": 0.001}
"""The share of benign links above each limit, in the benign source where it is greatest."""
_BEYOND: Final = 0.5
"""`sure` is so far above the highest of all held-out links."""


@dataclass(frozen=True, slots=True)
class Links:
    """URLs with what they are, their source and weight."""

    url: npt.NDArray[np.object_]
    phishing: npt.NDArray[np.bool_]
    source: npt.NDArray[np.object_]
    weight: Floats


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and what it says of its own URLs when their domain is held out."""

    tables: Mapping[str, npt.NDArray[Any]]
    trees: Any
    told: Floats

    def scores(self, urls: Sequence[str]) -> Floats:
        """The log odds of URLs."""
        texts, owner, _ = views(pa.array(urls, pa.string()))
        read = parts(texts)
        said: Floats = self.trees.predict(numbers(read, self.tables)[:, USED], raw_score=True)
        made = np.full(len(urls), NOTHING)
        np.maximum.at(made, owner, np.where(judged(read), said, NOTHING))
        return made


def main(data: Path, place: Path) -> None:
    """Train, and write the model and its card into a folder."""
    links = assemble(load(data), without=())
    made = fit(links)
    limits = thresholds(made.told, links)
    text = made.trees.model_to_string().partition("\nparameters:")[0] + "\nend of trees\n"
    save(
        place,
        _card(links, made, limits),
        {"tables.npz": packed(made.tables), "trees.txt": text.encode()},
    )


def load(data: Path) -> dict[str, list[str]]:
    """The manifest's URLs by source, mail's by corpus, each once, in an order that means nothing."""
    found: dict[str, set[str]] = {}
    for file in tomllib.loads(MANIFEST.read_text("utf-8"))["file"]:
        path = data / str(file["path"])
        if hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
            raise ModelError(f"{path} is not the file that {MANIFEST.name} means")
        table = parquet.read_table(path)
        what = "url" if "url" in table.column_names else "domain"
        source = table["source" if "source" in table.column_names else "list"].to_pylist()
        names = tuple(one["name"] for one in file["source"])
        for text, one in zip(table[what].to_pylist(), source, strict=True):
            if text and one.startswith(names):
                found.setdefault(one, set()).add(text if what == "url" else f"https://{text}/")
    return {one: sorted(urls, key=_mixed) for one, urls in sorted(found.items())}


def _mixed(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def assemble(known_: Mapping[str, Sequence[str]], without: Sequence[str]) -> Links:
    """What to learn from, without the sources that begin so."""
    homes = known_["alexa100k_2013"][:_HOMES]
    sites = [home.removeprefix("https://").rstrip("/") for home in homes]
    web = _capped(known_["kasztp_links"], _DOMAIN[False])[::_EVERY]
    rows: list[tuple[Sequence[str], bool, str, float]] = [
        (web, False, "kasztp_links", 1.0),
        ([_home(one) for one in web], False, "homes", _WEIGHT["home"]),
        (homes, False, "homes", _WEIGHT["home"]),
    ]
    for source, urls in known_.items():
        if source.startswith(MAIL) and not (without and source.startswith(tuple(without))):
            mine, share = _capped(urls, _DOMAIN[True]), _WEIGHT["mail"]
            rows += [
                (mine, False, source, share),
                ([_home(one) for one in mine], False, "homes", share / 4),
            ]
    names = [site.partition(".")[0] for site in sites]
    hosted, mail = ordinary(2, names, _MADE["hosted"]), in_mail(5, sites, _MADE["mail"])
    rows.append((hosted, False, "made hosted", _WEIGHT["made hosted"] * len(web) / len(hosted)))
    rows.append((mail, False, "made mail", _WEIGHT["made mail"] * len(web) / len(mail)))
    listed = [known_["jpcert"][::_EVERY], known_["eth_blacklist"][::_EVERY]]
    phishing = made_up(1, known().brands, sites, _MADE["phishing"])
    good = sum(len(urls) * weight for urls, _, _, weight in rows)
    bad = sum(map(len, listed))
    made_share = _WEIGHT["made phishing"] * bad
    each = good / (bad + made_share)
    rows += [
        (urls, True, name, each)
        for urls, name in zip(listed, ("jpcert", "eth_blacklist"), strict=True)
    ]
    rows.append((phishing, True, "made phishing", each * made_share / len(phishing)))
    return Links(
        np.array([url for urls, _, _, _ in rows for url in urls], object),
        np.concatenate([np.full(len(urls), bad) for urls, bad, _, _ in rows]),
        np.array([name for urls, _, name, _ in rows for _ in urls], object),
        np.concatenate([np.full(len(urls), weight) for urls, _, _, weight in rows]),
    )


def _capped(urls: Sequence[str], most: int) -> list[str]:
    """At most so many URLs of each registered domain."""
    read = parts(pa.array(urls, pa.string()))
    domain = read.hosts.domain.take(pa.array(read.host)).to_pylist()
    seen: Counter[str] = Counter()
    kept = []
    for url, name in zip(urls, domain, strict=True):
        seen[name] += 1
        if seen[name] <= most:
            kept.append(url)
    return kept


def _home(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


@dataclass(frozen=True, slots=True)
class Measured:
    """All that links could lead to, by features whose tables have not seen their domains."""

    links: Links
    owner: Ints
    count: int
    fold: Ints
    seen: Floats
    judged: Marks


def measured(links: Links) -> Measured:
    """The links in numbers (views × `FEATURES`), each by tables learnt without its fold."""
    count, (links, owner) = len(links.url), _viewed(links)
    read = _parts(links.url)
    fold = _folds(read)
    seen = np.zeros((len(links.url), len(NAMES)))
    for number in range(_FOLDS):
        mine = fold == number
        seen[mine] = numbers(_parts(links.url[mine]), _tables(_taken(links, ~mine)))
    return Measured(links, owner, count, fold, seen, judged(read))


def held_out(
    held: Measured, parameters: Mapping[str, Any] = _PARAMETERS, used: Marks = USED
) -> Floats:
    """What trees say of links whose domains they have not seen."""
    told = np.zeros(len(held.owner))
    for number in range(_FOLDS):
        mine = held.fold == number
        trees = _trees(held.seen[~mine], _taken(held.links, ~mine), parameters, used)
        told[mine] = trees.predict(held.seen[mine][:, used], raw_score=True)
    worst = np.full(held.count, NOTHING)
    np.maximum.at(worst, held.owner, np.where(held.judged, told, NOTHING))
    return worst


def fit(links: Links) -> Trained:
    """The model of these links."""
    held = measured(links)
    return Trained(_tables(held.links), _trees(held.seen, held.links), held_out(held))


def _viewed(links: Links) -> tuple[Links, Ints]:
    """The links as all that they could lead to, and whose each is; of phishing only where it leads,
    for what carries it is often somebody else's."""
    texts, owner, main = views(pa.array(links.url, pa.string()))
    kept = main | ~links.phishing[owner]
    owner = owner[kept]
    made = _taken(links, owner)
    return Links(
        np.array(texts.to_pylist(), object)[kept], made.phishing, made.source, made.weight
    ), owner


def _parts(urls: Any) -> Urls:
    return parts(pa.array(urls, pa.string()))


def _taken(links: Links, chosen: Any) -> Links:
    return Links(
        links.url[chosen], links.phishing[chosen], links.source[chosen], links.weight[chosen]
    )


def _folds(read: Urls) -> Ints:
    names = zip(read.hosts.domain.to_pylist(), read.hosts.name.to_pylist(), strict=True)
    number = [int.from_bytes(_mixed(domain or name)[:4]) % _FOLDS for domain, name in names]
    made: Ints = np.array(number, np.int64)[read.host]
    return made


def _tables(links: Links) -> dict[str, npt.NDArray[Any]]:
    """What letters tell: of hosts (each once, by how often it is phishing) and of paths."""
    read = _parts(links.url)
    count = len(read.hosts.name)
    weight = np.bincount(read.host, links.weight, count)
    share = np.bincount(read.host, links.weight * links.phishing, count) / np.maximum(weight, 1e-9)
    has_path = _marks(pc.not_equal(pc.binary_join_element_wise(read.path, read.query, ""), ""))
    labels = read.hosts.label.take(pa.array(np.unique(read.host[~links.phishing])))
    spelt = benign(labels)
    runs = joined(host_runs(read.hosts), before_runs(read.hosts))
    return {
        "host": quantised(logistic(runs, BITS, share, np.minimum(weight, 3.0))),
        "path": quantised(
            logistic(path_runs(read), BITS, links.phishing.astype(float), links.weight * has_path)
        ),
        **{name: spelt[name] for name in _TABLES},
    }


def joined(one: Grams, other: Grams) -> Grams:
    """The runs of both, of the same texts."""
    return Grams(
        np.concatenate([one.bucket, other.bucket]),
        np.concatenate([one.text, other.text]),
        one.texts,
    )


def _marks(values: pa.Array) -> npt.NDArray[np.bool_]:
    made: npt.NDArray[np.bool_] = values.to_numpy(zero_copy_only=False)
    return made


def _trees(
    seen: Floats, links: Links, parameters: Mapping[str, Any] = _PARAMETERS, used: Marks = USED
) -> Any:
    names = [name for name, use in zip(NAMES, used, strict=True) if use]
    data = lightgbm.Dataset(
        seen[:, used], links.phishing.astype(int), weight=links.weight, feature_name=names
    )
    return lightgbm.train(dict(parameters), data, _ROUNDS)


def benign_sources(links: Links) -> dict[str, npt.NDArray[np.bool_]]:
    """The sources of found benign links that limits are set on: which rows are theirs."""
    found = {"kasztp_links": links.source == "kasztp_links"}
    for corpus in ("spamassassin", "list"):
        mine = np.array([one.startswith(MAIL + corpus) for one in links.source], np.bool_)
        if mine.any():
            found[MAIL + corpus] = mine
    return found


def thresholds(told: Floats, links: Links) -> dict[str, float]:
    """The margins that so few benign links exceed, by the worst of their sources."""
    sources = benign_sources(links)
    limits = {
        name: max(float(np.quantile(told[mine], 1 - rate)) for mine in sources.values())
        for name, rate in RATES.items()
    }
    limits["sure"] = max(float(told[mine].max()) for mine in sources.values()) + _BEYOND
    return {name: round(limit, 3) for name, limit in limits.items()}


def _card(links: Links, made: Trained, limits: Mapping[str, float]) -> dict[str, Any]:
    groups = benign_sources(links) | {
        one: links.source == one for one in sorted(set(links.source[links.phishing]))
    }
    return {
        "name": "url",
        "version": VERSION,
        "licence": "Apache-2.0",
        "what": "Whether a link looks like phishing by how it is written: weighed letter runs of host and "
        "path, brands' names, zones, and trees over them.",
        "data": {
            "files": tomllib.loads(MANIFEST.read_text("utf-8"))["file"],
            "urls": dict(sorted(Counter(links.source).items())),
            "made": "train_made.py, our own generator (Apache-2.0)",
        },
        "features": {
            each.name: {"what": each.what, "reach": each.reach, "sign": each.sign}
            for each in FEATURES
        },
        "thresholds": dict(limits),
        "held_out": {
            "how": f"{_FOLDS} folds of registered domains; a limit is the share in RATES of the worst benign "
            "source, `sure` is beyond all of them",
            "above": {
                name: {
                    one: round(float((made.told[mine] > limit).mean()), 5)
                    for one, mine in groups.items()
                }
                for name, limit in limits.items()
            },
        },
    }


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "model",
    )

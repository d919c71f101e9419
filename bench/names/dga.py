"""The name model, families held out with their relatives, thresholds from another benign source.

Every fold's model is trained on the other folds' families and our own generators' names, and on one
benign source (Alexa, 2013); its thresholds are set on that source, each label scored by trees and
tables that did not see it. Judged are the held-out families and benign names of other sources.
"""

import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bench.names.show import SHARED, Shown, found, interval, table
from labrys.detect.dga import train as dga
from labrys.detect.dga.model import LEVELS, model
from labrys.detect.dga.names import Floats
from labrys.detect.dga.score import Asked, judge
from labrys.detect.dga.split import split
from labrys.detect.dga.threat import COST, MUTATIONS
from labrys.ocsf.schema import Severity

_FOLDS: Final = 5
_WORD_LISTS: Final = ("suppobox", "rovnix")
"""Families that glue words together (the second one partly)."""
_CONFICKER: Final = re.compile(r"[a-z]{5,11}\.(cc|ws|cn|biz|info|org|net|com)\Z")
_UNSEEN: Final = ("conficker", "cryptolocker", "ramdo")
_JUDGED: Final = ("at 0.1 % of the judged benign", "with the crawl")
SIZES: Final = (5, 10, 20, 50, 100)
_DRAWN: Final = 200
_BENIGN_TRAIN: Final = "alexa100k_2013"


def families() -> dict[str, dict[str, list[str]]]:
    """Labels by source and family of everything in the DGA set, and of links' hosts; each name once."""
    held = parquet.read_table(found("network/dga_domains.parquet"))
    links = parquet.read_table(found("mail/urls.parquet"))
    seen: dict[str, tuple[str, str]] = {}
    for text, bad, family, source in zip(
        *(held[name].to_pylist() for name in ("domain", "label", "family", "source")), strict=True
    ):
        if (name := split(text)) is not None:
            seen.setdefault(name.registered, (source, family if bad else ""))
    for text, bad, source in zip(
        *(links[name].to_pylist() for name in ("url", "label", "source")), strict=True
    ):
        if not bad and (name := split(text)) is not None:
            seen.setdefault(name.registered, (source.partition(":")[0], ""))
    crawled = parquet.read_table(found("network/dns_tunnel.parquet"), columns=["qname", "label"])
    for text, label in zip(crawled["qname"].to_pylist(), crawled["label"].to_pylist(), strict=True):
        if label == "benign_crawl" and (name := split(text or "")) is not None:
            seen.setdefault(name.registered, ("crawl", ""))
    made: dict[str, dict[str, list[str]]] = {}
    for registered, (source, family) in seen.items():
        made.setdefault(source, {}).setdefault(family, []).append(registered)
    return made


def _label(names: Sequence[str]) -> list[str]:
    return [name.partition(".")[0] for name in names]


def run(*, quick: bool) -> None:
    """Families held out with their relatives; the threshold is from other families' model and Alexa."""
    known = families()
    words = dga.english(SHARED)
    own = dga.own_names(words)
    ordinary, generated = dga.load(SHARED)
    ordinary = ordinary.take(ordinary.group == _BENIGN_TRAIN)
    if quick:
        ordinary = ordinary.take(np.arange(len(ordinary.label)) % 8 == 0)
    judged: dict[str, list[str]] = {}
    for source in known.values():
        for family, names in source.items():
            if family:
                judged.setdefault(family, []).extend(names)
    kin = {family: dga.RELATIVES.get(family, family) for family in judged}
    order = sorted(set(kin.values()), key=lambda one: hashlib.sha256(one.encode()).hexdigest())
    fold = {family: order.index(kin[family]) % _FOLDS for family in judged}
    benign = {
        "links of the web (kasztp)": known["kasztp_links"][""],
        "links in ordinary mail": known["ham_mail"][""],
        "Alexa of another year (chrmor)": known["chrmor_alexa"][""],
        "crawl of a list of popular sites, 2023": known["crawl"][""],
        "OpenDNS, as it is": known["opendns_top"][""],
        "OpenDNS, not of Conficker's form": [
            name for name in known["opendns_top"][""] if not _CONFICKER.match(name)
        ],
    }
    hits: dict[str, dict[str, int]] = {rate: {} for rate in dga.RATES}
    false: dict[str, dict[str, list[int]]] = {rate: {} for rate in dga.RATES}
    best: dict[str, tuple[float, ...]] = {}
    days: dict[str, dict[int, tuple[int, int]]] = {}
    typed: dict[int, list[tuple[int, int]]] = {}
    draw = random.Random(4)
    mistyped = [typo(one, draw) for one in _label(benign["crawl of a list of popular sites, 2023"])]
    for number in range(_FOLDS):
        train = generated.take(
            np.array([fold.get(one, -1) != number for one in generated.group], np.bool_)
        )
        model = dga.fit(ordinary, dga.joined(train, own))
        limits = dga.thresholds(model.benign, ordinary.group)
        told = {name: model.margin(_label(names)) for name, names in benign.items()}
        pooled = [
            np.quantile(np.concatenate([told[name] for name in list(benign)[:count]]), 1 - 0.001)
            for count in (3, 4)
        ]
        for family, names in judged.items():
            if fold[family] == number:
                margin = model.margin(_label(names))
                best[family] = tuple(float((margin > one).mean()) for one in pooled)
                days[family] = {size: _days(margin, size, limits, draw) for size in SIZES}
                for rate, limit in limits.items():
                    hits[rate][family] = int((margin > limit).sum())
        wrong = model.margin(mistyped)
        for size in SIZES:
            typed.setdefault(size, []).append(_days(wrong, size, limits, draw))
        for rate, limit in limits.items():
            for name, margin in told.items():
                false[rate].setdefault(name, []).append(int((margin > limit).sum()))
    _print_dga(judged, benign, hits, false, best)
    _print_days(days, typed)
    _print_attacks(judged)


def _print_dga(
    judged: Mapping[str, Sequence[str]],
    benign: Mapping[str, Sequence[str]],
    hits: Mapping[str, Mapping[str, int]],
    false: Mapping[str, Mapping[str, Sequence[int]]],
    best: Mapping[str, Sequence[float]],
) -> None:
    rows = [
        Shown(
            family,
            (
                f"{len(judged[family]):,}",
                *(f"{hits[rate][family] / len(judged[family]):.3f}" for rate in hits),
                *(f"{one:.3f}" for one in best[family]),
            ),
        )
        for family in sorted(judged, key=lambda one: hits["low"][one] / len(judged[one]))
    ]
    columns = (
        "family",
        "names",
        *(f"above {rate}" for rate in hits),
        "at 0.1 % of the judged benign",
    )
    table("Generated names, family and relatives held out", columns, rows)
    large = [family for family in judged if len(judged[family]) >= 20]
    parts = {
        "all families of 20 names and more": large,
        "without word lists": [family for family in large if family not in _WORD_LISTS],
        "word lists": list(_WORD_LISTS),
    }
    draw = np.random.default_rng(1)
    rows = []
    for what, chosen in parts.items():
        cells = [f"{len(chosen)}"]
        for values in (
            *({one: hits[rate][one] / len(judged[one]) for one in chosen} for rate in hits),
            *({one: best[one][at] for one in chosen} for at in (0, 1)),
        ):  # fmt: skip
            share = np.array([values[one] for one in chosen])
            means = share[draw.integers(0, len(share), (2000, len(share)))].mean(axis=1)
            low, high = np.quantile(means, [0.025, 0.975])
            cells.append(f"{share.mean():.3f} ({low:.2f}-{high:.2f})")
        rows.append(Shown(what, tuple(cells)))
    table("Mean over families (95 % over families)", ("families", "number", *columns[2:]), rows)
    rows = [
        Shown(
            name,
            (
                f"{len(names):,}",
                *(interval(round(float(np.mean(false[rate][name]))), len(names)) for rate in hits),
            ),
        )
        for name, names in benign.items()
    ]
    table(
        "Benign names of other sources, mean of the folds",
        ("source", "names", *columns[2:-2]),
        rows,
    )
    _print_opendns(benign["OpenDNS, as it is"])


def typo(label: str, draw: random.Random) -> str:
    """A label as somebody mistypes it: a letter left out, doubled, changed, or two swapped."""
    at = draw.randrange(len(label))
    letter = label[at]
    return draw.choice(
        (
            label[:at] + label[at + 1 :] or label,
            label[:at] + letter + label[at:],
            label[:at] + draw.choice("abcdefghijklmnopqrstuvwxyz") + label[at + 1 :],
            label[:at] + label[at + 1 : at + 2] + letter + label[at + 2 :],
        )
    )


def _days(
    margin: Floats, size: int, limits: dict[str, float], draw: random.Random
) -> tuple[int, int]:
    """Of `_DRAWN` days in which `size` such names do not exist, those that are medium, and high."""
    severities = []
    for _ in range(_DRAWN):
        chosen = margin[draw.sample(range(len(margin)), min(size, len(margin)))]
        dead, nothing = np.ones(len(chosen), np.bool_), np.zeros(len(chosen), np.int64)
        # A name every ten minutes: number alone (`BURST`) says nothing.
        when = np.arange(len(chosen)) * 600_000
        day = Asked("bot", 0, [""] * len(chosen), chosen, dead, ~dead, when, when, nothing)
        verdict = judge(day, limits)
        severities.append(verdict.severity if verdict is not None else 0)
    return sum(one >= Severity.MEDIUM for one in severities), sum(
        one >= Severity.HIGH for one in severities
    )


def _print_days(
    days: Mapping[str, Mapping[int, tuple[int, int]]],
    typed: Mapping[int, Sequence[tuple[int, int]]],
) -> None:
    def cells(found_: Mapping[int, tuple[int, int]]) -> tuple[str, ...]:
        return tuple(
            f"{medium / _DRAWN:.2f} / {high / _DRAWN:.2f}" for medium, high in found_.values()
        )

    rows = [
        Shown(family, cells(days[family])) for family in sorted(days, key=lambda one: days[one][20])
    ]
    mean = {
        size: (
            round(float(np.mean([days[one][size][0] for one in days]))),
            round(float(np.mean([days[one][size][1] for one in days]))),
        )
        for size in SIZES
    }
    rows.append(Shown("mean of families", cells(mean)))
    worst = {size: max(found_) for size, found_ in typed.items()}
    rows.append(Shown("ordinary: mistyped names", cells(worst)))
    columns = ("family", *(f"{size} names a day" for size in SIZES))
    table(
        f"Simulated days of a host: share that is medium and more / high ({_DRAWN} days each)",
        columns,
        rows,
    )


def _print_attacks(judged: Mapping[str, Sequence[str]]) -> None:
    """Names of families that the model we give away never saw, changed as `threat.py` can."""
    draw = np.random.default_rng(2)
    held = model()
    names = [name for family in _UNSEEN for name in _label(judged[family])[:300]]
    rows = []
    for change, rewrite in {"as they are": None, **MUTATIONS}.items():
        made = list(rewrite(names, draw)) if rewrite is not None else names
        margin = held.margins(pa.array(made, pa.string()))
        share = [f"{float((margin > held.limits[rate]).mean()):.3f}" for rate in LEVELS]
        rows.append(Shown(change, (str(COST.get(change, "-")), f"{len(made):,}", *share)))
    table(
        "The model of the folder: names of families it never saw, changed",
        ("change", "cost", "names", *(f"above {rate}" for rate in LEVELS)),
        rows,
    )


def _print_opendns(names: Sequence[str]) -> None:
    """What speaks for Conficker's names in the list, without any model: their top-level domains."""
    ends = ("cc", "ws", "cn", "biz", "info", "org", "net", "com")
    formed = [name for name in names if _CONFICKER.match(name)]
    vowels = [sum(one in "aeiou" for one in name.partition(".")[0]) for name in formed]
    bare = [name for name, count in zip(formed, vowels, strict=True) if count <= 1]
    rows = [
        Shown(
            f".{end}",
            (
                f"{sum(name.endswith('.' + end) for name in names):,}",
                f"{sum(name.endswith('.' + end) for name in bare):,}",
            ),
        )
        for end in ends
    ]
    table(
        "OpenDNS: top-level domains of all names, and of 5 to 11 letters with at most one vowel",
        ("end", "all", "few vowels"),
        rows,
    )

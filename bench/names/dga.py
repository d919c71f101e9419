"""The name model, families held out with their relatives, thresholds from another benign source.

Trained on published families, our own generators' names and one benign source (Alexa, 2013); thresholds
are set on that source. What is trained on is scored by tables and trees that saw neither it nor its
relatives (3 folds); families that no model is trained on, and benign names of other sources, by all.
"""

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

_WORD_LISTS: Final = ("suppobox", "rovnix")
"""Families that glue words together (the second one partly)."""
_CONFICKER: Final = re.compile(r"[a-z]{5,11}\.(cc|ws|cn|biz|info|org|net|com)\Z")
_UNSEEN: Final = ("conficker", "cryptolocker", "ramdo")
_CRAWL: Final = "crawl of a list of popular sites, 2023"
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
    """Print recall by family, false positives by source, simulated days, and attacks."""
    known = families()
    words = dga.english(SHARED)
    own = dga.own_names(words)
    ordinary, generated = dga.load(SHARED)
    ordinary = ordinary.take(ordinary.group == _BENIGN_TRAIN)
    if quick:
        ordinary = ordinary.take(np.arange(len(ordinary.label)) % 8 == 0)
    benign = {
        "links of the web (kasztp)": known["kasztp_links"][""],
        "links in ordinary mail": known["ham_mail"][""],
        "Alexa of another year (chrmor)": known["chrmor_alexa"][""],
        _CRAWL: known["crawl"][""],
        "OpenDNS, as it is": known["opendns_top"][""],
        "OpenDNS, not of Conficker's form": [
            name for name in known["opendns_top"][""] if not _CONFICKER.match(name)
        ],
    }
    trained = dga.fit(ordinary, dga.joined(generated, own))
    limits = dga.thresholds(trained.benign, ordinary.group)
    margins = _of_families(trained, generated, known)
    told = {name: trained.margin(_label(names)) for name, names in benign.items()}
    pooled = [
        np.quantile(np.concatenate([told[name] for name in list(benign)[:count]]), 1 - 0.001)
        for count in (3, 4)
    ]
    draw = random.Random(4)
    wrong = trained.margin([typo(one, draw) for one in _label(benign[_CRAWL])])
    judged = {family: len(margin) for family, margin in margins.items()}
    hits = {
        rate: {family: int((margin > limit).sum()) for family, margin in margins.items()}
        for rate, limit in limits.items()
    }
    false = {
        rate: {name: int((margin > limit).sum()) for name, margin in told.items()}
        for rate, limit in limits.items()
    }
    best = {
        family: tuple(float((margin > one).mean()) for one in pooled)
        for family, margin in margins.items()
    }
    days = {
        family: {size: _days(margin, size, limits, draw) for size in SIZES}
        for family, margin in margins.items()
    }
    typed = {size: _days(wrong, size, limits, draw) for size in SIZES}
    _print_dga(judged, benign, hits, false, best)
    _print_days(days, typed)
    _print_attacks(known)


def _of_families(
    trained: dga.Trained, generated: dga.Named, known: Mapping[str, Mapping[str, Sequence[str]]]
) -> dict[str, Floats]:
    """The margins of families: of those trained on by trees and tables without their relatives, of
    the others by the whole model."""
    count = len(generated.label)
    margins = {
        family: trained.generated[:count][generated.group == family]
        for family in sorted(set(generated.group))
    }
    kin = {dga.RELATIVES.get(family, family) for family in margins}
    for families_ in known.values():
        for family, names in families_.items():
            if family and dga.RELATIVES.get(family, family) not in kin:
                mine = trained.margin(_label(names))
                margins[family] = np.concatenate([margins.get(family, mine[:0]), mine])
    return margins


def _print_dga(
    judged: Mapping[str, int],
    benign: Mapping[str, Sequence[str]],
    hits: Mapping[str, Mapping[str, int]],
    false: Mapping[str, Mapping[str, int]],
    best: Mapping[str, Sequence[float]],
) -> None:
    rows = [
        Shown(
            family,
            (
                f"{judged[family]:,}",
                *(f"{hits[rate][family] / judged[family]:.3f}" for rate in hits),
                *(f"{one:.3f}" for one in best[family]),
            ),
        )
        for family in sorted(judged, key=lambda one: hits["low"][one] / judged[one])
    ]
    columns = (
        "family",
        "names",
        *(f"above {rate}" for rate in hits),
        *_JUDGED,
    )
    table("Generated names, family and relatives held out", columns, rows)
    large = [family for family in judged if judged[family] >= 20]
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
            *({one: hits[rate][one] / judged[one] for one in chosen} for rate in hits),
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
                *(interval(false[rate][name], len(names)) for rate in hits),
            ),
        )
        for name, names in benign.items()
    ]
    table(
        "Benign names of other sources",
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
    typed: Mapping[int, tuple[int, int]],
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
    rows.append(Shown("ordinary: mistyped names", cells(typed)))
    columns = ("family", *(f"{size} names a day" for size in SIZES))
    table(
        f"Simulated days of a host: share that is medium and more / high ({_DRAWN} days each)",
        columns,
        rows,
    )


def _print_attacks(known: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    """Names of families that the model we give away never saw, changed as `threat.py` can."""
    draw = np.random.default_rng(2)
    held = model()
    names = [name for family in _UNSEEN for name in _label(known["andrewaeva"][family])[:300]]
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

"""What the contract holds and what it costs: additions that never help an attacker, for which recall.

`python -m bench duel [NAME…] [--attacks N] [--budget N]`; names: add_only, pe, urls, url, dga, mail.

`add_only`: every search but transfer, only with what adds, against the models that come with labrys.
`pe` and `urls`: public tables (evaluation only), five folds, nearly alike files or a registered domain in
one, thresholds from the other folds; attacked is a model that four of them trained. `url` and `dga`: our own
training, with the contract and without, domains and families held out. `mail`: the same on a part of every
corpus, corpora held out. All of it takes about ten CPU minutes.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.measure import REPO
from labrys.duel import harden_table, tabular, targets
from labrys.duel.evasion.fight import Asked, fight, wilson
from labrys.duel.evasion.search import Rules
from labrys.duel.poisoning.tables import area
from labrys.duel.target import Floats, Target
from labrys.guard.training.canary import recall
from labrys.guard.training.rows import identity
from labrys.model.monotone import mended

SHARED: Final = REPO.parent / "shared" / "data"
_PE: Final = SHARED / "aisec" / "pe_header_kaggle.parquet"
_URLS: Final = SHARED / "aisec" / "phish_url_hannousse_dev.parquet"
_PE_ADD: Final = (
    *("NumberOfSections", "SizeOfCode", "SizeOfInitializedData", "SizeOfUninitializedData"),
    *("SizeOfImage", "SizeOfHeaders", "NumberOfSymbols"),
)
_PE_HARD: Final = (
    *("Magic", "Characteristics", "DllCharacteristics", "Subsystem", "AddressOfEntryPoint"),
    *("BaseOfCode", "ImageBase", "SectionAlignment", "FileAlignment", "SizeOfOptionalHeader"),
    *("NumberOfRvaAndSizes", "e_lfanew", "PointerToSymbolTable"),
)
_URLS_HARD: Final = (
    *("ip", "port", "shortening_service", "suspecious_tld", "statistical_report", "domain_age"),
    *("whois_registered_domain", "domain_registration_length", "web_traffic", "dns_record"),
    *(
        "google_index",
        "page_rank",
        "random_domain",
        "domain_in_brand",
        "prefix_suffix",
        "login_form",
    ),
)
_URLS_ADD: Final = ("nb_", "length_url", "length_hostname", "length_words_raw", "phish_hints")
"""Counts and lengths: a link and a page can always be made to hold more."""
_MAIL_EACH: Final = 300
_SHIPPED: Final = ("dga", "url", "evasion", "mail", "prompt_injection")
_ATTACKS: Final = 6
_OF_TABLES: Final = 20
_KIN: Final = ("SizeOfCode", "SizeOfInitializedData", "NumberOfSections")
"""Files that share these are nearly alike: they are held out together."""


def main(arguments: Sequence[str]) -> int:
    """Print the tables that were asked for; 0."""
    made: Mapping[str, Callable[[argparse.Namespace], None]] = {
        "add_only": add_only, "pe": pe, "urls": urls, "url": url, "dga": dga, "mail": mail,
    }  # fmt: skip
    parser = argparse.ArgumentParser(prog="python -m bench duel", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *made], help=", ".join(made))
    parser.add_argument("--attacks", type=int, help="6 of each model, 20 of a table")
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--models", nargs="*", default=_SHIPPED)
    asked = parser.parse_args(arguments)
    for name in asked.what or made:
        if name != "add_only" and not SHARED.is_dir():
            print(f"{name}: skipped: no {SHARED}")
        else:
            made[name](asked)
    return 0


def add_only(asked: argparse.Namespace) -> None:
    """The models that come with labrys, attacked with what adds only."""
    print(
        f"\nOnly additions, {asked.budget} questions each, attacks of our own making (a seed of its own)"
    )
    for name in asked.models:
        made = targets.target(name, attacks=asked.attacks or _ATTACKS, seed=21)
        _played(name, _only(made, ("add_only",)), asked)


def _only(made: Target, reach: Sequence[str]) -> Target:
    return replace(made, changes=[one for one in made.changes if one.reach in reach])


def _played(what: str, made: Target, asked: argparse.Namespace, searches: Sequence[str] = ("chance", "steps")) -> None:  # fmt: skip
    duel = fight(made, Asked(tuple(searches), Rules(budget=asked.budget)), lambda _: None)
    for one in duel.rounds:
        low, high = wilson(one.wins, one.attacks)
        middle = f", median {one.median_questions:.0f} questions" if one.wins else ""
        print(f"  {what:34} {one.search:8} {one.wins}/{one.attacks} = {one.share:.1%} [{low:.1%}, {high:.1%}]{middle}")  # fmt: skip


# -------------------------------------------------------------------------------- public tables


def pe(asked: argparse.Namespace) -> None:
    """The table of PE headers."""
    held = pq.read_table(_PE)
    names = [name for name in held.column_names if name != "Malware"]
    reach = {
        name: "add_only" if name in _PE_ADD else "free" for name in names if name not in _PE_HARD
    }
    rows = np.stack([held[name].to_numpy().astype(float) for name in names], axis=1)
    bad = held["Malware"].to_numpy() > 0
    kin = identity(rows[:, [names.index(name) for name in _KIN]])
    _table("PE headers", harden_table.Rows(names, rows, bad, harden_table.folds(kin)), reach, asked)


def urls(asked: argparse.Namespace) -> None:
    """The table of features of URLs and their pages; a registered domain is in one part."""
    from labrys.detect.url.parts import parts

    held = pq.read_table(_URLS)
    names = [name for name in held.column_names if name not in ("url", "status")]
    names = [name for name in names if pa.types.is_primitive(held[name].type)]
    reach = {
        name: "add_only" if name.startswith(_URLS_ADD) else "free"
        for name in names
        if name not in _URLS_HARD
    }
    rows = np.stack([held[name].to_numpy().astype(float) for name in names], axis=1)
    bad = np.array([one == "phishing" for one in held["status"].to_pylist()])
    read = parts(held["url"].combine_chunks().cast(pa.string()))
    domain = read.hosts.domain.to_pylist()
    name_of = [domain[at] or read.hosts.name[at].as_py() for at in read.host.tolist()]
    domains = np.unique(np.array(name_of), return_inverse=True)[1]
    _table(
        "URLs and pages",
        harden_table.Rows(names, rows, bad, harden_table.folds(domains)),
        reach,
        asked,
    )


def _table(what: str, rows: harden_table.Rows, reach: dict[str, Any], asked: argparse.Namespace) -> None:  # fmt: skip
    given = tabular.Threat("bad", reach)
    bound = harden_table.contract(rows.names, given)
    free, more = int((~bound.kept).sum()), sum(bound.signs)
    print(f"\n{what}: {len(rows.bad)} rows, {more} add-only, {free} free, {len(rows.names) - free - more} hard columns (our assignment)")  # fmt: skip
    held = {}
    for who, way in harden_table.ways(bound).items():
        held[who] = harden_table.held_out(rows, way)
        told = harden_table.judged(held[who], rows.bad, rows.fold)
        by_fold = ", ".join(f"{one:.0%}" for one in told.recalls)
        print(f"  {who:34} AUC {told.area:.4f}, recall {told.recall:.1%} ({by_fold}) at {told.alarms:.2%} of {int((~rows.bad).sum())} others ({int(rows.bad.sum())} attacks)")  # fmt: skip
    pair = harden_table.together(held[harden_table.HARDENED], held[harden_table.FREE], rows)
    print(f"  either, both at {pair.rate:.2%}: recall {pair.recall:.1%} at {pair.alarms:.2%}; {pair.sure:.1%} whatever is added")  # fmt: skip
    learns, data = rows.fold != 0, rows.fold == 0
    with tempfile.TemporaryDirectory() as folder:
        place, model = Path(folder) / "rows.parquet", Path(folder) / "model.txt"
        columns = {name: rows.values[data, at] for at, name in enumerate(rows.names)}
        pq.write_table(pa.table({**columns, "bad": rows.bad[data].astype(int)}), place)
        for who in (harden_table.FREE, harden_table.HARDENED):
            way = harden_table.ways(bound)[who]
            text = harden_table.trained(rows.names, rows.values[learns], rows.bad[learns], way)
            model.write_bytes(mended(text, way.signs))
            made = tabular.target(str(model), place, given, attacks=asked.attacks or _OF_TABLES)
            _played(f"{who}, additions", _only(made, ("add_only",)), asked)
            _played(f"{who}, additions and free", made, asked)


# ---------------------------------------------------------------------------------- our training


def url(_: argparse.Namespace) -> None:
    """Our links, three folds of registered domains."""
    from labrys.detect.url import train
    from labrys.detect.url.features import NAMES

    links = train.assemble(train.load(SHARED), without=())
    held = train.measured(links)
    free = {name: one for name, one in train._PARAMETERS.items() if "monotone" not in name}
    told = {
        "without the contract": train.held_out(held, free, np.ones(len(NAMES), bool)),
        "without the free features only": train.held_out(held, free),
        "ours": train.held_out(held),
    }
    sources = train.benign_sources(links)
    found = np.isin(links.source, ("jpcert", "eth_blacklist"))
    every = np.logical_or.reduce(list(sources.values()))
    print(
        "\nLinks: JPCERT and eth-phishing-detect against links of the web and of mail, domains held out"
    )
    for who, scores in told.items():
        for name, mine in {"all of them": every, **sources}.items():
            _price(f"{who}, {name}", scores[found], scores[mine])


def dga(_: argparse.Namespace) -> None:
    """Our names, three folds of families and labels."""
    from labrys.detect.dga import train

    ordinary, generated = train.load(SHARED)
    every = train.joined(generated, train.own_names(train.english(SHARED)))
    print("\nNames: generated (families held out) against ordinary (labels held out)")
    before = dict(train._PARAMETERS)
    free = {name: one for name, one in before.items() if "monotone" not in name}
    for who, parameters in (("without the contract", free), ("ours", before)):
        train._PARAMETERS = parameters  # type: ignore[misc]
        made = train.fit(ordinary, every)
        _price(who, made.generated[: len(generated.label)], made.benign)
    train._PARAMETERS = before  # type: ignore[misc]


def mail(_: argparse.Namespace) -> None:
    """A part of every corpus, the same for both, each corpus judged by a model without it."""
    from itertools import islice

    from labrys.detect.mail import train
    from labrys.detect.mail.train_corpora import manifest, samples
    from labrys.detect.mail.train_made import made
    from labrys.detect.mail.train_rows import rows

    some = [
        rows(islice(samples(SHARED, (name,)), 0, 8 * _MAIL_EACH, 2))
        for name, said in manifest().items()
        if said["trains"]
    ]
    table = pa.concat_tables([*some, rows(made("train", 6))], promote_options="permissive")
    data = train.mail(table.combine_chunks())
    learns = train.learnable(data)
    print(
        f"\nMail: every second of the first {8 * _MAIL_EACH} messages of each corpus ({data.size}), corpora held out"
    )
    judged = data.source != "made_train"
    before = train.constraints
    for who, signs in (("without the contract", lambda _: [0] * len(train.NAMES)), ("ours", before)):  # fmt: skip
        train.constraints = signs  # type: ignore[assignment]
        margin = train.held_out(data, learns, lambda _: None).margin
        _price(who, margin[judged & data.bad], margin[judged & train.limiting(data)])
    train.constraints = before


def _price(who: str, bad: Floats, good: Floats) -> None:
    """AUC, and recall where 1 % of the others are above: the same question to both, not a promise."""
    label = np.arange(len(bad) + len(good)) < len(bad)
    whole = np.concatenate([bad, good])
    print(f"  {who:44} AUC {area(whole, label):.4f}, recall {recall(whole, label):.1%} at 1 % of {len(good)} ({len(bad)} attacks)")  # fmt: skip

"""What the contract holds and what it costs: additions that never help an attacker, for which recall.

`python -m bench duel [NAME…] [--attacks N] [--budget N]`; names: add_only, pe, urls, url, dga, mail.

`add_only`: every search but transfer, only with what adds, against the models that come with labrys.
`pe` and `urls`: public tables (evaluation only), three fifths train, one sets the threshold, one is judged;
alike rows, or a registered domain, on one side. `url` and `dga`: our own training, with the contract and
without, domains and families held out. `mail`: the same on a part of every corpus, corpora held out.
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
from labrys.duel.target import Floats, Target

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
_MAIL_EACH: Final = 150


def main(arguments: Sequence[str]) -> int:
    """Print the tables that were asked for; 0."""
    made: Mapping[str, Callable[[argparse.Namespace], None]] = {
        "add_only": add_only, "pe": pe, "urls": urls, "url": url, "dga": dga, "mail": mail,
    }  # fmt: skip
    parser = argparse.ArgumentParser(prog="python -m bench duel", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *made], help=", ".join(made))
    parser.add_argument("--attacks", type=int, default=60)
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--models", nargs="*", default=["dga", "url", "evasion", "mail"])
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
        made = targets.target(name, attacks=asked.attacks, seed=21)
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
    _table("PE headers", names, rows, bad, harden_table.parts(rows), reach, asked)


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
    coded = np.unique(np.array(name_of), return_inverse=True)[1].astype(float)
    _table("URLs and pages", names, rows, bad, harden_table.parts(coded[:, None]), reach, asked)


def _table(
    what: str, names: list[str], rows: Floats, bad: Any, part: Any, reach: dict[str, Any],
    asked: argparse.Namespace,
) -> None:  # fmt: skip
    from labrys.model.forest import read

    given = tabular.Threat("bad", reach)
    kept, signs = harden_table.contract(names, given)
    one = part == 0
    texts = {
        "without the contract": harden_table._trained(rows[one], bad[one], names, None),
        "ours": harden_table.hardened(names, rows[one], bad[one], given),
    }
    print(f"\n{what}: {len(rows)} rows, {sum(signs)} add-only, {int((~kept).sum())} free, {int(kept.sum()) - sum(signs)} hard columns (our assignment)")  # fmt: skip
    test = part == 2
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "rows.parquet"
        columns = {name: rows[test, at] for at, name in enumerate(names)}
        pq.write_table(pa.table({**columns, "bad": bad[test].astype(int)}), data)
        for who, text in texts.items():
            model = Path(folder) / "model.txt"
            model.write_bytes(text)
            seen = kept if who == "ours" else np.ones(len(names), bool)
            told = harden_table.judged(read(text, who).raw(rows[:, seen]), bad, part)
            print(f"  {who:34} AUC {told.area:.4f}, recall {told.recall:.1%} at {told.alarms:.2%} of {int((test & ~bad).sum())} others ({int((test & bad).sum())} attacks)")  # fmt: skip
            made = tabular.target(str(model), data, given, attacks=asked.attacks)
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
    label = np.concatenate([np.ones(len(bad), bool), np.zeros(len(good), bool)])
    whole = np.concatenate([bad, good])
    told = harden_table.judged(
        np.concatenate([whole, whole]),
        np.concatenate([label, label]),
        np.repeat([1, 2], len(whole)),
    )
    print(f"  {who:44} AUC {told.area:.4f}, recall {told.recall:.1%} at 1 % of {len(good)} ({len(bad)} attacks)")  # fmt: skip

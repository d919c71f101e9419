"""How well mail is judged: by corpus and kind of ham, under attack, in a mailbox, and how fast.

`python -m bench mail [--data DIR] [--each N] [--peers]`. Every corpus is judged by a model that was
trained without it, phishing_pot and the made-up test mail by the one that is shipped. One threshold for
all: 0.1 % of all ham that was held out. Newsletters are told apart (half of their senders held out).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from bench import mail_templates
from bench.measure import REPO
from bench.peers.mail import Peer, judged
from labrys.detect.mail import train
from labrys.detect.mail.columns import Bools, Floats
from labrys.detect.mail.detect import detect
from labrys.detect.mail.kinds import PHISHING, kinds, words_alone
from labrys.detect.mail.score import text_scores
from labrys.detect.mail.threat import COST, REWRITES
from labrys.detect.mail.train_corpora import Sample, manifest, samples
from labrys.detect.mail.train_rows import read_messages, rows

DATA: Final = REPO.parent / "shared" / "data"
SHARES: Final = (0.01, 0.001)
_ATTACKED: Final = ("list_nvdimm", "modern_lists")
_UNSEEN: Final = ("list_nvdimm", "modern_lists", "phishing_pot", "list_usrp", "bounces", "postmark")
_LEARNT: Final = ("spamassassin", "enron", "nazario", "lurebench")
_FILLER: Final = 1_500


def main(arguments: list[str]) -> int:
    """Print the tables; 1 where the data is not there."""
    parser = argparse.ArgumentParser(prog="python -m bench mail", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--each", type=int, default=200, help="messages of a corpus to rewrite")
    parser.add_argument(
        "--peers", action="store_true", help="SpamAssassin, rspamd, bogofilter, where installed"
    )
    parser.add_argument(
        "--templates",
        type=Path,
        help="unpacked packages with templates of mail (mail_templates.py)",
    )
    parser.add_argument("--fresh", type=Path, help="packages that no model was looked at with")
    asked = parser.parse_args(arguments)
    if not (asked.data / "mail").is_dir():
        print(f"skipped: no corpora in {asked.data}")
        return 1
    speed(asked.data)
    data = train.mail(train.corpora(asked.data, tuple(manifest())))
    learns = train.learnable(data)
    found = train.held_out(data, learns, lambda line: sys.stderr.write(f"{line}\n"))
    corpora(data, found.margin)
    levels(data, found.margin)
    for root, folders in ((asked.templates, mail_templates.FOLDERS), (asked.fresh, mail_templates.FRESH)):  # fmt: skip
        if root:
            templates(root, folders, data, found)
    control(data)
    attacks(asked.data, data, learns, found.said, asked.each)
    if asked.peers:
        peers(asked.data, data, learns, found, asked.each)
    return 0


def wilson(hits: int, count: int) -> str:
    """A share with its 95 % interval (Wilson 1927)."""
    if not count:
        return "-"
    share, z = hits / count, 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    return f"{share:7.2%} [{max(0, middle - half):.2%}, {min(1, middle + half):.2%}] {hits}/{count}"


def usual(data: train.Mail) -> Bools:
    """Ham that the one threshold is set by: public corpora, without the newsletters of 2002."""
    made_up = np.isin(data.source, [*train.MADE["train"], *train.MADE["test"]])
    return np.asarray(~data.bad & ~made_up & (data.kind != "newsletter"), bool)


def corpora(data: train.Mail, margin: Floats) -> None:
    """Recall by bad corpus and false alarms by kind of ham, at one threshold for all."""
    for share in SHARES:
        limit = float(np.quantile(margin[usual(data)], 1 - share, method="higher"))
        print(
            f"\nmargin {limit:.2f}: {share:.1%} of {int(usual(data).sum())} messages of held-out ham"
        )
        recalls = []
        for source in sorted(set(data.source[data.bad].tolist()) - set(train.MADE["train"])):
            mine = data.bad & (data.source == source)
            hits = int((margin[mine] > limit).sum())
            if source not in train.MADE["test"]:
                recalls.append(hits / int(mine.sum()))
            print(f"  bad  {source:16} {wilson(hits, int(mine.sum()))}")
        print(f"  mean over {len(recalls)} public bad corpora {np.mean(recalls):.3f}")
        for kind in sorted(set(data.kind[~data.bad].tolist())):
            for source in sorted(set(data.source[~data.bad & (data.kind == kind)].tolist())):
                mine = ~data.bad & (data.kind == kind) & (data.source == source)
                if source not in train.MADE["train"]:
                    hits = int((margin[mine] > limit).sum())
                    print(f"  ham  {kind:13} {source:16} {wilson(hits, int(mine.sum()))}")


def levels(data: train.Mail, margin: Floats) -> None:
    """False alarms at each level where the corpus that they are of had no say in setting it."""
    setting = train.limiting(data)
    print("\nlevels set without the corpus that is judged: how much of its ham is above")
    for source in sorted(set(data.source[setting].tolist())):
        limits = train.thresholds(margin, data, setting & (data.source != source))
        mine = margin[setting & (data.source == source)]
        said = (f"{name} {wilson(int((mine > one).sum()), len(mine))}" for name, one in limits.items())  # fmt: skip
        print(f"  {source:16} {'; '.join(said)}")


def templates(
    root: Path, folders: Mapping[str, str], data: train.Mail, found: train.HeldOut
) -> None:
    """False alarms among real templates of services' mail, which nothing was trained on."""
    held = train.mail(rows(mail_templates.templates(root, folders)))
    margin = found.fitted.margin(held, text_scores(held.seen, found.fitted.weights)[0])
    limits = {f"{share:.1%}": float(np.quantile(found.margin[usual(data)], 1 - share, method="higher")) for share in SHARES}  # fmt: skip
    limits |= train.thresholds(found.margin, data, train.limiting(data))
    spared = (kinds(held.features) == PHISHING) & words_alone(held.features)
    print(f"\ntemplates of {len(set(held.source.tolist()))} packages: how many messages are above")
    for name, limit in limits.items():
        told(name, limit, held, margin > limit)
    told("medium", limits["likely"], held, (margin > limits["likely"]) & ~spared)


def told(name: str, limit: float, held: train.Mail, above: Bools) -> None:
    """How many of all and of each package, and the mean over packages."""
    each = {one: above[held.source == one] for one in sorted(set(held.source.tolist()))}
    shares = np.mean([hit.mean() for hit in each.values()])
    said = ", ".join(f"{one.removeprefix('templates_')} {int(hit.sum())}/{len(hit)}" for one, hit in each.items() if hit.any())  # fmt: skip
    print(f"  {name:10} ({limit:.2f}) {wilson(int(above.sum()), held.size)}, mean of packages {shares:.1%}: {said or 'none'}")  # fmt: skip


def control(data: train.Mail) -> None:
    """How well the same features tell two sources of ham apart, of which neither is bad."""
    import lightgbm
    from sklearn.metrics import roc_auc_score

    print("\ncontrol: features that tell two sources of ham apart (AUC on the other half)")
    for one, other in (("list_usrp", "list_nvdimm"), ("enron3", "enron5"), ("spamassassin", "list_nvdimm")):  # fmt: skip
        mine = ~data.bad & np.isin(data.source, (one, other)) & (data.kind != "newsletter")
        rows, label = data.features[mine], (data.source[mine] == one).astype(int)
        half = np.random.default_rng(1).random(len(label)) < 0.5
        made = lightgbm.train(
            {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 1},
            lightgbm.Dataset(rows[half], label[half]), num_boost_round=60,
        )  # fmt: skip
        area = roc_auc_score(label[~half], made.predict(rows[~half]))
        print(f"  {one} / {other}: {area:.3f} ({len(label)} messages)")


def attacks(root: Path, data: train.Mail, learns: Bools, said: Floats, each: int) -> None:
    """Recall at 1 % of held-out ham after each rewriting, by a model without the attacked corpora."""
    held = np.isin(data.fold, _ATTACKED)
    cut = train.passages(data.seen)
    chosen = learns & ~held
    weights = train.word_weights(data, cut, chosen)
    fitted = train.fit(data, chosen, weights, said)
    here = text_scores(data.seen, weights)[0]
    margin = fitted.margin(data, here)
    limit = float(np.quantile(margin[held & usual(data)], 0.99, method="higher"))
    bad = list(_bad(root, each))
    filler = list(_filler(root))
    print(f"\nrewritten: {len(bad)} messages of {', '.join(_ATTACKED)}; recall at 1 % of {int((held & usual(data)).sum())} held-out ham")  # fmt: skip
    base = _margins([one.raw for one in bad], fitted)
    caught = base > limit
    print(f"  {'as it was':32} cost -  {wilson(int(caught.sum()), len(bad))}")
    for name, rewrite in REWRITES.items():
        draw = np.random.default_rng(5)
        raws = [rewrite(one.raw, draw, filler[n % len(filler)]) for n, one in enumerate(bad)]
        after = _margins(raws, fitted) > limit
        kept = wilson(int((after & caught).sum()), int(caught.sum()))
        print(f"  {name:32} cost {COST[name]}  {wilson(int(after.sum()), len(bad))}; of those caught before {kept}")  # fmt: skip


def _margins(raws: list[bytes], fitted: train.Fitted) -> Floats:
    table = read_messages(raws)
    plain = pa.table({name: ["x"] * len(raws) for name in ("source", "fold", "kind")})
    for name in ("bad", "text_only"):
        plain = plain.append_column(name, pa.array([False] * len(raws)))
    for name in table.column_names:
        plain = plain.append_column(name, table[name])
    data = train.mail(plain)
    return fitted.margin(data, text_scores(data.seen, fitted.weights)[0])


def _bad(root: Path, each: int) -> Iterator[Sample]:
    for corpus in _ATTACKED:
        found = [one for one in samples(root, (corpus,)) if one.bad]
        order = np.random.default_rng(3).permutation(len(found))[:each]
        yield from (found[at] for at in sorted(order.tolist()))


def _filler(root: Path) -> Iterator[str]:
    """Texts of ham that no model here has seen: of a list that is held out."""
    found = [one.raw for one in samples(root, ("list_usrp",))][:400]
    for text in read_messages(found)["text_visible"].to_pylist():
        if text and len(text) >= _FILLER:
            yield text[:_FILLER].replace("<", " ").replace(">", " ")


def speed(root: Path) -> None:
    """Reading and judging, end to end, in one process; and its largest memory."""
    import resource

    raws = [one.raw for one in samples(root, ("spamassassin",))][::3]
    raws += [one.raw for one in samples(root, ("phishing_pot", "modern_lists"))][::3]
    detect("mail.message", read_messages(raws[:50]))
    begun = time.process_time()
    count = 0
    for at in range(0, len(raws), 500):
        count += detect("mail.message", read_messages(raws[at : at + 500])).num_rows
    spent = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nend to end: {len(raws)} messages ({sum(map(len, raws)) / 2**20:.0f} MiB), {len(raws) / spent:,.0f} a CPU second, peak {peak:,.0f} MB")  # fmt: skip


def peers(root: Path, data: train.Mail, learns: Bools, found: train.HeldOut, each: int) -> None:
    """Other filters and ours on the same messages, of corpora that none of them has learnt from."""
    held = np.isin(data.fold, _UNSEEN)
    chosen = learns & ~held
    fitted = train.fit(
        data, chosen, train.word_weights(data, train.passages(data.seen), chosen), found.said
    )
    limits = [
        float(np.quantile(found.margin[usual(data) & ~held], 1 - share, method="higher"))
        for share in SHARES
    ]
    groups = {
        (name, bad): _some(root, name, each, bad=bad) for bad in (True, False) for name in _UNSEEN
    }
    groups = {key: raws for key, raws in groups.items() if raws}
    mails = [raw for raws in groups.values() for raw in raws]
    names = [key for key, raws in groups.items() for _ in raws]
    taught = {
        bad: [raw for name in _LEARNT for raw in _some(root, name, 10 * each, bad=bad)]
        for bad in (True, False)
    }
    print(f"\nother filters, offline, on {len(mails)} messages of corpora that nobody learnt from")
    ours = Peer("labrys", _margins(mails, fitted).tolist(), (limits[0], limits[1]), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        paths, good, bad_ = (
            _written(Path(folder) / part, raws)
            for part, raws in (("mails", mails), ("good", taught[False]), ("bad", taught[True]))
        )
        for peer in (ours, *judged(paths, good, bad_)):
            for limit in peer.limits:
                print(f"  {peer.name} at {limit:.2f}, {peer.cpu:.0f} CPU s")
                for (name, bad), raws in groups.items():
                    scores = [
                        s for s, key in zip(peer.scores, names, strict=True) if key == (name, bad)
                    ]
                    hits = sum(each >= limit for each in scores)
                    print(f"    {'bad' if bad else 'ham'} {name:14} {wilson(hits, len(raws))}")


def _some(root: Path, name: str, most: int, *, bad: bool) -> list[bytes]:
    found = [one.raw for one in samples(root, (name,)) if one.bad == bad]
    order = np.random.default_rng(7).permutation(len(found))[:most]
    return [found[at] for at in sorted(order.tolist())]


def _written(folder: Path, raws: list[bytes]) -> list[Path]:
    folder.mkdir()
    for number, raw in enumerate(raws):
        (folder / str(number)).write_bytes(raw)
    return [folder / str(number) for number in range(len(raws))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

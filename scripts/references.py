"""Writes into the cards of dga, mail, prompt_injection and url what they were made for, and canaries.

`python scripts/references.py DATA`, after a model was trained: `reference` is of ordinary things of the
training data (a bounded number of each source), `canaries` of what the detectors ask. The card of
evasion gets both from its own training.
"""

import json
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from labrys.guard.canary import canaries
from labrys.guard.drift import Reference, reference

_EACH: Final = 5_000
_MAILS: Final = 500
_CORPORA: Final = ("spamassassin", "list_nvdimm", "list_usrp", "modern_lists", "enron", "postmark")


def main(data: Path) -> None:
    """Change the four cards."""
    from labrys.detect.dga.model import ASKED as names
    from labrys.detect.dga.model import model as dga
    from labrys.detect.mail.score import ASKED as texts
    from labrys.detect.mail.score import model as mail
    from labrys.detect.prompt_injection.score import ASKED as orders
    from labrys.detect.prompt_injection.score import answers as said
    from labrys.detect.prompt_injection.score import model as injection
    from labrys.detect.url.score import ASKED as links
    from labrys.detect.url.score import model as url

    _write("dga", _dga(data), names, lambda asked: dga().margins(pa.array(asked, pa.string())))
    _write("url", _url(data), links, lambda asked: url().answers(asked))
    _write("mail", _mail(data), texts, lambda asked: mail().answers(asked))
    _write("prompt_injection", _orders(data), orders, lambda asked: said(asked, injection()))


def _dga(data: Path) -> Reference:
    from labrys.detect.dga.train import load
    from labrys.detect.dga.watched import columns

    ordinary, _ = load(data)
    chosen = [
        (label, source)
        for source in sorted(set(ordinary.group))
        for label in _some(ordinary.label[ordinary.group == source].tolist())
    ]
    held = pa.array([label for label, _ in chosen], pa.string())
    groups = [source for _, source in chosen]
    return reference(columns(held), "ordinary names of training", groups)


def _url(data: Path) -> Reference:
    from labrys.detect.url.features import judged
    from labrys.detect.url.parts import parts
    from labrys.detect.url.train import MAIL, load
    from labrys.detect.url.unwrap import unwrapped
    from labrys.detect.url.watched import columns

    found = load(data)
    mail = [
        (url, source)
        for source, urls in found.items()
        if source.startswith(MAIL)
        for url in _some(urls)
    ]
    held = pa.array([url for url, _ in mail], pa.string())
    chosen = judged(parts(unwrapped(held)))
    groups = [source for (_, source), taken in zip(mail, chosen, strict=True) if taken]
    kept = held.filter(pa.array(chosen))
    return reference(columns(kept), "links of ordinary mail of training", groups)


def _mail(data: Path) -> Reference:
    from labrys.detect.mail.train_corpora import samples
    from labrys.detect.mail.train_rows import rows
    from labrys.detect.mail.watched import columns

    chosen = [one for name in _CORPORA for one in islice(_good(samples(data, (name,))), _MAILS)]
    table = rows(chosen)
    groups = table["source"].to_pylist()
    return reference(columns(table), "ordinary mail of training, near copies out", groups)


def _orders(data: Path) -> Reference:
    from labrys.detect.mail.train_corpora import samples
    from labrys.detect.mail.train_rows import rows
    from labrys.detect.prompt_injection.watched import columns

    chosen = [one for name in _CORPORA for one in islice(_good(samples(data, (name,))), _MAILS)]
    table = rows(chosen)
    said = [each or "" for each in table["text_visible"].to_pylist()]
    return reference(columns(said), "ordinary mail of training", table["source"].to_pylist())


def _good(found: Any) -> Any:
    return (one for one in found if not one.bad)


def _some(values: Sequence[str]) -> list[str]:
    draw = np.random.default_rng(1)
    return [values[at] for at in sorted(draw.permutation(len(values))[:_EACH].tolist())]


def _write(
    detector: str, made: Reference, asked: Sequence[Any], answer: Callable[[Sequence[Any]], Any]
) -> None:
    path = Path("src/labrys/detect") / detector / "model" / "card.json"
    card = json.loads(path.read_text("utf-8"))
    card["reference"] = msgspec.to_builtins(made)
    card["canaries"] = canaries(list(asked), answer)
    text = json.dumps(card, indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", "utf-8")
    sys.stdout.write(f"{detector}: {made.rows} things, {len(made.numbers)} numbers\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The mail detector as a target: whole messages, rewritten as `detect/mail/threat.py` says.

Each rewritten message goes through the real reader and the real features. Attacks are made up from
the templates that no model was trained on. A message holds as an attack while what it asks for can
still be read: most words of its own text are still there, look-alike letters read as what they look
like, and the hosts of its links are still named.
"""

import hashlib
from collections.abc import Callable, Sequence
from email import message_from_bytes
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from labrys.detect.mail.features import Seen
from labrys.detect.mail.letters import folded
from labrys.detect.mail.score import Model, model, scores
from labrys.detect.mail.threat import ADD_ONLY, COST, REWRITES
from labrys.detect.mail.train_made import made
from labrys.duel.target import Change, Draw, Floats, Target
from labrys.evidence.mail.mime import parse
from labrys.evidence.mail.rows import add
from labrys.evidence.records import Records, Source
from labrys.evidence.values import MULTI
from labrys.scan.coalesce import Coalescer

_KEPT: Final = 0.6
"""So much of the words of an attack must still be read."""
_WORDS: Final = 400
_LEVEL: Final = "likely"
_COMPOSED: Final = "all of letters, words and manner"
"""A rewriting of several at once: the search puts them together itself."""


def target(attacks: int, seed: int, judge: Model | None = None) -> Target:
    """Made-up bad messages of the test half; detected means likely bad, a finding of medium.

    `judge` is another model than the one in use, asked about what the one in use detects.
    """
    draw = np.random.default_rng(seed)
    samples = list(made("test", each=3, seed=seed))
    good = [each.raw for each in samples if not each.bad]
    bad = [each.raw for each in samples if each.bad]
    bad = [bad[at] for at in draw.permutation(len(bad))]
    judge = judge or model()
    threshold = judge.thresholds[_LEVEL]
    margins = _margins(bad, model())
    told = margins > model().thresholds[_LEVEL]
    seeds = [raw for raw, found in zip(bad, told.tolist(), strict=True) if found]
    fillers = [text_ for raw in good if len(text_ := text(raw)) > 300]
    return Target(
        name="mail",
        version=judge.version,
        seeds=seeds[:attacks],
        changes=[
            Change(name, _change(rewrite, fillers), COST.get(name, 0), _reach(name))
            for name, rewrite in {**REWRITES, **ADD_ONLY}.items()
            if name != _COMPOSED
        ],
        score=lambda things: _margins(things, judge),
        threshold=float(np.nextafter(threshold, np.inf)),
        show=_shown,
        holds=holds,
        guarantee=(
            "hidden text, links, pictures and attachments behind what there is never lower a score: what "
            "they are measured by only raises it (the trees are checked leaf by leaf). Text that is seen "
            "can: it dilutes"
        ),
        notes=[
            f"{int(told.sum())} of {len(bad)} made-up bad messages of the test half "
            "are detected as they are"
        ],
    )


def _reach(name: str) -> str:
    return "add_only" if name in ADD_ONLY else "free"


def _change(
    rewrite: Callable[[bytes, Draw, str], bytes], fillers: Sequence[str]
) -> Callable[[bytes, Draw], bytes]:
    def apply(raw: bytes, draw: Draw) -> bytes:
        return rewrite(raw, draw, fillers[int(draw.integers(len(fillers)))][:1500])

    return apply


def _margins(messages: Sequence[bytes], judge: Model) -> Floats:
    """The model's margin of each message, read as a file would be."""
    gathered = Coalescer()
    order: dict[str, int] = {}
    for raw in messages:
        digest = hashlib.sha256(raw).hexdigest()
        if digest in order:
            continue
        order[digest] = len(order)
        records = Records(Source(Path("-"), digest, digest, len(raw)))
        add(records, parse(raw, 0, len(raw)), 0)
        for shape, batch in records.drain():
            gathered.add(shape, batch)
    worst = np.full(len(order), -np.inf)
    for shape, table in gathered.take():
        if shape == "mail.message":
            found = scores(Seen(table), judge).margin
            owner = [order[name] for name in table["_source"].to_pylist()]
            np.maximum.at(worst, owner, found)
    places = [order[hashlib.sha256(raw).hexdigest()] for raw in messages]
    answers: Floats = worst[places]
    return answers


def _row(raw: bytes) -> dict[str, str]:
    """What a reader sees of a message: subject, visible text, and the hosts that links lead to."""
    records = Records(Source(Path("-"), "message", "0" * 64, len(raw)))
    add(records, parse(raw, 0, len(raw)), 0)
    for shape, batch in records.drain():
        if shape == "mail.message":
            first = batch.slice(0, 1).to_pylist()[0]
            return {name: value for name, value in first.items() if isinstance(value, str)}
    return {}


def text(raw: bytes) -> str:
    """What is seen of a message's text."""
    return _row(raw).get("text_visible", "")


def _shown(raw: bytes) -> str:
    row = _row(raw)
    sender = str(message_from_bytes(raw)["From"] or "")
    return f"From: {sender} | {row.get('subject', '')} | {row.get('text_visible', '')[:400]}"


def holds(before: bytes, after: bytes) -> bool:
    """Whether what a message asks for can still be read in a changed one."""
    old, new = _row(before), _row(after)
    wanted = _words(old)
    if wanted and len(wanted & _words(new)) < _KEPT * len(wanted):
        return False
    hosts = set(old.get("link_hosts", "").split(MULTI)) - {""}
    reached = set(new.get("link_hosts", "").split(MULTI))
    reached |= set(new.get("link_target_hosts", "").split(MULTI))
    named = " ".join(new.get("link_hrefs", "").split(MULTI))
    return all(host in reached or host in named for host in hosts)


def _words(row: dict[str, str]) -> set[str]:
    said = pa.array([f"{row.get('subject', '')} {row.get('text_visible', '')}"], pa.string())
    plain, _ = folded(said)
    words = str(plain[0].as_py()).split()
    return set(words[:_WORDS]) if len(words) <= _WORDS else set(words)

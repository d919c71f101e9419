"""Texts to learn from, with the head that each speaks to: public corpora whose licence permits it, and
our own (`train_made.py`). `train.toml` says which."""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np

from labrys.detect.prompt_injection.score import HEADS
from labrys.detect.prompt_injection.train_made import families, made

_TASKS: Final = (
    "Information Retrieval", "Content Creation", "Learning and Tutoring", "Language Translation",
    "Programming Help",
)  # fmt: skip
"""Injected requests that say nothing of the assistant or its answer."""
_EACH: Final = 25
_SHORT: Final = 8000


@dataclass(frozen=True, slots=True)
class Sample:
    """A text. `head`: what it is an example of (`HEADS`), `chat` (a user's honest prompt), or `plain`.

    `source`: held out as a whole. `whole`: an attack from end to end, not one among other text.
    """

    text: str
    head: str
    source: str
    whole: bool = True


def manifest() -> dict[str, Any]:
    """What the model is trained on: files, licences, digests."""
    place = files("labrys.detect.prompt_injection") / "train.toml"
    return tomllib.loads(place.read_text("utf-8"))


def checked(root: Path, said: dict[str, Any]) -> Path:
    """A file of the manifest; ValueError where it is not the one described."""
    path = root / str(said["path"])
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != said["sha256"]:
        raise ValueError(f"{path} is not the file of the manifest: its SHA-256 is {found}")
    return path


def fillers(samples: Iterable[Sample]) -> list[str]:
    """Some words in a row of each of these texts."""
    found = (_FILLER.findall(one.text) for one in samples)
    return [each[len(each) // 2].translate(_NO_SIGNS) for each in found if each]


def made_up(
    about: Sequence[str] = (), without: Iterable[str] = (), seed: int = 11
) -> Iterator[Sample]:
    """Our own texts, half of them about `about`, without some families."""
    draw = np.random.default_rng(seed)
    left_out = frozenset(without)
    for family in families():
        for text in made(family, _EACH, draw, about):
            if family.trains and family.name not in left_out:
                yield Sample(text, family.head, f"made:{family.name}")


def prompts(root: Path, *, trains: bool = True) -> Iterator[Sample]:
    """The rows of the prompt-injection set; those that may train a shipped model, or the others."""
    import pyarrow.parquet as pq

    said = manifest()["prompts"]
    allowed = {str(name): str(kind) for name, kind in said["trains"].items()}
    table = pq.read_table(checked(root, said)).to_pylist()
    clean = {line.strip() for row in table if row["label"] == 0 for line in row["text"].split("\n")}
    for row in table:
        if (row["source"] in allowed) == trains:
            yield from _prompt(row, allowed.get(row["source"], ""), clean)


def _prompt(row: dict[str, Any], kind: str, clean: set[str]) -> Iterator[Sample]:
    source, bad = str(row["source"]), row["label"] == 1
    if kind == "indirect" and bad:
        if text := _injected(row["text"], clean):
            name = str(row["category"]).split(":")[1]
            yield Sample(text, "task" if name in _TASKS else "steer", source)
    elif bad:
        yield Sample(row["text"][:_SHORT], "command", source, whole=len(row["text"]) < 200)
    else:
        yield Sample(row["text"][:_SHORT], "chat" if kind == "chat" else "plain", source)


def _injected(text: str, clean: set[str]) -> str:
    """What was put into a text: the lines before a block of code that no clean text has."""
    lines: list[str] = []
    for line in text.split("\n"):
        bare = line.strip()
        if bare.startswith("```") and lines:
            break
        if bare and bare not in clean and len(bare) < 400:
            lines.append(bare)
    return "\n".join(lines[-2:]) if len(lines) <= 3 else ""


def mails(root: Path, most: int = 1200) -> Iterator[Sample]:
    """What ordinary mail of several kinds says; so many of a kind of a corpus at most."""
    from labrys.detect.mail.train_corpora import manifest as corpora
    from labrys.detect.mail.train_corpora import samples
    from labrys.detect.mail.train_rows import rows

    names = tuple(name for name in manifest()["mails"]["corpora"] if corpora()[name]["trains"])
    ham = (one for one in samples(root, names) if not one.bad and _drawn(one.raw))
    table = rows(ham).select(["source", "kind", "subject", "text_visible"])
    yield from mails_of(table.to_pylist(), most)


def _drawn(raw: bytes) -> bool:
    """Two thirds of all messages, always the same ones: more of the same lists say little."""
    return hashlib.sha256(raw).digest()[0] % 3 > 0


def mails_of(rows: list[dict[str, Any]], most: int) -> Iterator[Sample]:
    """Rows of mail as samples, evenly over each corpus and kind."""
    by_kind: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        by_kind.setdefault((row["source"], row["kind"]), []).append(row)
    for (source, _), mine in by_kind.items():
        step = max(1, len(mine) // most)
        for row in mine[::step][:most]:
            text = f"{row['subject'] or ''}\n\n{row['text_visible'] or ''}"
            yield Sample(text[:_SHORT], "plain", f"mail:{source}")


_FILLER: Final = re.compile(r"(?:[\w'-]+ ){1,5}[\w'-]+")
_NO_SIGNS: Final = str.maketrans("", "", "{}<>|")
_PIECE: Final = re.compile(r"(?:\S+\s+){0,29}\S+")


def pieces(text: str, most: int = 12) -> list[str]:
    """A text in pieces of thirty words, some of them where there are many."""
    found = _PIECE.findall(text)
    return found[:: max(1, len(found) // most)][:most]


def is_for(sample: Sample, head: str) -> bool | None:
    """Whether a sample is an example of a head, a counterexample, or (None) neither."""
    if sample.head == head:
        return True
    if head == "task":
        return True if sample.head == "chat" else None if sample.head in HEADS else False
    return None if sample.head in ("command", "steer") else False

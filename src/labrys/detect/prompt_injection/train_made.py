"""Makes attacks and look-alikes from the templates in `train_*.toml`: our own text."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np

FILES: Final = ("train_made.toml", "train_plain.toml", "train_tongues.toml", "train_more.toml")
_CHOICE: Final = re.compile(r"\{([^{}]*)\}")
_WORD: Final = re.compile(r"<([a-z]+)>")
_ABOUT: Final = ("topic", "product", "fact")
_MOST_STEPS: Final = 60


@dataclass(frozen=True, slots=True)
class Family:
    """Templates of one kind in one language; held out as a whole."""

    name: str
    head: str
    texts: tuple[str, ...]
    trains: bool = True


@cache
def _tables() -> tuple[dict[str, Any], ...]:
    place = files("labrys.detect.prompt_injection")
    return tuple(tomllib.loads((place / name).read_text("utf-8")) for name in FILES)


@cache
def families() -> tuple[Family, ...]:
    """All of them, in the order of the files."""
    return tuple(
        Family(each["name"], each["head"], tuple(each["texts"]), bool(each.get("trains", True)))
        for table in _tables()
        for each in table["family"]
    )


def filled(template: str, draw: np.random.Generator, fillers: Sequence[str] = ()) -> str:
    """A text of a template: one of each choice, a word for each name of a list; half of what it is
    about is one of `fillers`, so that nothing is learnt of it."""
    lists: dict[str, Sequence[str]] = {}
    for table in _tables():
        lists |= table.get("words", {})
    if fillers and draw.random() < 0.5:
        lists |= dict.fromkeys(_ABOUT, fillers)
    for _ in range(_MOST_STEPS):
        made = _CHOICE.sub(lambda found: str(draw.choice(found[1].split("|"))), template)
        made = _WORD.sub(lambda found: str(draw.choice(lists.get(found[1], [found[0]]))), made)
        if made == template:
            break
        template = made
    return " ".join(template.split(" ")).strip()


def made(
    family: Family, each: int, draw: np.random.Generator, fillers: Sequence[str] = ()
) -> Iterator[str]:
    """So many texts of each template of a family."""
    for template in family.texts:
        for _ in range(each):
            yield filled(template, draw, fillers)

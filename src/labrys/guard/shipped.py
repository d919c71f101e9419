"""The models that come with labrys: every detector's folder with a `model/card.json`."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from labrys.errors import ModelError
from labrys.model.card import CARD, load


@dataclass(frozen=True, slots=True)
class Shipped:
    """A model of ours; `why` says what is wrong with it, empty where its files are as its card says."""

    detector: str
    place: Traversable
    card: dict[str, Any]
    why: str = ""


def shipped() -> Iterator[Shipped]:
    """All of them, in the order of their detectors' names."""
    folders = {each.name: each for each in files("labrys.detect").iterdir() if each.is_dir()}
    for name in sorted(folders):
        place = folders[name] / "model"
        if (place / CARD).is_file():
            try:
                yield Shipped(name, place, dict(load(place).card))
            except ModelError as error:
                yield Shipped(name, place, {}, str(error))

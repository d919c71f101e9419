"""Models that were trained on the user's own data: where they lie, and which model is used."""

import os
from importlib.resources.abc import Traversable
from pathlib import Path

from labrys.errors import ModelError
from labrys.model.card import CARD, Artefact, load


def place(detector: str) -> Path:
    """Where the user's own model of a detector lies (XDG Base Directory: data)."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path("~/.local/share").expanduser())
    return Path(home) / "labrys" / "models" / detector


def chosen(detector: str, shipped: Traversable) -> Artefact:
    """The user's own model where it is as its card says, else the one that labrys comes with."""
    mine = place(detector)
    if (mine / CARD).is_file():
        try:
            return load(mine)
        except ModelError:
            pass
    return load(shipped)


def mark(detector: str) -> bytes:
    """What tells one model of the user's own from another, and from none."""
    try:
        return (place(detector) / CARD).read_bytes()
    except OSError:
        return b""

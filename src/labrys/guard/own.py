"""The user's own models: where they are kept, which is in use, and the way back to the one before.

`models/<detector>/<number>/` holds a model each, `models/<detector>/current` the number in use. A
detector uses a model of the user's only where `opened` finds a trusted signature on it.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labrys.errors import ModelError
from labrys.guard import keys, seal
from labrys.model.card import CARD, Artefact

_CURRENT: Final = "current"
_MOST: Final = 10
"""Models kept for each detector; the oldest goes when there are more."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One of the user's models; `why` says why it would be refused, empty where it would not."""

    number: int
    place: Path
    in_use: bool
    why: str = ""


def folder(detector: str, place: Path | None = None) -> Path:
    """Where the user's models of a detector are."""
    if not detector.replace("_", "").isalnum():
        raise ModelError(f"{detector!r} is no detector")
    return (place or keys.home()) / "models" / detector


def add(detector: str, made: Path, key: str, place: Path | None = None) -> Kept:
    """Take in a model (a folder with a card), sign it, and use it from now on."""
    base = folder(detector, place)
    number = max((each.number for each in every(detector, place)), default=0) + 1
    target = base / str(number)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copytree(made, target)
    try:
        seal.seal(target, key, place)
    except ModelError:
        shutil.rmtree(target)
        raise
    _use(base, number)
    for old in every(detector, place)[:-_MOST]:
        if not old.in_use:
            shutil.rmtree(old.place)
    return Kept(number, target, in_use=True)


def back(detector: str, place: Path | None = None) -> int:
    """Use the model before the one in use; 0 for the one that comes with labrys."""
    base = folder(detector, place)
    now = _current(base)
    if not now:
        raise ModelError(f"{detector}: the model that comes with labrys is in use already")
    earlier = [each.number for each in every(detector, place) if each.number < now]
    number = max(earlier, default=0)
    _use(base, number)
    return number


def every(detector: str, place: Path | None = None) -> list[Kept]:
    """The user's models of a detector, oldest first, each with why it would be refused."""
    base = folder(detector, place)
    now = _current(base)
    numbers = sorted(
        int(each.name) for each in base.iterdir() if each.is_dir() and each.name.isdigit()
    ) if base.is_dir() else []  # fmt: skip
    return [Kept(n, base / str(n), n == now, _refused(base / str(n), place)) for n in numbers]


def in_use(detector: str, place: Path | None = None) -> Artefact | None:
    """The user's model that a detector must use; None where he has none, so that ours is used.

    Raises ModelError, with the reason, where there is one that must not be used: what was tampered
    with is never passed over in silence.
    """
    base = folder(detector, place)
    number = _current(base)
    if not number:
        return None
    try:
        return seal.opened(base / str(number), place)
    except ModelError as error:
        raise ModelError(
            f"{error}. To use the model before it: labrys guard back {detector}"
        ) from error


def mark(detector: str, place: Path | None = None) -> bytes:
    """What tells the model in use from others and from none: changes with the model, not with when
    it was looked at."""
    base = folder(detector, place)
    number = _current(base)
    if not number:
        return b""
    held = [base / str(number) / name for name in (CARD, seal.SEAL)]
    return b"".join(each.read_bytes() if each.is_file() else b"-" for each in held)


def _refused(place: Path, home: Path | None) -> str:
    try:
        seal.opened(place, home)
    except ModelError as error:
        return str(error)
    return ""


def _current(base: Path) -> int:
    try:
        text = (base / _CURRENT).read_text("ascii").strip()
    except OSError:
        return 0
    if not text.isdigit() or len(text) > 9:
        raise ModelError(f"{base / _CURRENT}: does not say which model is in use")
    return int(text)


def _use(base: Path, number: int) -> None:
    draft = base / f".{_CURRENT}.draft"
    draft.write_text(f"{number}\n", "ascii")
    draft.replace(base / _CURRENT)

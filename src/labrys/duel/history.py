"""Keeps the last duel of each attack on each model, so that the next can say what changed since."""

import os
from pathlib import Path
from typing import Final

import msgspec

from labrys.duel.outcome import Outcome

_ENOUGH: Final = 0.10
"""A share that moved by less may be chance with the usual number of attacks."""


def folder() -> Path:
    """Where duels are kept: `labrys/duels` in the user's data folder (XDG)."""
    home = os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()
    return Path(home) / "labrys" / "duels"


def last(attack: str, target: str, place: Path | None = None) -> Outcome | None:
    """The last whole duel of that kind with a model, None where there is none that can be read."""
    try:
        return msgspec.json.decode(_file(attack, target, place).read_bytes(), type=Outcome)
    except (OSError, msgspec.DecodeError):
        return None


def keep(outcome: Outcome, place: Path | None = None) -> None:
    """Keep a duel in place of the last one of its kind."""
    path = _file(outcome.attack, outcome.target, place)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(outcome))
    draft.replace(path)


def compared(before: Outcome, after: Outcome) -> list[str]:
    """What changed, in sentences; said with care where it may be chance."""
    if before.rules != after.rules:
        return ["the last duel had other rules: not compared"]
    told = []
    for name, share in after.figures.items():
        was = before.figures.get(name)
        if was is None or abs(share - was) < _ENOUGH:
            continue
        sure = "" if _apart(before.bounds.get(name), after.bounds.get(name)) else " (may be chance)"
        told.append(f"{name}: {was:.0%} before, {share:.0%} now{sure}")
    return told or ["no clear change since the last duel"]


def _apart(old: tuple[float, float] | None, new: tuple[float, float] | None) -> bool:
    return bool(old and new and (new[0] > old[1] or new[1] < old[0]))


def _file(attack: str, target: str, place: Path | None) -> Path:
    name = "".join(char if char.isalnum() or char in "._-" else "_" for char in target)[:80]
    return (place or folder()) / f"{attack}-{name}.json"

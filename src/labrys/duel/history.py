"""Keeps the last duel with each target, so that the next can say what changed since."""

import os
from pathlib import Path
from typing import Final

import msgspec

from labrys.duel.evasion.fight import Duel

_ENOUGH: Final = 0.10
"""A share that moved by less may be chance with the usual number of attacks."""


def folder() -> Path:
    """Where duels are kept: `labrys/duels` in the user's data folder (XDG)."""
    home = os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()
    return Path(home) / "labrys" / "duels"


def last(target: str, place: Path | None = None) -> Duel | None:
    """The last whole duel with a target, None where there is none that can be read."""
    try:
        return msgspec.json.decode(_file(target, place).read_bytes(), type=Duel)
    except (OSError, msgspec.DecodeError):
        return None


def keep(duel: Duel, place: Path | None = None) -> None:
    """Keep a duel in place of the last one."""
    path = _file(duel.target, place)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(duel))
    draft.replace(path)


def compared(before: Duel, after: Duel) -> list[str]:
    """What changed, in sentences; said with care where it may be chance."""
    if (before.budget, before.access, before.most_cost) != (
        after.budget,
        after.access,
        after.most_cost,
    ):
        return ["the last duel had other rules: not compared"]
    old = {each.search: each for each in before.rounds}
    told = []
    for each in after.rounds:
        was = old.get(each.search)
        if was is None or not was.attacks or not each.attacks:
            continue
        moved = each.share - was.share
        if abs(moved) < _ENOUGH:
            continue
        apart = each.low > was.high or each.high < was.low
        sure = "" if apart else " (may be chance)"
        told.append(
            f"{each.search}: {was.share:.0%} of attacks won before, {each.share:.0%} now{sure}"
        )
    return told or ["no clear change since the last duel"]


def _file(target: str, place: Path | None) -> Path:
    name = "".join(char if char.isalnum() or char in "._-" else "_" for char in target)[:80]
    return (place or folder()) / f"{name.lstrip('.') or 'model'}.json"

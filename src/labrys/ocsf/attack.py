"""ATT&CK Enterprise techniques and tactics: names and kill-chain order, as facts.

Source: MITRE ATT&CK, https://attack.mitre.org; its notice is in `attack.json` and must be kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique or sub-technique; `tactics` are short names such as `lateral-movement`."""

    uid: str
    name: str
    tactics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tactic:
    """A step of the kill chain; `order` counts from 0 (reconnaissance)."""

    uid: str
    short: str
    name: str
    order: int


@cache
def techniques() -> Mapping[str, Technique]:
    """Every technique by its id, `T1059.001`."""
    return {
        uid: Technique(uid, name, tuple(steps))
        for uid, (name, steps) in _facts()["techniques"].items()
    }


@cache
def tactics() -> Mapping[str, Tactic]:
    """The tactics by their short names, in kill-chain order."""
    return {
        short: Tactic(uid, short, name, order)
        for order, (short, (uid, name)) in enumerate(_facts()["tactics"].items())
    }


def technique(uid: str) -> Technique | None:
    """A technique by its id in any case; an unknown sub-technique gives its parent's facts."""
    uid = uid.upper()
    return techniques().get(uid) or techniques().get(uid.partition(".")[0])


def tactics_of(uids: Iterable[str]) -> tuple[str, ...]:
    """The short names of the tactics that the techniques serve, in kill-chain order."""
    found = {step for uid in uids if (made := technique(uid)) for step in made.tactics}
    return tuple(short for short in tactics() if short in found)


def version() -> str:
    """Which release of ATT&CK these facts are from, as MITRE numbers them."""
    return str(_facts()["version"])


def notice() -> str:
    """Whose facts these are, to be shown wherever they are shown."""
    facts = _facts()
    return f"{facts['source']} {version()}. {facts['notice']}"


@cache
def _facts() -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(files("labrys.ocsf").joinpath("attack.json").read_bytes())
    return made

"""The kill chain: in which order tactics tell a story, and how they and techniques are called.

Source: MITRE ATT&CK, https://attack.mitre.org, as `labrys.ocsf.attack` holds it.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final

from labrys.ocsf.attack import tactics as known_tactics
from labrys.ocsf.attack import technique

_STANDS_AT: Final = {"stealth": "defense-evasion", "defense-impairment": "defense-evasion"}
"""Tactics that newer ATT&CK versions split off another one, and rules of both ages name."""
_STAGES: Final = (
    ("reconnaissance", "resource-development", "initial-access"),
    ("persistence", "privilege-escalation"),
    ("defense-evasion", "stealth", "defense-impairment"),
)


def short(tactic: str) -> str:
    """A tactic's short name, however a rule wrote it: `Credential_Access` → `credential-access`."""
    return tactic.strip().lower().replace("_", "-").replace(" ", "-")


@cache
def order() -> dict[str, int]:
    """Position of each tactic in the kill chain."""
    places = {name: 2 * tactic.order for name, tactic in known_tactics().items()}
    for name, like in _STANDS_AT.items():
        places.setdefault(name, places.get(like, 0) + 1)
    return places


@cache
def stages() -> dict[str, int]:
    """Coarser than tactics: those that one and the same action usually serves count as one.

    A new account is persistence and privilege escalation, a renamed program is stealth and
    evasion: seeing both names is not seeing two steps of an attack.
    """
    places = order()
    return {
        name: next((places[group[0]] for group in _STAGES if name in group), place)
        for name, place in places.items()
    }


def in_order(tactics: Iterable[str]) -> list[str]:
    """Distinct tactics in kill-chain order; unknown ones last, by name."""
    places = order()
    return sorted(set(tactics), key=lambda name: (places.get(name, 1000), name))


def tactic_name(tactic: str) -> str:
    """What to call a tactic: `credential-access` → `Credential Access`."""
    known = known_tactics().get(tactic)
    return known.name if known else tactic.replace("-", " ").title()


def technique_name(uid: str) -> str:
    """What to call a technique; its id where it is not known."""
    known = technique(uid)
    return known.name if known else uid

"""What others call our attacks and defences: MITRE ATLAS techniques and mitigations, BIML risks.

Read from `taxonomy.toml`; the sentences are ours. BIML risks are those of the architectural risk
analysis of machine learning (McGraw, Figueroa, Shepardson, Bonett 2020), by part and number.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

_FILE: Final = "taxonomy.toml"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An attack or a defence. `techniques` are ATLAS ids that it is or answers, `mitigations` ATLAS
    ids that answer it or that it is, `risks` BIML ids."""

    what: str
    techniques: tuple[str, ...]
    mitigations: tuple[str, ...]
    risks: tuple[str, ...]


class _Whole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    attack: dict[str, Entry]
    defence: dict[str, Entry]
    technique: dict[str, str]
    mitigation: dict[str, str]
    risk: dict[str, str]


def attacks() -> dict[str, Entry]:
    """Every attack by name: `evasion`, and `evasion.steps` and the like for its kinds."""
    return _whole().attack


def defences() -> dict[str, Entry]:
    """Every defence by name."""
    return _whole().defence


def meaning(uid: str) -> str:
    """What a technique, mitigation or risk is, in our words; empty for one that we do not name."""
    held = _whole()
    return held.technique.get(uid) or held.mitigation.get(uid) or held.risk.get(uid) or ""


def of(attack: str) -> list[tuple[str, Entry]]:
    """An attack and its kinds, each with its entry."""
    return [(n, e) for n, e in attacks().items() if n == attack or n.startswith(f"{attack}.")]


def against(attack: str) -> list[tuple[str, Entry]]:
    """The defences that answer a technique of an attack or of its kinds."""
    wanted = {uid for _, entry in of(attack) for uid in entry.techniques}
    return [(n, e) for n, e in defences().items() if wanted & set(e.techniques)]


@cache
def _whole() -> _Whole:
    held: Any = tomllib.loads((files("labrys.duel") / _FILE).read_text("utf-8"))
    return msgspec.convert(held, _Whole)

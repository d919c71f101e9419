"""What to do next, and what a technique is called in a sentence; both from `advice.toml`."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from ipaddress import ip_address, ip_network
from string import Formatter
from typing import Any, Final

from labrys.ocsf.schema import Severity
from labrys.triage.chain import technique_name
from labrys.triage.columns import Attack
from labrys.triage.story import Cast, Story

MOST_STEPS: Final = 9
_MAIN: Final = 2
"""Of one rule so many techniques give advice."""
_NAMED: Final = 3
"""A sentence names at most so many hosts or users, then says how many more there are."""
_SHOWN_KINDS: Final = (
    *("host", "user", "ip", "file", "hash", "domain", "url"),
    *("service", "registry", "process", "account", "resource"),
)
_INSIDE: Final = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


@dataclass(frozen=True, slots=True)
class _Entry:
    phrase: str
    steps: tuple[tuple[int, str], ...]
    severe: bool


def phrase(attack: Attack) -> str:
    """A finding's technique or tactic in words that fit a title; empty when it names none."""
    techniques = _main(attack.techniques)
    for uid in techniques:
        if (entry := _technique(uid)) is not None:
            return entry.phrase
    for uid in techniques:
        if (name := technique_name(uid)) != uid:
            return name
    for tactic in attack.tactics:
        if (entry := _table("tactic").get(tactic)) is not None:
            return entry.phrase
    return ""


def steps(story: Story, severity: int, *, most: int = MOST_STEPS) -> list[str]:
    """What to do about an incident, most urgent first, in sentences that name its entities.

    Rules' own advice comes first of its urgency. Below high severity nobody is told to cut a host
    off before someone has looked, unless a technique is severe in itself.
    """
    entries = list(_entries(story))
    severe = severity >= Severity.HIGH or any(entry.severe for _, entry in entries)
    made: dict[str, int] = {}
    general = _Entry("", _general("steps" if severe else "mild"), severe)
    for cast, entry in [(story.cast, general), *entries]:
        names = _names(cast)
        for urgency, text in entry.steps:
            if all(name in names for name in _fields(text)):
                made.setdefault(text.format_map(names), urgency if severe else max(urgency, 2))
    own = dict.fromkeys(hit.advice.strip() for hit in story.hits if hit.advice.strip())
    for text in list(own)[:2]:
        made.setdefault(text, 1 if severe else 3)
    return sorted(made, key=lambda text: made[text])[:most]


def _entries(story: Story) -> Iterator[tuple[Cast, _Entry]]:
    """Entries for techniques, and for tactics no technique spoke for, worst rules first; each with
    the entities of the rule that named it. Weak findings make nothing severe."""
    seen: set[str] = set()
    for hit in sorted(story.hits, key=lambda each: (-each.severity, -each.rarity, each.rule)):
        found = [entry for uid in _main(hit.attack.techniques) if (entry := _technique(uid))]
        if not found:
            table = _table("tactic")
            found = [table[tactic] for tactic in hit.attack.tactics[:1] if tactic in table]
        for entry in found:
            if entry.phrase not in seen:
                seen.add(entry.phrase)
                severe = entry.severe and hit.severity >= Severity.MEDIUM
                yield hit.cast, replace(entry, severe=severe)


def _main(techniques: tuple[str, ...]) -> list[str]:
    """What a rule is mainly about: of several sub-techniques their parent, and not the long list
    that a rule carries which matches many tools at once."""
    parents: dict[str, list[str]] = {}
    for uid in techniques:
        parents.setdefault(uid.partition(".")[0], []).append(uid)
    return [uids[0] if len(uids) == 1 else parent for parent, uids in parents.items()][:_MAIN]


def _names(cast: Cast) -> dict[str, str]:
    """How a sentence names each kind of entity."""
    made = {}
    for kind in _SHOWN_KINDS:
        found = [each.shown for each in cast.of(kind) if each.role != "parent"]
        if kind == "ip":
            found = [each for each in found if not _is_inside(each)] or found
        if not found:
            continue
        rest = cast.count(kind) - len(cast.of(kind)) + max(0, len(found) - _NAMED)
        names = [*found[:_NAMED], *([f"{rest} more"] if rest > 0 else [])]
        made[kind] = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return made


@lru_cache(4096)
def _is_inside(address: str) -> bool:
    """Whether an address is one that organisations use inside, so that blocking it helps little."""
    return any(ip_address(address) in network for network in _INSIDE)


@cache
def _fields(text: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in Formatter().parse(text) if name)


def _technique(uid: str) -> _Entry | None:
    return _table("technique").get(uid) or _table("technique").get(uid.partition(".")[0])


@cache
def _raw() -> dict[str, Any]:
    return tomllib.loads(files("labrys.triage").joinpath("advice.toml").read_text("utf-8"))


@cache
def _table(name: str) -> dict[str, _Entry]:
    return {
        key: _Entry(
            entry["phrase"],
            tuple((int(urgency), str(text)) for urgency, text in entry["steps"]),
            bool(entry.get("severe", False)),
        )
        for key, entry in _raw()[name].items()
    }


@cache
def _general(name: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(urgency), str(text)) for urgency, text in _raw()["general"][name])

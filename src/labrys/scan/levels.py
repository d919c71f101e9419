"""Other levels for single rules, kept as data: `levels.toml` at the top of a folder of rules.

Some published rules describe what everybody does all day; their authors say so under
`falsepositives`. Such rules should inform (they join an incident, and start none), not alert. Each
entry names a level, the reason, and the ids of the rules; of several files the last one counts, so
that a user's folder goes before ours.
"""

import tomllib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from labrys.detect.sigma.findings import severities
from labrys.detect.sigma.ir import Correlation, Rule, RuleSet
from labrys.errors import RuleError

NAME: Final = "levels.toml"
_LARGEST: Final = 1 << 20


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """Rules (by id) that get this level, and why."""

    level: str
    reason: str
    rules: list[str]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    entry: list[_Entry] = []


def levels(folders: Sequence[Path]) -> dict[str, str]:
    """The level of each rule id that one of the folders names. Raises `RuleError` for a bad file."""
    made: dict[str, str] = {}
    for path in (folder / NAME for folder in folders if (folder / NAME).is_file()):
        for entry in _read(path).entry:
            if entry.level not in severities():
                raise RuleError(str(path), f"no such level: {entry.level!r}")
            made.update((uid.strip().lower(), entry.level) for uid in entry.rules)
    return made


def _read(path: Path) -> _File:
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST).decode("utf-8")
        return msgspec.convert(tomllib.loads(text), _File)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise RuleError(str(path), f"cannot be used: {error}") from None


def with_levels(rules: RuleSet, level: Mapping[str, str]) -> RuleSet:
    """The rules with their levels of `level`; another digest where that changes any of them."""
    every: tuple[Rule | Correlation, ...] = (*rules.rules, *rules.correlations)
    changed = {
        rule.uid: new
        for rule in every
        if (new := level.get(rule.uid.lower(), rule.level)) != rule.level
    }
    if not changed:
        return rules
    return msgspec.structs.replace(
        rules,
        digest=sha256(f"{rules.digest}{sorted(changed.items())}".encode()).hexdigest(),
        rules=tuple(
            msgspec.structs.replace(each, level=changed.get(each.uid, each.level))
            for each in rules.rules
        ),
        correlations=tuple(
            msgspec.structs.replace(each, level=changed.get(each.uid, each.level))
            for each in rules.correlations
        ),
    )

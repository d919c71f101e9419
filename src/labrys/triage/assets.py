"""What hosts and accounts are to their owners: from findings, from the records, and from settings.

A domain controller is known by the events that only one writes (Kerberos tickets, changes of the
directory), a server by the many that come to it, a privileged account by the rights that Windows
says it was given. Findings show it, and so do records in which nothing was found
(`labrys.triage.roles`). Whoever knows better says so in `[assets]` of the settings; that goes
before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.settings import Asset
from labrys.triage.arrays import Flags, Ints, unique
from labrys.triage.columns import Columns
from labrys.triage.entities import KIND, ROLES
from labrys.triage.roles import (
    ADMINISTRATION,
    CONTROLLER,
    DIRECTORY,
    ONLY_CONTROLLERS,
    SERVER,
    VISITORS,
)

WEIGHTS: Final = {"low": 0.7, "normal": 1.0, "high": 1.25, "critical": 1.5}
"""By how much an incident counts more or less for what it is about."""
_IMPORTANCE: Final = {CONTROLLER: "high", ADMINISTRATION: "high"}
_PRIVILEGED: Final = "windows.security.4672"
_ADMINISTRATORS: Final = ("administrator", "root")


@dataclass(frozen=True, slots=True)
class Assets:
    """By the number of an identity: what it is (only where something is known), and its weight."""

    role: Mapping[int, str]
    weight: Mapping[int, float]


NOTHING: Final = Assets({}, {})


def assets(
    columns: Columns, stated: Mapping[str, Asset], seen: Mapping[str, str] | None = None
) -> Assets:
    """What is known of the identities of a case.

    `stated` by pattern, the first that fits; `seen` is what the records show (`roles`).
    """
    role, weight = dict[int, str](), dict[int, float]()
    for number in _servers(columns).tolist():
        role[number] = SERVER
    for number, said in _seen(columns, seen or {}):
        role[number], weight[number] = said, WEIGHTS[_IMPORTANCE.get(said, "normal")]
    for number in _at(columns, _controllers(columns), "host", "device").tolist():
        role[number], weight[number] = CONTROLLER, WEIGHTS[_IMPORTANCE[CONTROLLER]]
    shape = columns.table["shape"]
    rights = _flags(columns, pc.equal(shape, _PRIVILEGED))
    for number in [*_at(columns, rights, "user", "actor").tolist(), *_administrators(columns)]:
        role[number], weight[number] = "privileged account", WEIGHTS["high"]
    for number, asset in _stated(columns, stated):
        role[number] = asset.role or role.get(number, "")
        weight[number] = WEIGHTS[asset.importance]
    return Assets(role, weight)


def _flags(columns: Columns, mask: pa.ChunkedArray) -> Flags:
    rows = pc.fill_null(mask, False).combine_chunks().to_numpy(zero_copy_only=False)
    made: Flags = rows[columns.rows]
    return made


def _controllers(columns: Columns) -> Flags:
    shape = columns.table["shape"]
    written = pc.is_in(shape, value_set=pa.array(ONLY_CONTROLLERS))
    return _flags(columns, pc.or_kleene(written, pc.starts_with(shape, DIRECTORY)))


def _at(columns: Columns, findings: Flags, kind: str, role: str) -> Ints:
    """The identities that some findings name as this kind in this role."""
    chosen = findings[columns.owner] & (columns.role == ROLES.index(role))
    named = columns.identity[chosen].astype(np.int64)
    return unique(named[columns.identities.kind[named] == KIND[kind]])


def _servers(columns: Columns) -> Ints:
    """Hosts to which findings see many different addresses come."""
    kind = columns.identities.kind[columns.identity]
    device = (kind == KIND["host"]) & (columns.role == ROLES.index("device"))
    source = (kind == KIND["ip"]) & (columns.role == ROLES.index("source"))
    host = np.full(len(columns.rule), -1)
    host[columns.owner[device]] = columns.identity[device]
    at, visitor = host[columns.owner[source]], columns.identity[source]
    width = max(1, len(columns.identities))
    pairs = unique(at[at >= 0] * width + visitor[at >= 0])
    made: Ints = np.flatnonzero(np.bincount(pairs // width, minlength=1) >= VISITORS)
    return made


def _seen(columns: Columns, seen: Mapping[str, str]) -> list[tuple[int, str]]:
    """Hosts and addresses of which the records show what they are."""
    if not seen:
        return []
    kinds = [KIND["host"], KIND["ip"]]
    chosen = np.flatnonzero(np.isin(columns.identities.kind, kinds))
    names = pa.array(list(seen), pa.string())
    at = pc.index_in(columns.identities.keys.take(chosen), value_set=names)
    known = pc.is_valid(at).to_numpy(zero_copy_only=False)
    said = list(seen.values())
    return [
        (number, said[place])
        for number, place in zip(chosen[known].tolist(), at.drop_null().to_pylist(), strict=True)
    ]


def _administrators(columns: Columns) -> list[int]:
    users = np.flatnonzero(columns.identities.kind == KIND["user"])
    keys = columns.identities.keys.take(users).to_pylist()
    pairs = zip(users.tolist(), keys, strict=True)
    return [number for number, key in pairs if key.partition("@")[0] in _ADMINISTRATORS]


def _stated(columns: Columns, stated: Mapping[str, Asset]) -> list[tuple[int, Asset]]:
    if not stated:
        return []
    kinds = [KIND[name] for name in ("host", "user", "account", "ip", "resource")]
    chosen = np.flatnonzero(np.isin(columns.identities.kind, kinds))
    made = []
    for number in chosen.tolist():
        names = {columns.identities.key(number), columns.identities.shown(number).lower()}
        for pattern, asset in stated.items():
            if any(fnmatchcase(name, pattern.lower()) for name in names):
                made.append((number, asset))
                break
    return made

"""Says which objects are audit events of a software service, and what rows they give.

`vendors.toml` says of each service what tells its events, and where they say who did what. Ours, so
that one rule can speak of all: `audit_action`, `audit_actor`, `audit_address`, `audit_agent`,
`audit_target`, `audit_outcome` (success or failure), `audit_new` (what a setting is now), `audit_role`
(which one was given), and `audit_words`, what was done in lower case
with a space between words.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

import orjson

from labrys.evidence.cloud_event import Row, dig, respell, spelling, time_of
from labrys.evidence.values import flatten

_SAYS: Final = ("action", "actor", "address", "agent", "target", "outcome", "new", "role")
_LONG: Final = 1_000
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN: Final = re.compile(r"[^\w]+|_+")
_GOOD: Final = ("succ", "true", "yes", "ok", "allow", "pass", "grant", "complete", "2", "none")
_BAD: Final = (
    *("fail", "false", "no", "den", "err", "block", "fraud", "invalid", "4", "5", "credentials"),
    *("permission", "unauth", "reject", "locked"),
)


@dataclass(frozen=True, slots=True)
class Vendor:
    """How one service writes its events; each of `needs` are alternatives, of which one is there."""

    id: str
    needs: tuple[tuple[str, ...], ...]
    where: tuple[tuple[str, "re.Pattern[str]"], ...]
    known: dict[str, str]
    time: tuple[str, ...]
    words: tuple[str, ...]
    says: dict[str, tuple[str, ...]]

    def fits(self, record: dict[str, Any]) -> bool:
        """Whether an object is one of its events."""
        for choices in self.needs:
            if not any(_has(record, path) for path in choices):
                return False
        for path, wanted in self.where:
            value = dig(record, path)
            if not isinstance(value, str) or len(value) > _LONG or not wanted.fullmatch(value):
                return False
        return True


@cache
def vendors() -> tuple[Vendor, ...]:
    """Every service there is in the table."""
    text = files("labrys.evidence.saas_audit").joinpath("vendors.toml").read_text("utf-8")
    return tuple(_vendor(entry) for entry in tomllib.loads(text)["vendor"])


def _vendor(entry: dict[str, Any]) -> Vendor:
    return Vendor(
        id=entry["id"],
        needs=tuple(tuple(need.split("|")) for need in entry["needs"]),
        where=tuple((path, re.compile(text)) for path, text in entry.get("where", {}).items()),
        known=spelling(*entry.get("known", ())),
        time=tuple(entry["time"]),
        words=tuple(entry.get("words", ())),
        says={name: tuple(entry[name]) for name in _SAYS if name in entry},
    )


def recognise(record: dict[str, Any]) -> list[Row] | None:
    """The row of an audit event; None for anything else."""
    for vendor in vendors():
        spelt = record
        if vendor.known and not _has(record, vendor.needs[0][0]):
            if vendor.needs[0][0].lower() not in _lowered(tuple(record)):
                continue
            spelt = respell(record, vendor.known)
        if vendor.fits(spelt):
            return [_row(spelt, vendor)]
    return None


@lru_cache(maxsize=256)
def _lowered(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _row(record: dict[str, Any], vendor: Vendor) -> Row:
    fields = flatten(record)
    for name, paths in vendor.says.items():
        value = next((told for path in paths if (told := _told(record, path))), None)
        if name == "outcome":
            value = _outcome(value) if value is not None else None
        if value is not None:
            fields.setdefault(f"audit_{name}", value)
    said = [told for path in vendor.words if (told := _told(record, path))]
    action = " ".join(said) or fields.get("audit_action")
    if isinstance(action, str):
        fields.setdefault("audit_words", words(action[:_LONG]))
    return f"saas.{vendor.id}", fields, time_of(record, *vendor.time)


@lru_cache(maxsize=4096)
def words(action: str) -> str:
    """An action in lower case, its words apart: `updateIPRestrictions` → `update ip restrictions`."""
    return " ".join(_BETWEEN.sub(" ", _HUMP.sub(" ", action)).lower().split())


def _has(record: dict[str, Any], path: str) -> bool:
    return _member(record, path) is not None


def _member(record: dict[str, Any], path: str) -> Any:
    """What is at a path, whose names may begin with a dot (`event_type..tag`)."""
    if path in record:
        return record[path]
    if ".." in path:
        outer, _, inner = path.partition("..")
        holder = dig(record, outer)
        return holder.get(f".{inner}") if isinstance(holder, dict) else None
    return dig(record, path)


def _told(record: dict[str, Any], path: str) -> str | None:
    value = _member(record, path)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict | list) and value:
        return orjson.dumps(value)[:_LONG].decode("utf-8", "ignore")
    return value[:_LONG] if isinstance(value, str) and value else None


def _outcome(value: str) -> str:
    plain = value.strip().lower()
    if plain.startswith(_GOOD):
        return "success"
    return "failure" if plain.startswith(_BAD) else plain

"""Findings as plain columns: times that can be compared, rules and entities as numbers."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.ocsf.attack import tactics_of
from labrys.ocsf.schema import FINDING, Severity
from labrys.triage.arrays import Flags, Ints, Small, Tiny, integers, ranked
from labrys.triage.chain import short
from labrys.triage.entities import Identities, entities

NO_TIME: Final = np.iinfo(np.int64).min
_EARLIEST: Final = 631_152_000_000
"""1990-01-01: what is dated earlier (1601, 1970) comes from a clock that was not set."""
_LATEST: Final = 253_402_300_799_999
"""End of year 9999, so that differences of times cannot overflow."""


@dataclass(frozen=True, slots=True)
class Attack:
    """What a finding means in ATT&CK: tactics (as the rule orders them) and technique ids."""

    tactics: tuple[str, ...]
    techniques: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """All findings, each uid once, numbered in the order of their uids.

    `start` and `end` are `NO_TIME` where the time is unknown; `rule` and `attack` are numbers into
    `rules` and `attacks`. `owner`, `identity`, `role` list the entities of all findings. `rows`
    are the findings' rows in `table`, which stays as it came: copying its lists costs the most.
    """

    table: pa.Table
    rows: Ints
    rule: Ints
    rules: list[str]
    severity: Tiny
    confidence: Tiny
    start: Ints
    end: Ints
    attack: Small
    attacks: list[Attack]
    owner: Small
    identity: Small
    role: Tiny
    identities: Identities

    @property
    def timed(self) -> Flags:
        """Which findings have a time that can be believed."""
        made: Flags = self.start != NO_TIME
        return made

    def text(self, name: str, findings: Ints) -> pa.Array:
        """A text column of some findings."""
        made = self.table[name].take(pa.array(self.rows[findings]))
        return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made

    def evidence(self, name: str, findings: Ints) -> pa.ChunkedArray:
        """`_source` or `_offset` of the first record behind each of some findings; null if none."""
        lists = self.table["evidence"].take(pa.array(self.rows[findings])).combine_chunks()
        first = pc.list_element(pc.list_slice(lists, 0, 1, return_fixed_size_list=True), 0)
        return pa.chunked_array([pc.struct_field(first, name)])


def read(findings: pa.Table) -> Columns:
    """Findings (`FINDING`) as columns; findings of the same uid are one."""
    table = findings.select(FINDING.names)
    rows = _sorted_rows(table["uid"])
    if len(rows) < table.num_rows:
        table = table.take(pa.array(rows))
        rows = np.arange(len(rows))
    start, end = _times(table)
    rule, rules = ranked(table["rule_uid"])
    attack, attacks = _attacks(table)
    severity = np.clip(integers(table["severity_id"], 1), 1, 5).astype(np.int8)
    confidence = np.clip(integers(table["confidence"], 50), 0, 100).astype(np.int8)
    named = entities(table, severity < Severity.MEDIUM)
    number = np.empty(len(rows), np.int32)
    number[rows] = np.arange(len(rows), dtype=np.int32)
    pa.default_memory_pool().release_unused()
    return Columns(
        table=table,
        rows=rows,
        rule=rule[rows],
        rules=rules.to_pylist(),
        severity=severity[rows],
        confidence=confidence[rows],
        start=start[rows],
        end=end[rows],
        attack=attack.astype(np.int32)[rows],
        attacks=attacks,
        owner=number[named.owner],
        identity=named.identity,
        role=named.role,
        identities=named.identities,
    )


def _sorted_rows(uids: pa.ChunkedArray) -> Ints:
    """The row of each distinct uid, in the order of the uids."""
    sorting = pc.sort_indices(uids).to_numpy()
    ordered = uids.take(pa.array(sorting))
    first = np.ones(len(sorting), np.bool_)
    if len(sorting) > 1:
        first[1:] = pc.not_equal(ordered[1:], ordered[:-1]).to_numpy()
    return np.asarray(sorting[first], np.int64)


def _times(table: pa.Table) -> tuple[Ints, Ints]:
    start, end = (
        np.minimum(integers(table[name], 0), _LATEST) for name in ("time_start", "time_end")
    )
    start = np.where(start < _EARLIEST, end, start)
    end = np.where(end < start, start, end)
    unknown = start < _EARLIEST
    return np.where(unknown, NO_TIME, start), np.where(unknown, NO_TIME, end)


def _attacks(table: pa.Table) -> tuple[Ints, list[Attack]]:
    """Each finding's tactics and techniques, as a number into the distinct combinations."""
    joined = [
        pc.fill_null(pc.binary_join(table[name].combine_chunks(), " "), "")
        for name in ("tactics", "techniques")
    ]
    codes, texts = ranked(pa.chunked_array([pc.binary_join_element_wise(*joined, "|")]))
    return codes, [_attack(text) for text in texts.to_pylist()]


def _attack(text: str) -> Attack:
    tactics, _, techniques = text.partition("|")
    uids = tuple(dict.fromkeys(uid.upper() for uid in techniques.split()))
    named = tuple(dict.fromkeys(short(name) for name in tactics.split()))
    return Attack(named or tactics_of(uids), uids)

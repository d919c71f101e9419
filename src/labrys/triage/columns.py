"""Findings as plain columns: times that can be compared, rules and entities as numbers."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.ocsf.attack import tactics_of
from labrys.ocsf.schema import ENTITY_TYPES, FINDING, Severity
from labrys.triage.chain import short
from labrys.triage.identity import identify, is_long_lived, is_system_file, process_name

Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Tiny = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

NO_TIME: Final = np.iinfo(np.int64).min
_EARLIEST: Final = 631_152_000_000
"""1990-01-01: what is dated earlier (1601, 1970) comes from a clock that was not set."""
_LATEST: Final = 253_402_300_799_999
"""End of year 9999, so that differences of times cannot overflow."""

ROLES: Final = ("actor", "target", "source", "destination", "device", "parent", "object")
_FLEETING: Final = tuple(name for name in ENTITY_TYPES if name not in ("host", "user"))
"""Kinds of entity there may be millions of. One that a single weak finding names can tie nothing,
and is not looked at any further: that keeps the memory of large cases small."""
KIND: Final = {name: code for code, name in enumerate(ENTITY_TYPES)}


@dataclass(frozen=True, slots=True)
class Attack:
    """What a finding means in ATT&CK: tactics (as the rule orders them) and technique ids."""

    tactics: tuple[str, ...]
    techniques: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identities:
    """The distinct identities of a case, sorted by kind and key, so that numbers are stable."""

    kind: Ints
    key: list[str]
    shown: list[str]
    alone: Flags
    part: Flags


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
    severity: Ints
    confidence: Ints
    start: Ints
    end: Ints
    attack: Ints
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


def read(findings: pa.Table) -> Columns:
    """Findings (`FINDING`) as columns; findings of the same uid are one."""
    table = findings.select(FINDING.names)
    rows = _sorted_rows(table["uid"])
    if len(rows) < table.num_rows:
        table = table.take(pa.array(rows))
        rows = np.arange(len(rows))
    start, end = _times(table)
    rule, rules = _codes(table["rule_uid"])
    attack, attacks = _attacks(table)
    severity = np.clip(_numbers(table["severity_id"], 1), 1, 5)
    owner, identity, role, identities = _entities(table, severity < Severity.MEDIUM)
    number = np.empty(len(rows), np.int32)
    number[rows] = np.arange(len(rows), dtype=np.int32)
    pa.default_memory_pool().release_unused()
    return Columns(
        table=table,
        rows=rows,
        rule=rule[rows],
        rules=rules,
        severity=severity[rows],
        confidence=np.clip(_numbers(table["confidence"], 50), 0, 100)[rows],
        start=start[rows],
        end=end[rows],
        attack=attack[rows],
        attacks=attacks,
        owner=number[owner],
        identity=identity,
        role=role,
        identities=identities,
    )


def unique(values: Ints) -> Ints:
    """The distinct values, sorted: by sorting, which is many times faster than numpy's hashing."""
    ordered = np.sort(values)
    fresh = np.ones(len(ordered), np.bool_)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return ordered[fresh]


def numbered(values: Ints) -> tuple[Ints, Ints]:
    """The distinct values, sorted, and for each value its place among them."""
    sorting = np.argsort(values)
    ordered = values[sorting]
    fresh = np.ones(len(ordered), np.bool_)
    fresh[1:] = ordered[1:] != ordered[:-1]
    places = np.empty(len(ordered), np.int64)
    places[sorting] = np.cumsum(fresh) - 1
    return ordered[fresh], places


def _sorted_rows(uids: pa.ChunkedArray) -> Ints:
    """The row of each distinct uid, in the order of the uids."""
    sorting = pc.sort_indices(uids).to_numpy()
    ordered = uids.take(pa.array(sorting))
    first = np.ones(len(sorting), np.bool_)
    if len(sorting) > 1:
        first[1:] = pc.not_equal(ordered[1:], ordered[:-1]).to_numpy()
    return np.asarray(sorting[first], np.int64)


def _numbers(column: pa.ChunkedArray, default: int) -> Ints:
    filled = pc.fill_null(column, default).cast(pa.int64())
    return np.asarray(filled.combine_chunks().to_numpy(zero_copy_only=False), np.int64)


def _times(table: pa.Table) -> tuple[Ints, Ints]:
    start, end = (
        np.minimum(_numbers(table[name], 0), _LATEST) for name in ("time_start", "time_end")
    )
    start = np.where(start < _EARLIEST, end, start)
    end = np.where(end < start, start, end)
    unknown = start < _EARLIEST
    return np.where(unknown, NO_TIME, start), np.where(unknown, NO_TIME, end)


def _codes(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Text as numbers in the order of the sorted distinct values."""
    encoded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    names = encoded.dictionary
    ranks = np.empty(len(names), np.int64)
    sorting = pc.sort_indices(names).to_numpy()
    ranks[sorting] = np.arange(len(names))
    indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return ranks[indices], names.take(pa.array(sorting)).to_pylist()


def _small_codes(column: pa.ChunkedArray) -> tuple[Small, list[str]]:
    """The same for few different values, in less memory, chunk by chunk."""
    encoded = column.dictionary_encode()
    names: dict[str, int] = {}
    parts = [np.zeros(0, np.int32)]
    chunks = encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]
    for chunk in chunks:
        known = [names.setdefault(name or "", len(names)) for name in chunk.dictionary.to_pylist()]
        missing = names.setdefault("", len(names)) if chunk.null_count else 0
        codes = np.array([*known, missing], np.int32)
        indices = pc.fill_null(chunk.indices, len(known)).to_numpy(zero_copy_only=False)
        parts.append(codes[indices])
    return np.concatenate(parts), list(names)


def _attacks(table: pa.Table) -> tuple[Ints, list[Attack]]:
    """Each finding's tactics and techniques, as a number into the distinct combinations."""
    joined = [
        pc.fill_null(pc.binary_join(table[name].combine_chunks(), " "), "")
        for name in ("tactics", "techniques")
    ]
    codes, texts = _codes(pa.chunked_array([pc.binary_join_element_wise(*joined, "|")]))
    return codes, [_attack(text) for text in texts]


def _attack(text: str) -> Attack:
    tactics, _, techniques = text.partition("|")
    uids = tuple(dict.fromkeys(uid.upper() for uid in techniques.split()))
    named = tuple(dict.fromkeys(short(name) for name in tactics.split()))
    return Attack(named or tactics_of(uids), uids)


def _entities(table: pa.Table, weak: Flags) -> tuple[Small, Small, Tiny, Identities]:
    """Every finding's entities: owner, identity and role in parallel, and the identities."""
    lists = table["entities"]
    rows = np.arange(table.num_rows, dtype=np.int32)
    owner = np.repeat(rows, _numbers(pc.list_value_length(lists), 0))
    flat = pc.list_flatten(lists)
    types, kinds = _small_codes(pc.struct_field(flat, "type"))
    roles, role_names = _small_codes(pc.struct_field(flat, "role"))
    role = np.array([_role(name) for name in role_names] or [0], np.int8)[roles]
    text, dictionary = _dictionary(pc.struct_field(flat, "value"))
    del flat, roles
    kept = _lasting(types, text, len(dictionary), kinds, weak[owner])
    owner, role, types, text = owner[kept], role[kept], types[kept], text[kept]
    spelling, kind, spelled = _spellings(types, text, len(dictionary))
    spelled = dictionary.take(pa.array(spelled)).to_pylist()
    del types, text, dictionary, kept
    kind_names = [kinds[code] for code in kind.tolist()]
    made, numbers = _merge(kind_names, spelled)
    width = len(ROLES) + 1
    place = owner.astype(np.int64) * width + role
    kept = (numbers[spelling] >= 0) & ~_long_lived(
        place, table.num_rows * width, spelling, kind_names, spelled
    )
    owner, role, place, spelling = owner[kept], role[kept], place[kept], spelling[kept]
    identity = numbers[spelling].astype(np.int32)
    generic = _generic_hashes(place, table.num_rows * width, identity, made)
    shown = _programs(owner, role, identity, made)
    made = Identities(made.kind, made.key, shown, made.alone & ~generic, made.part)
    return owner, identity, role, made


def _dictionary(column: pa.ChunkedArray) -> tuple[Small, pa.Array]:
    """Text as numbers into its distinct values; nothing is the empty text."""
    encoded = column.dictionary_encode()
    chunks = encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]
    values = chunks[-1].dictionary if chunks else pa.array([], pa.string())
    if column.null_count:
        values = pa.concat_arrays([values, pa.array([""], values.type)])
    # Of later chunks the dictionary is that of the earlier ones and what is new.
    parts = [
        pc.fill_null(chunk.indices, len(values) - 1).to_numpy(zero_copy_only=False)
        for chunk in chunks
    ]
    return np.concatenate([np.zeros(0, np.int32), *parts]), values


def _lasting(types: Small, text: Small, texts: int, kinds: list[str], weak: Flags) -> Flags:
    """Which entries to look at: not those of fleeting kinds that one weak finding alone names."""
    kept = np.ones(len(types), np.bool_)
    for code in _codes_of(kinds, _FLEETING).tolist():
        mine = np.flatnonzero(types == code)
        alone = np.bincount(text[mine], minlength=texts)[text[mine]] == 1
        kept[mine[alone & weak[mine]]] = False
    return kept


def _spellings(types: Small, text: Small, texts: int) -> tuple[Small, Small, Small]:
    """Each entry's spelling as a number, and the type and text of each spelling."""
    spelling = np.empty(len(types), np.int32)
    parts: list[tuple[Small, Small]] = []
    count = 0
    for code in np.flatnonzero(np.bincount(types)).tolist():
        mine = np.flatnonzero(types == code)
        seen = np.zeros(texts, np.bool_)
        seen[text[mine]] = True
        found = np.flatnonzero(seen).astype(np.int32)
        spelling[mine] = (np.cumsum(seen, dtype=np.int32) + np.int32(count - 1))[text[mine]]
        parts.append((np.full(len(found), code, np.int32), found))
        count += len(found)
    none = [np.zeros(0, np.int32)]
    kind, spelled = (
        (np.concatenate([*none, *each]) for each in zip(*parts, strict=True))
        if parts
        else (*none, *none)
    )
    return spelling, kind, spelled


def _codes_of(names: list[str], wanted: tuple[str, ...]) -> Ints:
    return np.array([code for code, name in enumerate(names) if name in wanted], np.int64)


def _role(name: str) -> int:
    return ROLES.index(name) if name in ROLES else len(ROLES)


def _merge(kinds: list[str], values: list[str]) -> tuple[Identities, Ints]:
    """Identities of the spellings, and for each spelling its identity's number (-1: nobody).

    Of several spellings the longest is shown: `bob@corp.example` rather than `bob`.
    """
    found = identify(kinds, values)
    code = np.array([KIND.get(name, -1) for name in kinds], np.int64)
    chosen = np.flatnonzero(np.array([bool(each.key) for each in found], np.bool_) & (code >= 0))
    picked = [found[each] for each in chosen.tolist()]
    key, keys = _codes(pa.chunked_array([[each.key for each in picked]], pa.string()))
    sorting = np.lexsort((key, code[chosen]))
    chosen, key, kind = chosen[sorting], key[sorting], code[chosen][sorting]
    fresh = np.ones(len(chosen), np.bool_)
    fresh[1:] = (kind[1:] != kind[:-1]) | (key[1:] != key[:-1])
    numbers = np.full(len(kinds), -1, np.int64)
    numbers[chosen] = np.cumsum(fresh) - 1
    begins = np.flatnonzero(fresh)
    alone, part = (
        np.logical_and.reduceat(flags[sorting], begins) if len(begins) else flags
        for flags in (
            np.array([each.alone for each in picked], np.bool_),
            np.array([each.part for each in picked], np.bool_),
        )
    )
    shown = [found[each].shown for each in chosen[begins].tolist()]
    ends = np.append(begins[1:], len(chosen))
    for number in np.flatnonzero(ends - begins > 1).tolist():
        spellings = (found[each].shown for each in chosen[begins[number] : ends[number]].tolist())
        shown[number] = min(spellings, key=lambda text: (-len(text), text))
    names = [keys[each] for each in key[fresh].tolist()]
    return Identities(kind[fresh], names, shown, alone, part), numbers


def _long_lived(
    place: Ints, places: int, spelling: Small, kinds: list[str], values: list[str]
) -> Flags:
    """Processes of programs that start everything else: sharing one is no tie.

    A process is often named by its guid alone; then the program's file, in the same `place` (role
    in a finding), tells which it is.
    """
    pairs = zip(kinds, values, strict=True)
    is_file = np.array([kind == "file" and is_long_lived(text) for kind, text in pairs], np.bool_)
    is_process = np.array([kind == "process" for kind in kinds], np.bool_)
    marked = np.zeros(places, np.bool_)
    marked[place[is_file[spelling]]] = True
    made: Flags = is_process[spelling] & marked[place]
    return made


def _generic_hashes(place: Ints, places: int, identity: Small, identities: Identities) -> Flags:
    """Hashes only ever seen on the system's own programs: two hosts running those are not tied."""
    kind = identities.kind[identity]
    files = np.flatnonzero(identities.kind == KIND["file"])
    own = np.zeros(len(identities.key), np.bool_)
    own[files] = [is_system_file(identities.key[number]) for number in files]
    system, other = (np.zeros(places, np.bool_) for _ in range(2))
    is_file = kind == KIND["file"]
    system[place[is_file & own[identity]]] = True
    other[place[is_file & ~own[identity]]] = True
    is_hash = kind == KIND["hash"]
    common = system[place] & ~other[place]
    generic = np.zeros(len(identities.key), np.bool_)
    generic[identity[is_hash & common]] = True
    generic[identity[is_hash & ~common]] = False
    return generic


def _programs(owner: Small, role: Tiny, identity: Small, identities: Identities) -> list[str]:
    """What each identity is called, processes by their program as well as by their number.

    The program is the file in the same finding that acts (or is the parent), as
    `labrys.ocsf.entities` gives them.
    """
    shown = list(identities.shown)
    kind = identities.kind[identity]
    parent = ROLES.index("parent")
    side = owner.astype(np.int64) * 2 + (role == parent)
    acting = (kind == KIND["file"]) & np.isin(role, [ROLES.index("actor"), parent])
    program = np.full(2 * int(owner.max(initial=0)) + 2, -1)
    program[side[acting][::-1]] = identity[acting][::-1]
    process = np.flatnonzero((kind == KIND["process"]) & (program[side] >= 0))
    found = unique(identity[process].astype(np.int64) * max(1, len(shown)) + program[side[process]])
    number, file = np.divmod(found, max(1, len(shown)))
    first = np.append(True, number[1:] != number[:-1]) if len(number) else np.zeros(0, np.bool_)
    for each, path in zip(number[first].tolist(), file[first].tolist(), strict=True):
        shown[each] = process_name(identities.key[each], identities.shown[path])
    return shown

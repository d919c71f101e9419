"""Who and what findings name, as numbers: every spelling of one identity is the same number.

There may be millions of spellings, so they are looked at in batches and kept as Arrow text; only
what an incident shows becomes a Python string.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.ocsf.schema import ENTITY_TYPES
from labrys.triage.arrays import Flags, Ints, Small, Tiny, few, integers, ranked, unique
from labrys.triage.identity import identity, is_long_lived, is_system_file, known, process_name

ROLES: Final = ("actor", "target", "source", "destination", "device", "parent", "object")
KIND: Final = {name: code for code, name in enumerate(ENTITY_TYPES)}
_FLEETING: Final = tuple(name for name in ENTITY_TYPES if name not in ("host", "user"))
"""Kinds of entity there may be millions of. One that a single weak finding names can tie nothing,
and is not looked at any further: that keeps the memory of large cases small."""
_BATCH: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class Identities:
    """The distinct identities of a case, sorted by kind and key, so that numbers are stable.

    `program` is the number of the file that a process runs (-1: not known).
    """

    kind: Ints
    keys: pa.Array
    names: pa.Array
    program: Ints
    alone: Flags
    part: Flags

    def __len__(self) -> int:
        """How many there are."""
        return len(self.kind)

    def key(self, number: int) -> str:
        """What compares."""
        made: str = self.keys[number].as_py()
        return made

    def shown(self, number: int) -> str:
        """What people read: processes by their program as well as by their number."""
        program = int(self.program[number])
        if program >= 0:
            return process_name(self.key(number), self.names[program].as_py())
        made: str = self.names[number].as_py()
        return made

    def begins(self, text: str) -> Flags:
        """Which keys begin with this."""
        made: Flags = pc.starts_with(self.keys, text).to_numpy(zero_copy_only=False)
        return made


@dataclass(frozen=True, slots=True)
class Entities:
    """The entities of all findings in parallel: whose, who, in which role."""

    owner: Small
    identity: Small
    role: Tiny
    identities: Identities


@dataclass(frozen=True, slots=True)
class _Spellings:
    """Distinct (kind, text): `kind` is a number into `kinds`."""

    kinds: list[str]
    kind: Small
    text: pa.Array

    def of(self, *names: str) -> Ints:
        """The numbers of those of some kinds."""
        wanted = [code for code, name in enumerate(self.kinds) if name in names]
        return np.flatnonzero(np.isin(self.kind, wanted))

    def pairs(self, *names: str) -> Iterator[tuple[str, str]]:
        """Kind and text of each, of some kinds or of all."""
        chosen = self.of(*names) if names else np.arange(len(self.kind))
        for begin in range(0, len(chosen), _BATCH):
            batch = chosen[begin : begin + _BATCH]
            codes = self.kind[batch].tolist()
            for code, text in zip(codes, self.text.take(batch).to_pylist(), strict=True):
                yield self.kinds[code], text


def entities(table: pa.Table, weak: Flags) -> Entities:
    """The entities of findings (`FINDING`); `weak` are those too weak to tie anything."""
    owner, role, spelling, spelled = _spellings(table["entities"], weak)
    made, numbers = _merged(spelled)
    width = len(ROLES) + 1
    place = owner.astype(np.int64) * width + role
    places = table.num_rows * width
    kept = (numbers[spelling] >= 0) & ~_long_lived(place, places, spelling, spelled)
    owner, role, place = owner[kept], role[kept], place[kept]
    who = numbers[spelling[kept]]
    generic = _generic_hashes(place, places, who, made)
    program = _programs(owner, role, who, made)
    return Entities(owner, who, role, replace(made, program=program, alone=made.alone & ~generic))


def _spellings(lists: pa.ChunkedArray, weak: Flags) -> tuple[Small, Tiny, Small, _Spellings]:
    """Owner, role and spelling of each entity worth looking at, and the spellings."""
    rows = np.arange(len(lists), dtype=np.int32)
    flat = pc.list_flatten(lists)
    text, dictionary = _dictionary(pc.struct_field(flat, "value"))
    owner = np.repeat(rows, integers(pc.list_value_length(lists), 0))
    types, kinds = few(pc.struct_field(flat, "type"))
    roles, role_names = few(pc.struct_field(flat, "role"))
    role = np.array([_role(name) for name in role_names] or [0], np.int8)[roles]
    del roles, flat
    kept = _lasting(types, text, len(dictionary), kinds, weak[owner])
    owner, role, types, text = owner[kept], role[kept], types[kept], text[kept]
    spelling, kind, spelled = _distinct(types, text, len(dictionary))
    return owner, role, spelling, _Spellings(kinds, kind, dictionary.take(pa.array(spelled)))


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


def _lasting(types: Small | Tiny, text: Small, texts: int, kinds: list[str], weak: Flags) -> Flags:
    """Which entries to look at: not those of fleeting kinds that one weak finding alone names."""
    kept = np.ones(len(types), np.bool_)
    for code in (code for code, name in enumerate(kinds) if name in _FLEETING):
        mine = np.flatnonzero(types == code)
        alone = np.bincount(text[mine], minlength=texts)[text[mine]] == 1
        kept[mine[alone & weak[mine]]] = False
    return kept


def _distinct(types: Small | Tiny, text: Small, texts: int) -> tuple[Small, Small, Small]:
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


def _role(name: str) -> int:
    return ROLES.index(name) if name in ROLES else len(ROLES)


def _merged(spelled: _Spellings) -> tuple[Identities, Small]:
    """Identities of the spellings, and for each spelling its identity's number (-1: nobody).

    Of several spellings the longest is shown: `bob@corp.example` rather than `bob`.
    """
    keys, names, flags = _identified(spelled)
    code = np.array([KIND.get(name, -1) for name in spelled.kinds] or [-1], np.int64)[spelled.kind]
    there = pc.not_equal(keys, "").to_numpy(zero_copy_only=False)
    chosen = np.flatnonzero(there & (code >= 0))
    key, keys = ranked(pa.chunked_array([keys.take(chosen)], pa.string()))
    rank, _ = ranked(pa.chunked_array([names.take(chosen)], pa.string()))
    length = pc.utf8_length(names.take(chosen)).to_numpy(zero_copy_only=False)
    sorting = np.lexsort((rank, -length, key, code[chosen]))
    chosen, key, kind = chosen[sorting], key[sorting], code[chosen][sorting]
    fresh = np.ones(len(chosen), np.bool_)
    fresh[1:] = (kind[1:] != kind[:-1]) | (key[1:] != key[:-1])
    begins = np.flatnonzero(fresh)
    numbers = np.full(len(code), -1, np.int32)
    numbers[chosen] = np.cumsum(fresh) - 1
    alone, part = (
        np.logical_and.reduceat(each[chosen], begins) if len(begins) else each[:0] for each in flags
    )
    nothing = np.full(len(begins), -1, np.int64)
    names = names.take(chosen[begins])
    return Identities(kind[fresh], keys.take(key[fresh]), names, nothing, alone, part), numbers


def _identified(spelled: _Spellings) -> tuple[pa.Array, pa.Array, list[Flags]]:
    """Key, name, and what each spelling may tie; a batch at a time."""
    people = known(lambda: spelled.pairs("host", "process", "session", "user"))
    keys, names = [pa.array([], pa.string())], [pa.array([], pa.string())]
    flags = [np.zeros((2, 0), np.bool_)]
    found = (identity(people, kind, text) for kind, text in spelled.pairs())
    while batch := list(islice(found, _BATCH)):
        keys.append(pa.array([each.key for each in batch], pa.string()))
        names.append(pa.array([each.shown for each in batch], pa.string()))
        flags.append(np.array([(each.alone, each.part) for each in batch], np.bool_).T)
    return pa.concat_arrays(keys), pa.concat_arrays(names), list(np.concatenate(flags, axis=1))


def _long_lived(place: Ints, places: int, spelling: Small, spelled: _Spellings) -> Flags:
    """Processes of programs that start everything else: sharing one is no tie.

    A process is often named by its guid alone; then the program's file, in the same `place` (role
    in a finding), tells which it is.
    """
    is_file, is_process = np.zeros((2, len(spelled.kind)), np.bool_)
    is_file[spelled.of("file")] = [is_long_lived(text) for _, text in spelled.pairs("file")]
    is_process[spelled.of("process")] = True
    marked = np.zeros(places, np.bool_)
    marked[place[is_file[spelling]]] = True
    made: Flags = is_process[spelling] & marked[place]
    return made


def _generic_hashes(place: Ints, places: int, who: Small, identities: Identities) -> Flags:
    """Hashes only ever seen on the system's own programs: two hosts running those are not tied."""
    kind = identities.kind[who]
    files = np.flatnonzero(identities.kind == KIND["file"])
    own = np.zeros(len(identities), np.bool_)
    own[files] = [is_system_file(path) for path in identities.keys.take(files).to_pylist()]
    system, other = (np.zeros(places, np.bool_) for _ in range(2))
    is_file = kind == KIND["file"]
    system[place[is_file & own[who]]] = True
    other[place[is_file & ~own[who]]] = True
    is_hash = kind == KIND["hash"]
    common = system[place] & ~other[place]
    generic = np.zeros(len(identities), np.bool_)
    generic[who[is_hash & common]] = True
    generic[who[is_hash & ~common]] = False
    return generic


def _programs(owner: Small, role: Tiny, who: Small, identities: Identities) -> Ints:
    """The file that each process runs: the one in the same finding that acts (or is the parent),
    as `labrys.ocsf.entities` gives them."""
    kind = identities.kind[who]
    parent = ROLES.index("parent")
    side = owner.astype(np.int64) * 2 + (role == parent)
    acting = (kind == KIND["file"]) & np.isin(role, [ROLES.index("actor"), parent])
    program = np.full(2 * int(owner.max(initial=0)) + 2, -1)
    program[side[acting][::-1]] = who[acting][::-1]
    process = np.flatnonzero((kind == KIND["process"]) & (program[side] >= 0))
    width = max(1, len(identities))
    found = unique(who[process].astype(np.int64) * width + program[side[process]])
    number, file = np.divmod(found, width)
    made = np.full(len(identities), -1, np.int64)
    made[number[::-1]] = file[::-1]
    return made

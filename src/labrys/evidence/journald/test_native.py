import hashlib
import io
import lzma
import struct
from collections.abc import Sequence
from pathlib import Path

import lz4.block
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence.journald import native
from labrys.evidence.journald.export import MOST, Damaged
from labrys.evidence.journald.read import read
from labrys.evidence.records import Source
from labrys.evidence.registry import choose
from labrys.evidence.unpack.decode import zstd

LOGIN = (
    b"MESSAGE=Accepted password for alice from 192.0.2.7 port 4022 ssh2",
    b"SYSLOG_IDENTIFIER=sshd",
    b"_PID=812",
    b"PRIORITY=6",
    b"_HOSTNAME=web1",
    b"TAG=one",
    b"TAG=two",
)
LONG = (b"MESSAGE=" + b"all the same " * 90, b"SYSLOG_IDENTIFIER=app", b"_HOSTNAME=web1")
PACK = {
    0: bytes,
    1: lambda raw: lzma.compress(raw, lzma.FORMAT_XZ),
    2: lambda raw: struct.pack("<Q", len(raw)) + lz4.block.compress(raw, store_size=False),
    4: zstd.compress,
}


def journal(
    logged: Sequence[Sequence[bytes]], *, compact: bool = False, packed: int = 0, tail: int = 0
) -> bytes:
    """A journal of these entries, a second apart; values are shared as systemd shares them."""
    made = bytearray(272)
    places: dict[bytes, int] = {}
    last = 0

    def put(kind: int, flags: int, body: bytes) -> int:
        at = len(made)
        made.extend(struct.pack("<BB6xQ", kind, flags, 16 + len(body)) + body)
        made.extend(bytes(-len(made) % 8))
        return at

    for number, values in enumerate(logged):
        for value in values:
            if value not in places:
                flags = packed if len(value) > 512 else 0
                head = bytes(56 if compact else 48)
                places[value] = put(1, flags, head + PACK[flags](value))
        put(2, 0, bytes(24) + b"MESSAGE")
        form = "<I" if compact else "<Q8x"
        items = b"".join(struct.pack(form, places[value]) for value in values)
        time = 1_709_528_767_123_456 + number * 1_000_000
        last = put(3, 0, struct.pack("<QQQ16sQ", number, time, number, b"\x0b" * 16, 0) + items)
    head = struct.pack(
        "<8sII8x16x16x16x16xQQ8x8x8x8xQ",
        *(native.MAGIC, 0, packed | (16 if compact else 0), 272, len(made) - 272, tail or last),
    )
    made[: len(head)] = head
    return bytes(made)


def entries(raw: bytes) -> list[tuple[int, object]]:
    return list(native.entries(io.BytesIO(raw), len(raw)))


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("packed", list(PACK))
def test_every_form_of_a_journal_gives_its_entries(
    compact: bool, packed: int, tmp_path: Path
) -> None:
    raw = journal([LOGIN, LONG, LOGIN], compact=compact, packed=packed) + bytes(4096)
    path = tmp_path / "system.journal"
    path.write_bytes(raw)
    source = Source(path, path.name, hashlib.sha256(raw).hexdigest(), len(raw))
    rows = [(shape, row) for shape, batch in read(source) for row in batch.to_pylist()]
    assert [shape for shape, _ in rows].count("linux.sshd") == 2
    first = next(row for shape, row in rows if shape == "linux.sshd")
    assert (first["_time"], first["_host"]) == (1_709_528_767_123, "web1")
    assert (first["event"], first["user"], first["src_ip"]) == ("accepted", "alice", "192.0.2.7")
    assert (first["TAG"], first["_BOOT_ID"]) == ("one\x1etwo", "0b" * 16)
    (other,) = [row for shape, row in rows if shape == "linux.syslog"]
    assert other["message"] == "all the same " * 90
    assert raw[other["_offset"]] == 3
    chosen = choose(raw[:4096], "x")
    assert chosen is not None
    assert chosen.id == "journald"


def test_a_journal_that_breaks_off_says_so() -> None:
    raw = journal([LOGIN, LOGIN])
    *found, (_, last) = entries(raw[:-8])
    assert len(found) == 1
    assert isinstance(last, Damaged)
    assert "breaks off" in last.reason


def test_entries_after_the_last_one_that_the_head_names_are_read() -> None:
    assert len(entries(journal([LOGIN] * 5, tail=300))) == 5


def test_a_value_that_is_not_there_costs_only_itself() -> None:
    raw = bytearray(journal([LOGIN]))
    at = raw.index(b"PRIORITY=6") - 64
    raw[at] = 2
    (_, entry), (_, lost) = entries(bytes(raw))
    assert isinstance(entry, dict)
    assert "PRIORITY" not in entry
    assert entry["_PID"] == b"812"
    assert isinstance(lost, Damaged)


def test_what_unpacks_to_more_than_is_kept_is_cut() -> None:
    raw = journal([(b"MESSAGE=" + bytes(MOST * 4), b"_PID=1")], packed=4)
    (_, entry), *_ = entries(raw)
    assert isinstance(entry, dict)
    assert len(entry["MESSAGE"]) <= MOST
    assert entry["_PID"] == b"1"


@settings(max_examples=300, deadline=None)
@given(
    st.booleans(),
    st.sampled_from([0, 1, 2, 4]),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=9)), max_size=6),
    st.integers(0, 4000),
)
def test_no_damage_stops_or_doubles_it(
    compact: bool, packed: int, changes: list[tuple[int, bytes]], cut: int
) -> None:
    raw = bytearray(journal([LOGIN, LONG, LOGIN], compact=compact, packed=packed))
    for at, new in changes:
        at %= len(raw)
        raw[at : at + len(new)] = new
    found = entries(bytes(raw[: len(raw) - cut % len(raw)]))
    assert len(found) <= 2 * 3 + 1 + len(raw) // 64
    assert len({at for at, each in found if isinstance(each, dict)}) == sum(
        isinstance(each, dict) for _, each in found
    )

import csv
import random
import shutil
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.nfdump import lzo, packing
from labrys.evidence.nfdump.read import read
from labrys.evidence.nfdump.samples import make
from labrys.evidence.pcap.samples import make as pcap
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLES = [HERE / "samples" / name for name in make.SAMPLES]


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_are_as_made(path: Path) -> None:
    assert path.read_bytes() == make.SAMPLES[path.name]()


@pytest.mark.parametrize(("order", "flags"), [("<", 0), (">", 0), ("<", 8), (">", 8)])
def test_byte_orders_and_compression_do_not_matter(tmp_path: Path, order: str, flags: int) -> None:
    def plain(row: dict[str, Any]) -> dict[str, Any]:
        return {key: one for key, one in row.items() if key not in ("_id", "_offset", "_source")}

    path = tmp_path / "some"
    path.write_bytes(make.sample(order, flags))
    assert [plain(row) for row in rows(path)] == [plain(row) for row in rows(SAMPLES[0])]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("packed", [0, 2, 3, 4])
def test_layout_2_does_not_depend_on_them_either(tmp_path: Path, order: str, packed: int) -> None:
    def plain(row: dict[str, Any]) -> dict[str, Any]:
        return {key: one for key, one in row.items() if key not in ("_id", "_offset", "_source")}

    path = tmp_path / "some"
    path.write_bytes(make.sample2(order, packed))
    assert [plain(row) for row in rows(path)] == [plain(row) for row in rows(SAMPLES[1])]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (make.file(b"xxxx", flags=1), "block that cannot be unpacked"),
        (make.file2(b"x" * 9, packed=0, kind=4), "block of kind 4"),
        (make.sample2()[:16] + b"\x09" + make.sample2()[17:], "block compressed with kind 9 is not read"),
        (make.sample2()[:17] + b"\x01" + make.sample2()[18:], "block that is encrypted"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_said(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "some"
    path.write_bytes(data)
    assert [row["reason"].rpartition(" × ")[2] for row in rows(path)] == [reason]


def test_blocks_that_unpack_to_too_much_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MOST", 64)
    for packed in (2, 3, 4):
        path = tmp_path / str(packed)
        path.write_bytes(make.sample2(packed=packed))
        found = [row for row in rows(path) if row["shape"] == "unparsed"]
        assert [row["reason"] for row in found] == ["2 × block that cannot be unpacked"]


Step = tuple[bytes, int, int, int]
"""Of LZO: literals, how far back, how much is repeated, and which of the codes says so."""


def lzo_of(begin: bytes, steps: list[Step]) -> tuple[bytes, bytes]:
    """A stream of LZO, and what it says."""
    packed, plain, after = bytes([17 + len(begin)]) + begin, begin, 4
    for literals, back, size, how in steps:
        if literals and after == 0:
            some = literals * 8  # a run has four bytes or more
            packed += (
                bytes([len(some) - 3]) if len(some) <= 18 else bytes([0, len(some) - 18])
            ) + some
            plain, after = plain + some, 4
        back = min(back, len(plain))
        tail = literals[:3]
        if how == 0 and back <= 2_048:
            size = 3 + size % 6
            packed += bytes([(size - 1) << 5 | (back - 1 & 7) << 2 | len(tail), (back - 1) >> 3])
        else:
            size += 3
            low = bytes([32 | (size - 2)]) if size - 2 <= 31 else bytes([32, size - 2 - 31])
            packed += low + ((back - 1) << 2 | len(tail)).to_bytes(2, "little")
        for _ in range(size):
            plain += plain[-back : len(plain) - back + 1]
        packed, plain, after = packed + tail, plain + tail, len(tail)
    return packed + b"\x11\0\0", plain


@given(
    st.binary(min_size=4, max_size=200),
    st.lists(
        st.tuples(
            st.binary(max_size=3), st.integers(1, 16_000), st.integers(0, 200), st.integers(0, 1)
        ),
        max_size=30,
    ),
)
def test_lzo_says_again_what_was_packed(begin: bytes, steps: list[Step]) -> None:
    packed, plain = lzo_of(begin, steps)
    assert lzo.unpack(packed, len(plain)) == plain
    with pytest.raises(ValueError, match="more than it may hold"):
        lzo.unpack(packed, 2)


@given(st.binary(max_size=200))
@example(b"\x12a\x20" + b"\0" * 200_000 + b"\1\0\0\x11\0\0")
def test_broken_lzo_is_an_error_and_never_large(data: bytes) -> None:
    with suppress(ValueError):
        assert len(lzo.unpack(data, 5_000)) < 5_000 + 255 * 200


@pytest.mark.skipif(
    shutil.which("nfdump") is None or shutil.which("nfpcapd") is None,
    reason="nfdump is not installed",
)
@pytest.mark.parametrize("packing_flag", ["", "-z", "-y"])
def test_flows_are_those_that_nfdump_shows(tmp_path: Path, packing_flag: str) -> None:
    packets = pcap.office()
    for n in range(80):
        packets += pcap.connection(b"x" * n, b"y" * 5 * n, 80, source=20_000 + n)
    capture, folder = tmp_path / "some.pcap", tmp_path / "flows"
    capture.write_bytes(pcap.pcap(sorted(packets)))
    folder.mkdir()
    command = ["nfpcapd", "-r", capture, "-w", folder, "-t", "86400", *packing_flag.split()]
    subprocess.run(command, check=True, capture_output=True)
    theirs, ours = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for path in folder.iterdir():
        shown = subprocess.run(
            ["nfdump", "-q", "-r", path, "-o", "csv"], check=True, capture_output=True, text=True
        )
        for line in csv.reader(shown.stdout.splitlines()):
            if len(line) > 20 and line[0] != "ts" and line[7] in ("TCP", "UDP"):
                theirs[line[3], line[4], line[5], line[6], line[11], line[12], line[2]] += 1
        for row in rows(path):
            assert row["shape"] == "netflow.flow"
            if row["proto"] in ("tcp", "udp"):
                ends = [
                    row.get(f"{side}IPv4Address") or row[f"{side}IPv6Address"]
                    for side in ("source", "destination")
                ]
                ports = row["sourceTransportPort"], row["destinationTransportPort"]
                sizes = row["packetDeltaCount"], row["octetDeltaCount"], row["duration"][:-3]
                ours[*ends, *ports, *sizes] += 1
    assert len(ours) > 80
    assert ours == theirs


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(
        [
            *(make.sample(), make.sample(">"), make.sample("<", 8)),
            *(make.sample2(), make.sample2(">"), make.sample2("<", 3), make.sample2(">", 4)),
        ]
    ),
    st.integers(0, 1 << 32),
)
def test_mutated_files_never_raise_and_read_the_same_twice(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, seed: int
) -> None:
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 12)):
        changed[chance.randrange(16, len(changed))] = chance.choice(
            (0, 1, 255, chance.randrange(256))
        )
    changed = changed[: chance.randrange(30, len(changed) + 1)]
    path = tmp_path_factory.getbasetemp() / "mutated.nfcapd"
    path.write_bytes(bytes(changed))
    found = rows(path)
    assert found == rows(path)
    assert len({row["_id"] for row in found}) == len(found)

import struct
from hashlib import sha256
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.apple_double.read import read, sniff
from labrys.evidence.records import Source
from labrys.evidence.registry import choose

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "quarantined"


def rows(path: Path, data: bytes) -> dict[str, list[dict[str, object]]]:
    source = Source(path, "sample", sha256(data).hexdigest(), len(data))
    return {shape: batch.to_pylist() for shape, batch in read(source)}


def test_sniff() -> None:
    assert sniff(SAMPLE.read_bytes(), "._x") == 1.0
    assert sniff(b"ElfFile\0", "x.evtx") == 0.0
    chosen = choose(SAMPLE.read_bytes(), "x.json")
    assert chosen is not None
    assert chosen.id == "apple_double"


def test_more_entries_than_there_are(tmp_path: Path) -> None:
    data = b"\x00\x05\x16\x07" + struct.pack(">I16xH", 0x20000, 65535)
    path = tmp_path / "f"
    path.write_bytes(data)
    assert set(rows(path, data)) == {"macos.apple_double", "unparsed"}


@given(st.binary(max_size=200), st.integers(0, 120))
def test_never_raises(tmp_path_factory: object, junk: bytes, cut: int) -> None:
    data = SAMPLE.read_bytes()[:cut] + junk
    path = tmp_path_factory.getbasetemp() / "apple_double"  # type: ignore[attr-defined]
    path.write_bytes(data)
    assert sum(len(found) for found in rows(path, data).values()) in (1, 2)

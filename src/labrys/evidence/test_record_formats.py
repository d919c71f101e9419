"""What holds for the formats of plain records: ids, sniffing, no row lost, no raise."""

import hashlib
import json
import random
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence.records import LEADING, Source
from labrys.evidence.registry import choose
from labrys.ocsf.maps import mapping_for

HERE = Path(__file__).parent
FORMATS = ("zeek", "suricata", "ndjson", "json_document", "csv_table", "text")
SAMPLES = [(name, path) for name in FORMATS for path in sorted((HERE / name / "samples").iterdir())]
MODIFIED = 1_709_600_000_000  # 2024-03-05


def source_of(path: Path) -> Source:
    data = path.read_bytes()
    return Source(path, path.name, hashlib.sha256(data).hexdigest(), len(data), MODIFIED)


def read_rows(name: str, path: Path) -> list[dict[str, Any]]:
    """The rows of a file, in the order they were met, empty cells left out."""
    rows = []
    for shape, batch in import_module(f"labrys.evidence.{name}.read").read(source_of(path)):
        batch.validate(full=True)
        assert batch.schema.names[: len(LEADING)] == LEADING.names
        assert batch.schema.types[: len(LEADING)] == LEADING.types
        assert len(set(batch.schema.names)) == len(batch.schema.names)
        assert all(field.type == pa.string() for field in list(batch.schema)[len(LEADING) :])
        for row in batch.to_pylist():
            kept = {key: value for key, value in row.items() if value is not None}
            rows.append({"shape": shape, **kept})
    return sorted(rows, key=lambda row: int(row["_id"].rpartition("-")[2]))


@pytest.mark.parametrize(("name", "path"), SAMPLES, ids=lambda value: getattr(value, "name", value))
def test_samples_are_chosen_by_content(name: str, path: Path) -> None:
    chosen = choose(path.read_bytes(), "renamed.bin")
    assert chosen is not None
    assert chosen.id == name


@pytest.mark.parametrize(("name", "path"), SAMPLES, ids=lambda value: getattr(value, "name", value))
def test_ids_are_of_the_content_and_offsets_point_at_it(name: str, path: Path) -> None:
    rows = read_rows(name, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:20]
    ids = [row["_id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert all(row.startswith(f"{digest}-") for row in ids)
    offsets = [row["_offset"] for row in rows]
    assert offsets == sorted(offsets)
    assert offsets[0] >= 0
    assert offsets[-1] < path.stat().st_size


@pytest.mark.parametrize("head", [b"", b"\x00\x01\x02\x03" * 100, bytes(range(256)) * 20])
def test_unknown_binaries_are_claimed_by_none(head: bytes) -> None:
    for name in FORMATS:
        assert import_module(f"labrys.evidence.{name}.read").sniff(head, "x.json") == 0.0


def test_everything_mapped_exists_in_a_golden_or_the_specification() -> None:
    for name in ("zeek", "suricata"):
        for golden in (HERE / name / "golden").iterdir():
            for line in golden.read_text("utf-8").splitlines():
                shape = json.loads(line)["shape"]
                known = shape.split(".")[-1] not in ("unknown", "stats", "unparsed")
                assert bool(mapping_for(shape)) == known


TOKENS: list[bytes] = [
    *(b"\n", b"\r", b"\t", b",", b";", b'"', b"'", b"{", b"}", b"[", b"]", b":", b"\\", b"\x00"),
    *(b"\x1e", b"\xff", b"\xed\xa0\x80", b"\\x1e", b"#fields\tts\ta\n", b"#", b"(empty)", b"-"),
    *(b"1709550245", b'"_id":1,', b"9" * 400, b"\xef\xbb\xbf", b"\n\n", b'"\n', b"#path\tx\n"),
]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    name, path = draw(st.sampled_from(SAMPLES))
    chance = random.Random(draw(st.integers(0, 1 << 32)))
    data = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 12)):
        at = chance.randrange(len(data) + 1)
        what = chance.randrange(4)
        if what == 0:
            data[at:at] = chance.choice(TOKENS)
        elif what == 1:
            del data[at : at + chance.randrange(1, 30)]
        elif what == 2 and at < len(data):
            data[at] = chance.randrange(256)
        else:
            other = chance.randrange(len(data) + 1)
            data[at:at] = data[other : other + chance.randrange(60)]
    return name, bytes(data)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_mutated_samples_never_raise_and_read_the_same_twice(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[str, bytes]
) -> None:
    name, data = case
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(data)
    rows = read_rows(name, path)
    assert rows == read_rows(name, path)
    assert all(0 <= row["_offset"] <= len(data) + 2 for row in rows)
    sniffed = import_module(f"labrys.evidence.{name}.read").sniff(data[:65536], "x")
    assert 0 <= sniffed <= 1
    if name != "text" and b"\x00" not in data and data.strip():
        lines = [line for line in data.split(b"\n") if line.strip(b' \t\r,"\x1e[]{}')]
        if name == "zeek":  # a file of nothing but headers has no records, however long they are
            lines = [line for line in lines if not line.lstrip(b"\xef\xbb\xbf").startswith(b"#")]
        headed = name in ("zeek", "csv_table")
        assert rows or len(lines) <= 12 * headed + 1

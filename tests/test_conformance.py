"""What holds for every format and every detector, whoever adds the next one."""

import subprocess
import sys
import tomllib
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest

from labrys.detect.registry import detectors
from labrys.evidence.records import LEADING, Source
from labrys.evidence.registry import SNIFF_BYTES, Format, choose, formats

ROOT = Path(__file__).resolve().parents[1]
EVIDENCE = ROOT / "src" / "labrys" / "evidence"
OURS = [made for made in formats() if made.module.startswith("labrys.evidence.")]
SAMPLES = [
    (made, path)
    for made in OURS
    for path in sorted((EVIDENCE / made.module.split(".")[-2] / "samples").glob("*"))
    if path.is_file() and path.suffix not in (".py", ".pyc")
]


def folder(made: Format) -> Path:
    return EVIDENCE / made.module.split(".")[-2]


def source(path: Path) -> Source:
    data = path.read_bytes()
    return Source(path, f"case/{path.name}", sha256(data).hexdigest(), len(data), 1_760_000_000_000)


@pytest.mark.parametrize("made", OURS, ids=lambda made: made.id)
def test_a_format_folder_is_complete(made: Format) -> None:
    table = tomllib.loads((folder(made) / "format.toml").read_text())
    assert {"id", "title", "version", "unit", "shapes"} <= set(table)
    assert table["unit"] in ("byte", "record")
    assert table["shapes"]
    assert (folder(made) / "read.py").is_file()
    assert list(folder(made).glob("test_*.py"))
    assert any((folder(made) / "samples").iterdir())


def test_every_folder_with_a_reader_is_a_format() -> None:
    readers = {path.parent.name for path in EVIDENCE.glob("*/read.py")}
    assert readers == {folder(made).name for made in OURS}


@pytest.mark.parametrize(("made", "path"), SAMPLES, ids=lambda value: getattr(value, "name", ""))
def test_a_sample_reads_the_same_twice_and_keeps_the_contract(made: Format, path: Path) -> None:
    first, again = list(made.read(source(path))), list(made.read(source(path)))
    assert [shape for shape, _ in first] == [shape for shape, _ in again]
    assert all(a.equals(b) for (_, a), (_, b) in zip(first, again, strict=True))
    ids: Counter[str] = Counter()
    for shape, batch in first:
        assert shape
        assert batch.num_rows
        assert batch.schema.names[: len(LEADING)] == LEADING.names
        assert [batch.schema.field(name).type for name in LEADING.names] == LEADING.types
        rest = batch.schema.names[len(LEADING) :]
        assert len(set(rest)) == len(rest)
        assert {batch.schema.field(name).type for name in rest} <= {pa.string()}
        assert set(batch.column("_source").to_pylist()) == {f"case/{path.name}"}
        ids.update(batch.column("_id").to_pylist())
        batch.validate(full=True)
    assert set(ids.values()) <= {1}


@pytest.mark.parametrize(("made", "path"), SAMPLES, ids=lambda value: getattr(value, "name", ""))
def test_a_sample_is_claimed_by_its_own_format_or_by_none_wrongly(made: Format, path: Path) -> None:
    head = path.read_bytes()[:SNIFF_BYTES]
    own = made.sniff(head, path.name)
    chosen = choose(head, path.name)
    if own > 0:
        assert chosen is not None
        assert chosen.id == made.id


@pytest.mark.parametrize("head", [b"", b"\0" * 4096, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8])
def test_what_is_no_evidence_is_claimed_by_no_format(head: bytes) -> None:
    assert choose(head, "x.evtx.json.log") is None


@pytest.mark.parametrize("made", detectors(), ids=lambda made: made.id)
def test_a_detector_folder_is_complete(made: object) -> None:
    place = ROOT / "src" / Path(*made.module.split("."))  # type: ignore[attr-defined]
    assert (place / "detector.toml").is_file()
    assert (place / "README.md").is_file()
    assert list(place.glob("test_*.py"))
    needed = ("features.py", "score.py") if made.kind == "window" else ("detect.py",)  # type: ignore[attr-defined]
    assert all((place / name).is_file() for name in needed)


def test_data_flows_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""What holds for every format and every detector, whoever adds the next one."""

import fnmatch
import os
import random
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest

from labrys.detect.registry import Folder, detectors
from labrys.evidence.records import LEADING, UNPARSED, Source
from labrys.evidence.registry import SNIFF_BYTES, Format, choose, formats
from labrys.evidence.testing import check_golden, rows
from labrys.ocsf import maps
from labrys.ocsf.attack import technique
from labrys.ocsf.vocabulary import class_named

ROOT = Path(__file__).resolve().parents[1]
FORMATS = [made for made in formats() if made.module.startswith("labrys.evidence.")]
MODIFIED = 1_760_000_000_000
"""When samples were last written, for logs that leave out the year."""
GENERIC = {"json.record", "csv.record", "text.line", UNPARSED}
"""Shapes that say nothing of what is in them, so that no attribute can be told from them."""


def place(made: Format | Folder) -> Path:
    folder = ROOT / "src" / Path(*made.module.split("."))
    return folder if folder.is_dir() else folder.parent


def samples(made: Format) -> list[Path]:
    found = sorted((place(made) / "samples").glob("*"))
    return [path for path in found if path.is_file() and path.suffix not in (".py", ".pyc")]


PAIRS = [(made, path) for made in FORMATS for path in samples(made)]
IDS = [f"{made.id}-{path.name}" for made, path in PAIRS]
each_sample = pytest.mark.parametrize(("made", "path"), PAIRS, ids=IDS)
each_detector = pytest.mark.parametrize("made", detectors(), ids=lambda made: made.id)
each_format = pytest.mark.parametrize("made", FORMATS, ids=lambda made: made.id)


def source(path: Path, content: bytes) -> Source:
    return Source(path, f"case/{path.name}", sha256(content).hexdigest(), len(content), MODIFIED)


@each_format
def test_a_format_says_what_it_is(made: Format) -> None:
    table = tomllib.loads((place(made) / "format.toml").read_text("utf-8"))
    assert made.id == place(made).name == table["id"]
    assert made.title == table["title"] != ""
    assert made.version == table["version"] >= 1
    assert table["unit"] in ("byte", "record")
    assert isinstance(table["spec"], list)
    assert table["shapes"]
    assert len(set(made.shapes)) == len(made.shapes)
    assert (place(made) / "read.py").is_file()
    assert list(place(made).glob("test_*.py"))
    assert samples(made)


def test_every_folder_with_a_reader_is_a_format() -> None:
    readers = (ROOT / "src" / "labrys" / "evidence").glob("*/read.py")
    assert {path.parent.name for path in readers} == {place(made).name for made in FORMATS}


@each_sample
def test_a_sample_reads_as_its_golden_reading(made: Format, path: Path) -> None:
    check_golden(rows(made.read, path, MODIFIED), place(made) / "golden" / f"{path.name}.jsonl")


@each_format
def test_every_golden_reading_is_of_a_sample(made: Format) -> None:
    goldens = {file.name for file in (place(made) / "golden").iterdir()}
    assert goldens == {f"{path.name}.jsonl" for path in samples(made)}


@each_sample
def test_a_sample_is_known_by_its_content(made: Format, path: Path) -> None:
    """Neither its own name, nor none, nor a misleading one changes which format is chosen."""
    head = path.read_bytes()[:SNIFF_BYTES]
    if made.named:
        # Nothing in it tells what it is: only its place does, and only where no other knows it.
        assert made.sniff(head, path.name) == 0.0
        return
    scores = {each.id: each.sniff(head, "unnamed") for each in FORMATS}
    assert all(0.0 <= score <= 1.0 for score in scores.values()), scores
    for name in (path.name, "unnamed", "picture.png"):
        chosen = choose(head, name)
        assert chosen is not None
        assert chosen.id == made.id, (name, scores)


@pytest.mark.parametrize("head", [b"", b"\0" * 4096, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8])
def test_what_is_no_evidence_is_claimed_by_no_format(head: bytes) -> None:
    assert choose(head, "x.evtx.json.log") is None


def may_yield(made: Format) -> set[str]:
    """The shapes that a format says it has, with those of all that may be in one file with it."""
    mixed = [each for each in FORMATS if each.mixed and made.mixed]
    rest = {"json.record", "csv.record"} if mixed else set()
    return {shape for each in (made, *mixed) for shape in each.shapes} | rest


@each_sample
def test_a_sample_reads_the_same_twice_and_keeps_the_contract(made: Format, path: Path) -> None:
    first, again = (list(made.read(source(path, path.read_bytes()))) for _ in range(2))
    assert [shape for shape, _ in first] == [shape for shape, _ in again]
    assert all(a.equals(b) for (_, a), (_, b) in zip(first, again, strict=True))
    ids: Counter[str] = Counter()
    for shape, batch in first:
        declared = any(fnmatch.fnmatchcase(shape, pattern) for pattern in may_yield(made))
        assert declared or shape == UNPARSED, shape
        assert batch.num_rows
        assert batch.schema.names[: len(LEADING)] == LEADING.names
        assert [batch.schema.field(name).type for name in LEADING.names] == LEADING.types
        rest = batch.schema.names[len(LEADING) :]
        assert len(set(rest)) == len(rest)
        assert {batch.schema.field(name).type for name in rest} <= {pa.string()}
        assert set(batch.column("_source").to_pylist()) == {f"case/{path.name}"}
        assert batch.column("_offset").null_count == 0
        ids.update(batch.column("_id").to_pylist())
        batch.validate(full=True)
    assert set(ids.values()) <= {1}


@each_format
def test_maps_are_of_shapes_that_there_are(made: Format) -> None:
    """A format's events are of some OCSF class, unless its `ocsf.toml` says that they are not."""
    file = place(made) / "ocsf.toml"
    table = tomllib.loads(file.read_text("utf-8")) if file.is_file() else None
    patterns = [shape for each in FORMATS for shape in each.shapes]
    for one in (table or {}).get("map", ()):
        for shape in one["shapes"]:
            assert any(overlap(shape, pattern) for pattern in patterns), shape
    found = {
        shape for path in samples(made) for shape, _ in made.read(source(path, path.read_bytes()))
    }
    own = found - GENERIC
    declined = table is not None and not table.get("map")
    assert not own or declined or any(maps.mapping_for(shape) for shape in own), sorted(own)


def overlap(one: str, other: str) -> bool:
    return fnmatch.fnmatchcase(one, other) or fnmatch.fnmatchcase(other, one)


def digest(path: Path, made: Format) -> str:
    """Of all that a reader makes of a file, column by column."""
    total = sha256()
    for shape, batch in made.read(source(path, path.read_bytes())):
        total.update(shape.encode())
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            total.update(f"{name}\0{column.to_pylist()}\0".encode())
    return total.hexdigest()


def test_reading_does_not_depend_on_the_process() -> None:
    """Neither the hash seed, nor the time zone, nor the locale changes a single cell."""
    here = [digest(path, made) for made, path in PAIRS]
    code = "import test_conformance as t; print(*(t.digest(path, made) for made, path in t.PAIRS))"
    for seed, zone in (("1", "Pacific/Kiritimati"), ("2", "America/St_Johns")):
        there = subprocess.run(
            [sys.executable, "-c", code],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "TZ": zone,
                "LC_ALL": "C",
                "PYTHONPATH": str(ROOT / "tests"),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert there == here


def damaged(content: bytes) -> Iterator[bytes]:
    """A file cut off at some places, with a hole, doubled, and with some bytes changed."""
    draw = random.Random(len(content))
    for _ in range(4):
        yield content[: draw.randrange(len(content))]
    at = draw.randrange(len(content))
    yield content[:at] + bytes(512) + content[at + 512 :]
    yield content + content
    for _ in range(4):
        changed = bytearray(content)
        for _ in range(1 + len(content) // 200):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        yield bytes(changed)


@each_sample
def test_a_reader_never_raises_and_repeats_no_id(made: Format, path: Path, tmp_path: Path) -> None:
    for number, content in enumerate(damaged(path.read_bytes())):
        file = tmp_path / f"{number}-{path.name}"
        file.write_bytes(content)
        ids: list[str] = []
        for _, batch in made.read(source(file, content)):
            batch.validate(full=True)
            assert set(batch.schema.types) <= {pa.string(), pa.int64()}
            ids += batch.column("_id").to_pylist()
        assert len(ids) == len(set(ids))


@each_detector
def test_a_detector_says_what_it_is(made: Folder) -> None:
    table = tomllib.loads((place(made) / "detector.toml").read_text("utf-8"))
    assert made.id == place(made).name == table["id"]
    assert made.kind in ("row", "window")
    needed = ("features.py", "score.py") if made.kind == "window" else ("detect.py",)
    assert all((place(made) / name).is_file() for name in needed)
    assert list(place(made).glob("test_*.py"))
    assert all(table[name] for name in ("title", "version", "reads", "licence"))
    assert isinstance(table["techniques"], list)
    assert all(technique(uid) is not None for uid in made.techniques)
    if made.kind == "window":
        assert class_named(made.reads) is not None
    folders = (place(made), *(place(made).parent / name for name in table.get("uses", ())))
    readme = "\n".join((folder / "README.md").read_text("utf-8") for folder in folders)
    assert len(readme.split()) > 100, "what it finds, how well, how it is fooled, how it fails"
    assert made.title
    assert len(made.digest) == 64


def test_data_flows_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

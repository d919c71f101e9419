import hashlib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pytest

from labrys.evidence.records import Loose, Source, together
from labrys.evidence.registry import choose
from labrys.scan.coalesce import Coalescer

SAMPLES = sorted(
    path
    for path in Path(str(files("labrys.evidence"))).glob("*/samples/*")
    if path.is_file() and path.stat().st_size < 1 << 20
)


def source(path: Path) -> Source:
    content = path.read_bytes()
    return Source(path, path.name, hashlib.sha256(content).hexdigest(), len(content))


def rows(batches: list[tuple[str, pa.RecordBatch]]) -> list[dict[str, object]]:
    made = [
        {"shape": shape} | {name: value for name, value in row.items() if value is not None}
        for shape, batch in batches
        for row in batch.to_pylist()
    ]
    return sorted(made, key=lambda row: str(row["_id"]))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_loose_records_are_the_same_records(path: Path) -> None:
    content = path.read_bytes()
    chosen = choose(content[:65536], path.name)
    if chosen is None:
        pytest.skip("an archive, or a sample of something that no reader takes")
    plain = list(chosen.read(source(path)))
    gathered = Coalescer()
    batches = 0
    for shape, batch in chosen.read(replace(source(path), loose=True)):
        gathered.add(shape, batch)
        batches += 1
    assert batches == len(plain)
    assert gathered.rows == sum(batch.num_rows for _, batch in plain)
    found = [(shape, batch) for shape, table in gathered.take() for batch in table.to_batches()]
    assert rows(found) == rows(plain)


def test_records_of_many_sources_are_one_batch() -> None:
    gathered = Coalescer()
    for number in range(600):
        row = (0, 5, number, None, {f"field{number % 3}": "x", "name": "y"}, None)
        gathered.add("made.up", Loose(f"file{number}", f"{number}-", [row], size=100))
    assert (gathered.rows, gathered.size) == (600, 60_000)
    ((shape, table),) = gathered.take()
    assert shape == "made.up"
    assert table.num_rows == 600
    assert table["_source"].to_pylist() == [f"file{number}" for number in range(600)]
    assert table["_id"].to_pylist() == [f"{number}-0" for number in range(600)]
    assert table["field1"].null_count == 400
    assert list(gathered.take()) == []


def test_values_by_place_and_by_name_go_together() -> None:
    parts = [
        Loose("a", "a-", [(0, 1, 0, None, {"more": "z"}, ("1", None))], ("one", "two")),
        Loose("b", "b-", [(0, 1, 0, None, {"one": "2"}, None)], ()),
    ]
    made = together(parts).to_pylist()
    assert [(row["one"], row["more"]) for row in made] == [("1", "z"), ("2", None)]

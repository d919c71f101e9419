import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence.nfdump.read import read, sniff
from labrys.evidence.nfdump.samples import make
from labrys.evidence.records import Source

HERE = Path(__file__).parent
SAMPLES = [HERE / "samples" / name for name in make.SAMPLES]


def rows(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    source = Source(path, path.name, hashlib.sha256(data).hexdigest(), len(data))
    made = []
    for shape, batch in read(source):
        batch.validate(full=True)
        for row in batch.to_pylist():
            made.append(
                {"shape": shape, **{key: one for key, one in row.items() if one is not None}}
            )
    return sorted(made, key=lambda row: int(row["_id"].rpartition("-")[2]))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_read_as_their_golden_output(path: Path) -> None:
    assert path.read_bytes() == make.SAMPLES[path.name]()
    found = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(path))
    golden = HERE / "golden" / f"{path.name}.jsonl"
    if os.environ.get("LABRYS_WRITE_GOLDEN"):
        golden.write_text(found, "utf-8")
    assert found == golden.read_text("utf-8")
    assert sniff(path.read_bytes(), "x") > 0.9


@pytest.mark.parametrize(("order", "flags"), [("<", 0), (">", 0), ("<", 8), (">", 8)])
def test_byte_orders_and_compression_do_not_matter(tmp_path: Path, order: str, flags: int) -> None:
    def plain(row: dict[str, Any]) -> dict[str, Any]:
        return {key: one for key, one in row.items() if key not in ("_id", "_offset", "_source")}

    path = tmp_path / "some"
    path.write_bytes(make.sample(order, flags))
    assert [plain(row) for row in rows(path)] == [plain(row) for row in rows(SAMPLES[0])]


def test_other_compressions_are_said(tmp_path: Path) -> None:
    path = tmp_path / "some"
    path.write_bytes(make.file(b"xxxx", flags=1))
    assert [row["reason"] for row in rows(path)] == ["block compressed with LZO is not read"]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from([make.sample(), make.sample(">"), make.sample("<", 8)]), st.integers(0, 1 << 32)
)
def test_mutated_files_never_raise_and_read_the_same_twice(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, seed: int
) -> None:
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 12)):
        changed[chance.randrange(276, len(changed))] = chance.choice(
            (0, 1, 255, chance.randrange(256))
        )
    changed = changed[: chance.randrange(200, len(changed) + 1)]
    path = tmp_path_factory.getbasetemp() / "mutated.nfcapd"
    path.write_bytes(bytes(changed))
    found = rows(path)
    assert found == rows(path)
    assert len({row["_id"] for row in found}) == len(found)

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.nfdump.read import read, sniff
from labrys.evidence.nfdump.samples import make
from labrys.evidence.testing import Row, check_golden

HERE = Path(__file__).parent
SAMPLES = [HERE / "samples" / name for name in make.SAMPLES]


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_read_as_their_golden_output(path: Path) -> None:
    assert path.read_bytes() == make.SAMPLES[path.name]()
    check_golden(rows(path), HERE / "golden" / f"{path.name}.jsonl")
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

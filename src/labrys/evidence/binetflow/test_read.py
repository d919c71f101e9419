from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.binetflow.read import read, sniff, state_of
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLES = sorted((HERE / "samples").iterdir())


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


@pytest.mark.parametrize(
    ("state", "zeek"),
    [
        ("S_", "S0"), ("S_RA", "REJ"), ("SR_", "RSTOS0"), ("FS_", "SH"), ("S_SA", "S1"),
        ("SPA_SPA", "S1"), ("FSPA_FSPA", "SF"), ("FSPA_SPA", "S2"), ("SPA_FSPA", "S3"),
        ("SRPA_FSPA", "RSTO"), ("SPA_SRPA", "RSTR"), ("PA_PA", "OTH"), ("_SA", "SHR"),
        ("A_SRA", "RSTRH"), ("CON", "S1"), ("INT", "S0"), ("SF", "SF"), ("whatever", None),
    ],
)  # fmt: skip
def test_states(state: str, zeek: str | None) -> None:
    assert state_of(state, "tcp") == zeek


def test_other_tables_are_not_ours() -> None:
    assert sniff(b"time,src,dst\n1,2,3\n", "x.binetflow") == 0.0


@given(st.lists(st.text(max_size=20), min_size=1, max_size=16))
def test_any_cells_are_survived(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.binetflow"
    header = SAMPLES[0].read_bytes().partition(b"\n")[0]
    path.write_bytes(header + b"\n" + ",".join(cells).encode("utf-8", "surrogatepass") + b"\n")
    assert rows(path) == rows(path)

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.powershell_transcript.read import read, sniff
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "transcript.txt"
START = 1_772_600_767_000


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


def test_what_was_typed_when_by_whom() -> None:
    typed = [row for row in rows(SAMPLE) if row["shape"] == "windows.powershell_history"]
    said = [(row["CommandLine"].splitlines()[-1][-24:], row["_time"]) for row in typed]
    assert said == [
        (r" bypass -File C:\t\a.ps1", START),
        ("whoami", START),
        ("sort CPU", START),
        ("sadmin delete shadows /all"[-24:], START + 60_000),
    ]
    assert {(row["_host"], row["user"]) for row in typed} == {("WS9", r"CORP\ann")}
    assert typed[2]["CommandLine"] == "Get-Process |\nsort CPU"
    back = [row["line"] for row in rows(SAMPLE) if row["shape"] == "text.line"]
    assert "PSVersion: 5.1.19041.1682" in back
    assert back[-4:-2] == [r"corp\ann", "vssadmin 1.1"]


def test_a_block_that_never_closes_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "cut.txt"
    path.write_bytes(SAMPLE.read_bytes() + b"**********************\nlast words\n")
    assert [row["line"] for row in rows(path) if row["shape"] == "text.line"][-1] == "last words"


def test_it_leaves_others_alone() -> None:
    for head in (b"", b"*" * 22 + b"\nnotes\nof mine\n", b"a\nb\nStart time: 20260304050607\n"):
        assert sniff(head, "PowerShell_transcript.txt") == 0


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 900), st.binary(min_size=1, max_size=6)), max_size=6))
def test_no_damage_stops_it(changes: list[tuple[int, bytes]]) -> None:
    raw = bytearray(SAMPLE.read_bytes())
    for at, new in changes:
        raw[at % len(raw) : at % len(raw)] = new
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some"
        path.write_bytes(raw)
        sniff(bytes(raw), "x")
        assert rows(path) == rows(path)

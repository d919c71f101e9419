import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.registry import choose
from labrys.evidence.testing import Row
from labrys.evidence.utmp.read import read, sniff
from labrys.evidence.utmp.samples import make

HERE = Path(__file__).parent
SAMPLES = [HERE / "samples" / name for name in make.SAMPLES]


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_are_as_made(path: Path) -> None:
    assert path.read_bytes() == make.SAMPLES[path.name]


def test_who_came_and_who_left() -> None:
    found = rows(HERE / "samples" / "wtmp")
    said = [(row["event"], row.get("user"), row.get("src_ip")) for row in found]
    assert said == [
        ("boot", None, None),
        ("login_process", None, None),
        ("accepted", "alice", "192.0.2.7"),
        ("accepted", "bob", None),
        ("session_closed", "alice", "192.0.2.7"),
        ("accepted", "carol", None),
        ("shutdown", None, None),
    ]
    assert found[2]["_time"] == make.START * 1000 + 60_250
    assert found[3]["src_host"] == "gw.example"
    assert "src_host" not in found[5]


def test_what_btmp_holds_failed_whatever_the_type_says(tmp_path: Path) -> None:
    path = tmp_path / "btmp-20260301"
    path.write_bytes(make.records(make.WTMP[2:4]))
    assert [row["event"] for row in rows(path)] == ["failed", "failed"]
    assert {row["event"] for row in rows(HERE / "samples" / "btmp")} == {"failed"}
    assert rows(HERE / "samples" / "btmp")[0]["src_ip"] == "2001:db8::9"


@pytest.mark.parametrize("form", [make.NARROW, make.WIDE])
@pytest.mark.parametrize("order", "<>")
def test_every_layout_gives_the_same(form: str, order: str, tmp_path: Path) -> None:
    path = tmp_path / "wtmp"
    path.write_bytes(make.records(make.WTMP, form, order))
    assert sniff(path.read_bytes(), "x") > 0.9
    hidden = ("_id", "_offset", "_source")

    def plain(of: Path) -> list[dict[str, Any]]:
        return [{key: one for key, one in row.items() if key not in hidden} for row in rows(of)]

    assert plain(path) == plain(HERE / "samples" / "wtmp")


@pytest.mark.parametrize("form", ["I32s256s", "q32s256s"])
@pytest.mark.parametrize("order", "<>")
def test_a_lastlog_whose_first_accounts_never_logged_in(
    form: str, order: str, tmp_path: Path
) -> None:
    path = tmp_path / "lastlog"
    data = make.last({1000: (make.START, "pts/0", "192.0.2.7")}, form, order)
    path.write_bytes(data)
    chosen = choose(data[: 64 << 10], "var/log/lastlog")
    assert chosen is not None
    assert chosen.id == "utmp"
    (row,) = rows(path)
    assert (row["uid"], row["src_ip"], row["_time"]) == ("1000", "192.0.2.7", make.START * 1000)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        bytes(4096),
        b"text\n" * 200,
        *(bytes([one]) * 65_536 for one in b"Cx7 \xff\x01"),
        b"\x7fELF" + bytes(1000),
        bytes(range(256)) * 8,
        b"\x07\0\0\0" + bytes(2000),
        b"MZ" + bytes(3000),
    ],
)
def test_it_leaves_others_alone(head: bytes) -> None:
    assert sniff(head, "x") == 0


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(list(make.SAMPLES.values())),
    st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=9)), max_size=6),
    st.integers(0, 3000),
    st.sampled_from(["wtmp", "lastlog"]),
)
def test_no_damage_stops_it(
    data: bytes, changes: list[tuple[int, bytes]], cut: int, name: str
) -> None:
    raw = bytearray(data)
    for at, new in changes:
        raw[at % len(raw) : at % len(raw) + len(new)] = new
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(bytes(raw[: len(raw) - cut % len(raw)]))
        assert rows(path) == rows(path)

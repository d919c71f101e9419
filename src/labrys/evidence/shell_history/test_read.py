import hashlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence.records import Source
from labrys.evidence.registry import choose
from labrys.evidence.shell_history.programs import programs
from labrys.evidence.shell_history.read import read, sniff

HERE = Path(__file__).parent
SAMPLES = sorted((HERE / "samples").iterdir())


def rows(path: Path, name: str = "") -> list[dict[str, Any]]:
    raw = path.read_bytes()
    source = Source(path, name or path.name, hashlib.sha256(raw).hexdigest(), len(raw))
    return [
        {"shape": shape} | {key: one for key, one in row.items() if one is not None}
        for shape, batch in read(source)
        for row in batch.to_pylist()
    ]


def typed(raw: bytes, name: str, folder: Path) -> list[tuple[int | None, str]]:
    path = folder / "history"
    path.write_bytes(raw)
    return [(row.get("_time"), row["CommandLine"]) for row in rows(path, name)]


def test_a_command_of_many_lines_is_one_and_has_its_time(tmp_path: Path) -> None:
    first, _, loop, last = rows(HERE / "samples" / "timed.bash_history")
    assert (first["_time"], first["CommandLine"]) == (1_709_528_767_000, "cd /srv/app")
    assert loop["CommandLine"] == 'for host in a b; do\n  ssh "$host" uptime\ndone'
    assert loop["programs"] == "ssh"
    assert last["programs"] == "curl\x1ebash"
    raw = b"early\nearlier\n#1709528767\nlate\n#1709528768\nlater\n"
    assert typed(raw, "x", tmp_path) == [
        *((None, "early"), (None, "earlier")),
        *((1_709_528_767_000, "late"), (1_709_528_768_000, "later")),
    ]


@pytest.mark.parametrize(
    ("name", "user", "shape"),
    [
        ("case/home/alice/.bash_history", "alice", "linux.shell_history"),
        ("uac.tar.gz!/[root]/root/.zsh_history", "root", "linux.shell_history"),
        ("home_bob_.bash_history.txt", None, "linux.shell_history"),
        (
            r"C\Users\carol\AppData\Roaming\Microsoft\Windows\PowerShell\PSReadLine"
            r"\ConsoleHost_history.txt",
            "carol",
            "windows.powershell_history",
        ),
    ],
)
def test_without_times_the_name_tells(
    name: str, user: str | None, shape: str, tmp_path: Path
) -> None:
    raw = b"id\nGet-Process |`\n  sort CPU\nnet.exe user x /add\n"
    chosen = choose(raw, name)
    assert chosen is not None
    assert chosen.id == "shell_history"
    path = tmp_path / "some"
    path.write_bytes(raw)
    found = rows(path, name)
    assert {row["shape"] for row in found} == {shape}
    assert {row.get("user") for row in found} == {user}
    assert len(found) == (3 if shape.startswith("windows") else 4)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"id\nls\n", "notes.txt"),
        (b"\0\1\2binary\xff" * 90, ".bash_history"),
        (b"# a comment\n#12\nx=1\n", "script.sh"),
        (b": 1;x\n", "x"),
        (b"- cmd: one\n  other: 1\n", "list.yaml"),
    ],
)
def test_it_leaves_others_alone(raw: bytes, name: str) -> None:
    assert sniff(raw, name) == 0


def test_bytes_that_zsh_writes_its_own_way(tmp_path: Path) -> None:
    raw = ": 1709528767:0;echo ü\n".encode().replace(b"\xbc", b"\x83\x9c")
    assert typed(raw, ".zsh_history", tmp_path) == [(1_709_528_767_000, "echo ü")]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("curl -s http://x/a.sh | sudo -u bob bash -s", ["curl", "sudo", "bash"]),
        ("FOO=1 nohup ./x & disown", ["nohup", "./x", "disown"]),
        ('"/opt/a b/run" --x; ls', ["/opt/a b/run", "ls"]),
        ("for i in 1 2; do wget $i; done", ["wget"]),
        ("echo $(whoami) 'a | b' \"c; d\"", ["echo", "whoami"]),
        ("timeout 5 nc -lvp 4444", ["timeout", "nc"]),
        (r"find . -exec rm {} \;", ["find"]),
        ("'never closed", ["never"]),
        ("", []),
    ],
)
def test_the_programs_of_a_line(line: str, found: list[str]) -> None:
    assert programs(line) == found


def test_a_path_of_windows_keeps_its_backslashes() -> None:
    line = r'C:\Windows\System32\net.exe user; & "C:\a b\c.exe" -x'
    assert programs(line, windows=True) == [r"C:\Windows\System32\net.exe", r"C:\a b\c.exe"]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([path.read_bytes() for path in SAMPLES]),
    st.lists(st.tuples(st.integers(0, 300), st.binary(min_size=1, max_size=9)), max_size=6),
    st.sampled_from([".bash_history", ".zsh_history", "ConsoleHost_history.txt", "x"]),
)
def test_no_damage_stops_it(data: bytes, changes: list[tuple[int, bytes]], name: str) -> None:
    raw = bytearray(data)
    for at, new in changes:
        raw[at % len(raw) : at % len(raw)] = new
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some"
        path.write_bytes(raw)
        sniff(bytes(raw), name)
        found = rows(path, name)
        assert found == rows(path, name)
        assert [row["_offset"] for row in found] == sorted(row["_offset"] for row in found)


@given(st.text(alphabet=" ab'\"\\$(){};|&`=-\n", max_size=60))
def test_any_line_has_programs_or_none(line: str) -> None:
    assert len(programs(line)) <= 16
    assert len(programs(line, windows=True)) <= 16

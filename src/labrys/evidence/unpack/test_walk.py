import os
import socket
from pathlib import Path

import pytest

from labrys.evidence.unpack import Problem, discover
from labrys.evidence.unpack.walk import text


def found(*paths: Path) -> tuple[list[str], dict[str, str]]:
    got = list(discover(paths))
    files = [str(item) for item in got if isinstance(item, Path)]
    return files, {item.name: item.reason for item in got if isinstance(item, Problem)}


def test_every_file_once_in_order_under_the_name_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("case/b/2.log", "case/b/1.log", "case/a.log", "case/.hidden", "case/c/d/e/3"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")
    expected = ["case/.hidden", "case/a.log", "case/b/1.log", "case/b/2.log", "case/c/d/e/3"]
    assert found(Path("case")) == (expected, {})
    assert found(Path("case/c"), Path("case"), Path("case/b"), Path("case/a.log")) == (
        ["case/c/d/e/3", *expected[:4]],
        {},
    )


def test_links_are_followed_only_when_named(tmp_path: Path) -> None:
    case, outside = tmp_path / "case", tmp_path / "outside.log"
    case.mkdir()
    outside.write_text("x")
    (case / "real.log").write_text("x")
    (case / "inside").symlink_to("real.log")
    (case / "loop").symlink_to(".")
    (case / "out").symlink_to(outside)
    (case / "dangling").symlink_to("nowhere")
    (case / "self").symlink_to("self")
    files, problems = found(case)
    assert files == [str(case / "real.log")]
    assert problems == {
        str(case / "out"): "a symbolic link out of the given paths: name its target to read it",
        str(case / "dangling"): "a symbolic link to nothing",
        str(case / "self"): "a symbolic link to nothing",
    }
    assert found(case / "out") == ([str(case / "out")], {})
    link = tmp_path / "link"
    link.symlink_to(case)
    assert found(link)[0] == [str(link / "real.log")]


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
    files, problems = found(tmp_path, tmp_path / "absent", Path("/dev/null"))
    assert files == []
    assert {Path(name).name: reason for name, reason in problems.items()} == {
        "pipe": "a named pipe: copy its content into a file to read it",
        "socket": "a socket: copy its content into a file to read it",
        "absent": "cannot be opened: No such file or directory",
        "null": "a character device: copy its content into a file to read it",
    }


def test_an_unreadable_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "z.log").write_text("x")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    files, problems = found(tmp_path)
    assert files == [str(tmp_path / "z.log")]
    assert problems == {str(tmp_path / "shut"): "cannot be opened: Permission denied"}


def test_names_that_are_no_text_still_become_text(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.log")
    Path(name).write_text("x")
    (path,) = discover([tmp_path])
    assert isinstance(path, Path)
    assert path.read_text() == "x"
    assert text(str(path)) == f"{tmp_path}/caf\\xe9.log"
    assert found(Path("a\0b"))[1] != {}

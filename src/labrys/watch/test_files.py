"""What is seen of files that grow, move, shrink and go."""

import os
from pathlib import Path

import pytest

from labrys.evidence.growth import MOST
from labrys.evidence.unpack.limits import Problem
from labrys.watch.files import File, Files


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("labrys.watch.files.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a.log"
    path.write_text("one\n")
    return path


def look(files: Files) -> list[File | Problem]:
    return list(files.look())


def read(files: Files, file: File) -> tuple[int, int, str]:
    """Ask for the next piece of a file, and have all of it read."""
    piece = files.piece(file, ())
    file.way, file.asked = "pieces", False
    files.was_read(file, piece.end)
    return piece.start, piece.end, piece.last


def begun(log: Path, clock: list[float]) -> tuple[Files, File]:
    files = Files([log.parent], 1.0, ())
    (file,) = look(files)
    assert isinstance(file, File)
    assert read(files, file) == (0, 4, "")
    return files, file


def test_only_what_has_grown_is_due(log: Path, clock: list[float]) -> None:
    files, file = begun(log, clock)
    assert look(files) == list(files.due()) == []
    with log.open("a") as stream:
        stream.write("two\n")
    assert look(files) == []
    assert list(files.due()) == [file]
    assert read(files, file) == (4, 8, "")
    assert list(files.due()) == []


def test_half_a_line_is_asked_for_again_when_it_rests_and_no_more(
    log: Path, clock: list[float]
) -> None:
    files, file = begun(log, clock)
    with log.open("a") as stream:
        stream.write("half")
    look(files)
    for last in ("", "line"):
        assert list(files.due()) == [file]
        assert files.piece(file, ()).last == last
        file.asked = False
        assert list(files.due()) == []
        clock[0] += 1
    assert list(files.due(ending=True)) == [file]
    assert files.piece(file, (), ending=True).last == "end"


def test_a_renamed_file_is_the_same_and_ends_when_it_rests(log: Path, clock: list[float]) -> None:
    files, file = begun(log, clock)
    with log.open("a") as stream:
        log.rename(log.with_name("a.log.1"))
        stream.write("two")
    log.write_text("new\n")
    (new,) = look(files)
    assert isinstance(new, File)
    assert (file.name, file.path.name, file.moved) == (str(log), "a.log.1", True)
    assert new.name == file.name
    assert set(map(id, files.due())) == {id(file), id(new)}
    clock[0] += 1
    assert read(files, file) == (4, 7, "end")


def test_a_removed_file_is_read_to_its_end_through_what_is_open(
    log: Path, clock: list[float]
) -> None:
    files, file = begun(log, clock)
    with log.open("a") as stream:
        stream.write("two\n")
    look(files)
    log.unlink()
    look(files)
    assert list(files.due()) == [file]
    assert Path(file.opened()).read_text() == "one\ntwo\n"
    assert read(files, file) == (4, 8, "")
    look(files)
    assert file.handle == -1


def test_a_shorter_file_and_one_with_another_beginning_begin_anew(
    log: Path, clock: list[float]
) -> None:
    files, file = begun(log, clock)
    for content in ("x\n", "y\nlonger than what was there\n"):
        log.write_text(content)
        look(files)
        assert (file.read, file.way) == (0, "")
        assert read(files, file) == (0, len(content), "")


@pytest.mark.parametrize("content", ["x\n", "y\nlonger than what was there\n"])
def test_a_new_content_is_seen_also_when_it_came_while_a_piece_was_read(
    content: str, log: Path, clock: list[float]
) -> None:
    files, file = begun(log, clock)
    with log.open("a") as stream:
        stream.write("two\n")
    look(files)
    piece = files.piece(file, ())
    files.was_read(file, piece.end)
    log.write_text(content)
    look(files)
    assert list(files.due()) == []
    file.asked = False
    look(files)
    assert (file.read, file.way) == (0, "")
    assert read(files, file) == (0, len(content), "")


def test_what_is_read_as_a_whole_waits_until_it_rests(log: Path, clock: list[float]) -> None:
    files, file = begun(log, clock)
    file.again()
    file.way = "whole"
    assert list(files.due()) == []
    clock[0] += 1
    assert list(files.due()) == [file]
    file.read = file.size
    assert list(files.due()) == []
    with log.open("a") as stream:
        stream.write("more\n")
    look(files)
    assert list(files.due()) == []
    clock[0] += 1
    assert list(files.due()) == [file]


def test_a_large_file_comes_in_pieces_one_after_another(log: Path, clock: list[float]) -> None:
    files = Files([log.parent], 1.0, ())
    with log.open("ab") as stream:
        stream.truncate(MOST + 10)
    (file,) = look(files)
    assert isinstance(file, File)
    files.piece(file, ())
    file.way, file.asked = "pieces", False
    files.was_read(file, MOST)
    assert list(files.due()) == [file]


def test_what_is_no_file_is_told_once_and_what_is_ours_never(
    tmp_path: Path, clock: list[float]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "x").write_text("x")
    files = Files([tmp_path], 1.0, (f"{tmp_path}/case/",))
    (problem,) = look(files)
    assert isinstance(problem, Problem)
    assert "named pipe" in problem.reason
    assert look(files) == []

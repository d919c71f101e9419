from pathlib import Path

import pytest

from labrys.demo.make import make
from labrys.errors import LabrysError


def content(folder: Path) -> dict[str, tuple[bytes, float]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime) for path in files
    }


def test_the_same_evidence_is_made_every_time_and_what_is_there_is_kept(tmp_path: Path) -> None:
    count = make(tmp_path / "a")
    (tmp_path / "b").mkdir()
    assert make(tmp_path / "b") == count == len(content(tmp_path / "a"))
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert make(tmp_path / "a") == 0
    (tmp_path / "a" / "linux" / "web01" / "auth.log").unlink()
    assert make(tmp_path / "a") == 1
    assert content(tmp_path / "a") == content(tmp_path / "b")


@pytest.mark.parametrize("name", ["Security.evtx", "windows/mine.jsonl", "cloud"])
def test_evidence_of_somebody_else_is_refused(name: str, tmp_path: Path) -> None:
    theirs = tmp_path / "evidence" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"real")
    with pytest.raises(LabrysError, match=f"{name}: is not a file that the demo writes"):
        make(tmp_path / "evidence")
    assert list(content(tmp_path / "evidence")) == [name]


def test_a_link_or_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_bytes(b"")
    for name in ("link", "file"):
        with pytest.raises(LabrysError, match="name a new folder"):
            make(tmp_path / name)
    assert not content(tmp_path / "real")

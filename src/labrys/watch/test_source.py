import io
import time
from pathlib import Path

import pytest

from labrys.errors import LabrysError
from labrys.watch import source
from labrys.watch.source import Fed


def fed(tmp_path: Path, data: bytes) -> Fed:
    made = Fed(tmp_path / "inbox")
    made.standard_input(io.BytesIO(data))
    made.begin()
    end = time.monotonic() + 10
    while not made.ended and time.monotonic() < end:
        time.sleep(0.01)
    assert made.ended
    return made


def test_a_stream_comes_in_parts_that_begin_where_lines_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_PART", 100_000)
    data = b"".join(b"%d a line of text\n" % number for number in range(50_000))
    made = fed(tmp_path, data)
    parts = sorted((tmp_path / "inbox" / "stdin").iterdir())
    contents = [part.read_bytes() for part in parts]
    assert b"".join(contents) == data
    assert len(parts) > 3
    assert all(each.endswith(b"\n") for each in contents)
    for part in parts:
        made.finished(part)
    assert not list((tmp_path / "inbox" / "stdin").iterdir())
    made.close()


def test_only_our_own_parts_are_ever_removed(tmp_path: Path) -> None:
    (tmp_path / "theirs.log").write_text("x")
    made = fed(tmp_path, b"line\n")
    made.finished(tmp_path / "theirs.log")
    assert (tmp_path / "theirs.log").exists()


def test_without_a_program_capturing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_TOOLS", ())
    with pytest.raises(LabrysError, match="neither dumpcap nor tcpdump"):
        Fed(tmp_path).interface("eth0")
    with pytest.raises(LabrysError, match="no network interface"):
        Fed(tmp_path).interface("-w/etc/passwd")

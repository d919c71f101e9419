import os
import stat
import threading
from pathlib import Path

import pytest

from labrys.cli.stream import opened


def test_a_pipe_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with opened(pipe) as stream:
        stream.write("hello")
    reader.join(10)
    assert read == [b"hello"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def half_written(out: Path) -> None:
    with opened(out) as stream:
        stream.write("half")
        raise KeyboardInterrupt


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    out = tmp_path / "report"
    with pytest.raises(KeyboardInterrupt):
        half_written(out)
    assert list(tmp_path.iterdir()) == []
    with opened(out) as stream:
        stream.write(b"all")
    assert out.read_bytes() == b"all"

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence import text_lines
from labrys.evidence.records import Source
from labrys.evidence.text.read import read, sniff

MOMENT = 1_709_550_245_000  # 2024-03-04T11:04:05Z


def rows(tmp_path: Path, data: bytes) -> list[tuple[str, dict[str, Any]]]:
    path = tmp_path / "data"
    path.write_bytes(data)
    source = Source(path, "x", hashlib.sha256(data).hexdigest(), len(data), MOMENT)
    return [(shape, row) for shape, batch in read(source) for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "line",
    [
        "2024-03-04 11:04:05 started",
        "[2024-03-04T11:04:05.000Z] started",
        "<34>1 2024-03-04T11:04:05Z host app",
        "<34>Mar  4 11:04:05 host app: started",
        "Mon Mar  4 11:04:05 2024 started",
        "3/4/2024 11:04:05 AM started",
        '192.0.2.1 - - [04/Mar/2024:12:04:05 +0100] "GET / HTTP/1.1" 200 1',
        "app-7.log 2024-03-04 11:04:05 started",
        "2024.03.04 11:04:05 started",
        "03/04/24 11:04:05.000 started",
        "20240304 110405 started",
        ">>>  Section start 2024/03/04 11:04:05.000",
        "I0304 11:04:05.000000       1 server.go:12] started",
        "1709550245 started",
        "1709550245.000: started",
    ],
)
def test_the_time_of_a_line(tmp_path: Path, line: str) -> None:
    ((_, row),) = rows(tmp_path, line.encode())
    assert (row["line"], row["_time"]) == (line, MOMENT)


@pytest.mark.parametrize(
    "line",
    ["started", "17095502450000 x", "12024-03-04 11:04:05", "4 Mar", "I1304 11:04:05.000000 1 x"],
)
def test_no_time_is_made_up(tmp_path: Path, line: str) -> None:
    ((_, row),) = rows(tmp_path, line.encode())
    assert row["_time"] is None


def test_every_line_that_says_something_is_a_row(tmp_path: Path) -> None:
    found = rows(tmp_path, "\ufeffone\r\n\r\ntwo\n\nthree".encode("utf-16-le"))
    assert [(row["_offset"], row["line"]) for _, row in found] == [
        (2, "one"), (16, "two"), (26, "three")
    ]  # fmt: skip


def test_a_line_without_end_says_so(tmp_path: Path) -> None:
    found = rows(tmp_path, b"x" * (text_lines.LIMIT + 10) + b"\nnext\n")
    assert sorted(shape for shape, _ in found) == ["text.line", "text.line", "unparsed"]


def test_sniffing() -> None:
    for head in (
        b"plain",
        "ü".encode(),
        b"gr\xf6\xdfer als",
        b"\xff\xfea\0",
        b"\x1b[31mred\n",
        b"a\t",
        b"N\bNA\bAM\bME\bE\n",
    ):
        assert sniff(head, "x") == 0.01
    for head in (b"", b"a\0b", bytes(range(1, 32)), b"\x80\x81\x82\x83", b"\x7fELF\x01\x01"):
        assert sniff(head, "x.txt") == 0.0
    assert sniff("ü".encode() * 40_000 + b"\xc3", "x") == 0.01


@given(st.binary(max_size=400))
def test_lines_are_lost_by_no_bytes(data: bytes) -> None:
    assert sniff(data, "x") in (0.0, 0.01)

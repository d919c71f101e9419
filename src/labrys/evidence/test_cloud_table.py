"""Tables of consoles: cells of any size and content, and what is no table."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence import cloud_table
from labrys.evidence.cloud_table import looks_like_table, table_rows
from labrys.evidence.json_stream import BadRecord


def rows(data: bytes) -> list[tuple[int, dict[str, Any] | BadRecord]]:
    return list(table_rows(io.BytesIO(data)))


def good(data: bytes) -> list[dict[str, Any]]:
    return [row for _, row in rows(data) if not isinstance(row, BadRecord)]


_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=12)


@given(st.lists(st.lists(_CELL, min_size=3, max_size=3), max_size=6), st.sampled_from(",;\t"))
def test_reads_what_csv_writes(cells: list[list[str]], delimiter: str) -> None:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(["one", "two", "three"])
    writer.writerows(cells)
    data = written.getvalue().encode()
    assert good(data) == [
        {name: cell for name, cell in zip(("one", "two", "three"), row, strict=True) if cell}
        for row in cells
    ]
    assert good(b"\xff\xfe" + written.getvalue().encode("utf-16-le")) == good(data)


@given(st.binary(max_size=300))
def test_never_raises_and_offsets_grow(data: bytes) -> None:
    offsets = [offset for offset, _ in rows(b"a,b,c\n" + data)]
    assert offsets == sorted(set(offsets))
    assert isinstance(looks_like_table(data), bool)


def test_offsets_point_at_the_row() -> None:
    data = b'\xef\xbb\xbfa,b,c\n1,"x\ny",3\n\n4,5,6'
    found = rows(data)
    assert [data[offset : offset + 1] for offset, _ in found] == [b"1", b"4"]
    assert found[0][1] == {"a": "1", "b": "x\ny", "c": "3"}


def test_preambles_extra_cells_and_repeated_names() -> None:
    assert good(b"sep=;\na;b;c\n1;2;3\n") == [{"a": "1", "b": "2", "c": "3"}]
    assert good(b'#TYPE Some.Type\n"a","b","a"\n"1","2","3","4"\n') == [
        {"a": "1", "b": "2", "a_3": "3", "column_4": "4"}
    ]


def test_a_quote_that_never_ends_costs_its_line() -> None:
    found = rows(b'a,b,c\n1,"open,3\n4,5,6\n7,8,9\n')
    assert isinstance(found[0][1], BadRecord)
    assert found[0][1].raw == b'1,"open,3\n'
    assert [row for _, row in found[1:]] == [
        {"a": "4", "b": "5", "c": "6"},
        {"a": "7", "b": "8", "c": "9"},
    ]


def test_bounded_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_table, "LIMIT", 1_000)
    monkeypatch.setattr(cloud_table, "_RESCAN", 10_000)
    monkeypatch.setattr(cloud_table, "_PIECE", 100)
    bomb = b"a,b,c\n" + b'1,"x\n' * 5_001 + b"4,5,6\n"
    found = rows(bomb)
    assert found
    assert all(len(row.raw) <= 4096 for _, row in found if isinstance(row, BadRecord))
    long = rows(b"a,b,c\n" + b"x" * 5_000 + b"\n4,5,6\n")
    assert isinstance(long[0][1], BadRecord)
    assert long[-1][1] == {"a": "4", "b": "5", "c": "6"}
    many = rows(b"a,b,c\n" + b"," * 900 + b"\n")
    assert many[0][1] == {}


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b"a,b,c\n1,2,3", True),
        (b'"a";"b";"c"\r\n', True),
        (b"#TYPE x\na,b,c\n", True),
        ("\ufeffa,b,c\n".encode("utf-16-le"), True),
        (b"a,b\n", False),
        (b"a,,c\n", False),
        (b"a,a,c\n", False),
        (b'{"a":1,"b":2,"c":3}', False),
        (b"", False),
        (b"\0,b,c", False),
        (b"x" * 20_000 + b",b,c\n", False),
    ],
)
def test_what_looks_like_a_table(head: bytes, wanted: bool) -> None:
    assert looks_like_table(head) is wanted

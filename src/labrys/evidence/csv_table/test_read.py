import csv
import hashlib
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import delimited
from labrys.evidence.csv_table import read as reading
from labrys.evidence.csv_table.dialect import detect
from labrys.evidence.csv_table.read import read, sniff, times
from labrys.evidence.csv_table.rows import Cutter
from labrys.evidence.records import Source
from labrys.evidence.timestamps import of_record

HEADER = "time,name,note\n"


def rows(tmp_path: Path, data: bytes | str) -> list[dict[str, Any]]:
    data = data.encode() if isinstance(data, str) else data
    path = tmp_path / "data"
    path.write_bytes(data)
    source = Source(path, "t.csv", hashlib.sha256(data).hexdigest(), len(data))
    found = [row for shape, batch in read(source) for row in batch.to_pylist()]
    return sorted(found, key=lambda row: int(row["_id"].rpartition("-")[2]))


def cells(found: list[dict[str, Any]]) -> list[list[Any]]:
    return [[value for key, value in row.items() if not key.startswith("_")] for row in found]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    text = "time,user name,count\n2024-03-04,alice,1\n2024-03-05,bob,2\n".replace(",", delimiter)
    assert sniff(text.encode(), "x") == 0.15
    found = rows(tmp_path, text)
    assert cells(found) == [["2024-03-04", "alice", "1"], ["2024-03-05", "bob", "2"]]
    assert [row["_time"] for row in found] == [1_709_510_400_000, 1_709_596_800_000]


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("a,b,c\n1,2,3\n", ("a", "b", "c")),
        ("a,b\n1,2\n", ("a", "b")),
        ("#Time,Host IP,Count (n)\n1,2,3\n", ("#Time", "Host IP", "Count (n)")),
        ("1,2,3\n4,5,6\n", ("column_1", "column_2", "column_3")),
        ("alice,login,ok\nbob,login,ok\n", ("column_1", "column_2", "column_3")),
        ("2024-03-04,b,c\n2024-03-05,d,e\n", ("column_1", "column_2", "column_3")),
        (",name,value\n0,x,1\n1,y,2\n", ("", "name", "value")),
        ("#TYPE System.Diagnostics.Process\na,b\n1,2\n", ("a", "b")),
    ],
)
def test_headers_are_told_from_rows(head: str, names: tuple[str, ...]) -> None:
    found = detect(head.encode())
    assert found is not None
    assert found.names == names


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"one line, with commas, only\n",
        b"2024-03-04 11:04:05,123 INFO started\n2024-03-04 11:04:06,123 INFO stopped\n",
        b"Dear all,\nplease find, as agreed,\nthe report.\nRegards, me\n",
        b"alice,1\nbob,2\n",
        b"\x00\x01,\x02\n" * 10,
        b'{"a": 1, "b": 2}\n{"a": 1, "b": 2}\n',
        b"<a,b,c>\n<d,e,f>\n",
    ],
)
def test_other_text_is_no_table(head: bytes) -> None:
    assert sniff(head, "x.csv") == 0.0


def test_cells_in_quotes_may_hold_anything(tmp_path: Path) -> None:
    text = HEADER + '1,"a,b","x ""y"" z"\n2,"two\nlines","three\r\nmore\n"\n3,"",\n'
    assert cells(rows(tmp_path, text)) == [
        ["1", "a,b", 'x "y" z'],
        ["2", "two\nlines", "three\r\nmore\n"],
        ["3", None, None],
    ]


def test_ragged_rows_are_kept(tmp_path: Path) -> None:
    found = rows(tmp_path, HEADER + "1,a,b\n2\n\n3,a,b,more,still\n")
    assert cells(found)[:2] == [["1", "a", "b"], ["2", None, None]]
    assert (found[2]["column_4"], found[2]["column_5"]) == ("more", "still")
    wide = ",".join(str(number) for number in range(3_000))
    (_, row) = rows(tmp_path, HEADER + "1,a,b\n" + wide + "\n")
    assert row["column_999"] == "998"
    assert row["column_1000"].endswith(",2998,2999")


def test_a_quote_left_open_costs_its_own_row_only(tmp_path: Path) -> None:
    text = HEADER + '1,"open,b\n' + "".join(f"{n},c,d\n" for n in range(2, 50))
    found = rows(tmp_path, text)
    assert len(found) == 49
    assert found[0]["name"] == '"open'
    assert cells(found)[1:] == [[str(n), "c", "d"] for n in range(2, 50)]
    inside = rows(tmp_path, HEADER + '1,5" disk,b\n2,c,d\n')
    assert cells(inside) == [["1", '5" disk', "b"], ["2", "c", "d"]]


def test_many_open_quotes_cost_no_more_than_a_few_looks(tmp_path: Path) -> None:
    text = HEADER + "".join(f'{n},"x,y\n' for n in range(1, 30_001, 1)) + '"'
    found = rows(tmp_path, text)
    assert sum(len(row["note"] or "") + len(row["name"] or "") for row in found) > 30_000


def test_huge_cells_are_kept_as_long_as_a_cell_may_be(tmp_path: Path) -> None:
    text = HEADER + '1,"' + "line\n" * 150_000 + '",b\n2,c,d\n'
    found = rows(tmp_path, text)
    assert [len(row["name"]) for row in found] == [750_000, 1]
    text = HEADER + '1,"' + "line\n" * 500_000 + '",b\n2,c,d\n'
    found = rows(tmp_path, text)
    assert found[-1]["name"] == "c"
    assert sum(row["time"] == "line" for row in found) == 499_999


def test_bytes_that_are_no_utf8_and_separators_of_ours(tmp_path: Path) -> None:
    found = rows(tmp_path, HEADER.encode() + b"1,gr\xf6\xdfer,\x1e\x81\n2,\xc3\xb6,x\n")
    assert cells(found) == [["1", "größer", "␞\\x81"], ["2", "ö", "x"]]


def test_offsets_point_at_the_rows(tmp_path: Path) -> None:
    lines = [f'{n},"a\nb",ü' if n % 7 == 0 else f"{n},a,ü" for n in range(1, 200)]
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        data = (HEADER + "\n".join(lines) + "\n").encode(encoding)
        found = rows(tmp_path, data)
        for line, row in zip(lines, found, strict=True):
            plain = "utf-16-le" if encoding == "utf-16" else "utf-8"
            assert data[row["_offset"] :].startswith(line.encode(plain))


def test_blocks_of_any_size_give_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = HEADER + "".join(
        f'{n},"a\n""b""",c\n' if n % 5 == 0 else f"{n},x,y\n" for n in range(300)
    )
    whole = rows(tmp_path, text)
    assert len(whole) == 300
    for size in (40, 100, 1_000):
        monkeypatch.setattr(reading, "_BLOCK", size)
        monkeypatch.setattr(delimited, "BLOCK", size)
        assert rows(tmp_path, text) == whole


def test_a_line_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_LINE", 1_000)
    monkeypatch.setattr(reading, "_BLOCK", 300)
    data = HEADER + "1,a,b\n2," + "x" * 5_000 + ",y\n3,c,d\n"
    found = rows(tmp_path, data)
    assert [row["time"] for row in found] == ["1", "2", "3"]
    assert data[found[2]["_offset"] :] == "3,c,d\n"


def test_headerless_tables_are_timed_by_their_content(tmp_path: Path) -> None:
    found = rows(tmp_path, "7;2024-03-04 11:04:05;x\n8;2024-03-04 11:04:06;y\n")
    assert [row["_time"] for row in found] == [1_709_550_245_000, 1_709_550_246_000]


CELL = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\x1e\x00"), max_size=8
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=8))
def test_what_the_standard_library_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]]
) -> None:
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([["time", "name", "note"], ["0", "x", "y"], *table])
    found = rows(tmp_path_factory.getbasetemp(), made.getvalue())
    assert cells(found)[1:] == [[value or None for value in row] for row in table]


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from('ab,"\n\r '), max_size=40))
def test_cutting_loses_no_character_but_quotes_and_delimiters(text: str) -> None:
    lines = text.splitlines(keepends=True)
    found, end = Cutter(",").rows(lines, last=True)
    assert end == len(lines)
    kept = "".join("".join(row) for _, row in found)
    for char in "ab":
        assert kept.count(char) == text.count(char)


TIMES = st.sampled_from(
    ["2024-03-04T11:04:05Z", "2024-03-04 11:04:05.1234567", "1969-12-31T23:59:59.9999Z", "",
     "2024-03-04T12:04:05+01:00", "04/Mar/2024:11:04:05 +0000", "1709550245", "x", "1500-01-01",
     "1709550245123", "2024-03-04", "11:04:05", "0001-01-01T00:00:00Z", "9999-12-31 00:00:00"]
)  # fmt: skip


@given(st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=6))
def test_times_by_column_are_times_one_by_one(values: list[tuple[str, str]]) -> None:
    names = ("timestamp", "date")
    made = [
        pa.array([value or None for value in column], pa.string())
        for column in zip(*values, strict=True)
    ]
    found = times(names, made, None).to_pylist()
    for row, time in zip(values, found, strict=True):
        expected = of_record({"timestamp": row[0] or None, "date": row[1] or None})
        day = expected is not None and expected % 86_400_000 == 0
        assert time == expected or day or time % 86_400_000 == 0

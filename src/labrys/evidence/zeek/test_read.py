import hashlib
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence import delimited
from labrys.evidence.records import Source
from labrys.evidence.values import MULTI, cell
from labrys.evidence.zeek import paths
from labrys.evidence.zeek.header import Header
from labrys.evidence.zeek.read import read, sniff
from labrys.evidence.zeek.tsv import seconds, unescape

SHARED = Path(__file__).parents[5] / "shared" / "data" / "network"
HEADER = (
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
    "#path\tconn\n#fields\tts\tuid\tnote\ttags\n#types\ttime\tstring\tstring\tset[string]\n"
)


def rows(
    tmp_path: Path, data: bytes | str, name: str = "some.log"
) -> list[tuple[str, dict[str, Any]]]:
    data = data.encode() if isinstance(data, str) else data
    path = tmp_path / "data"
    path.write_bytes(data)
    source = Source(path, name, hashlib.sha256(data).hexdigest(), len(data))
    found = [(shape, row) for shape, batch in read(source) for row in batch.to_pylist()]
    return sorted(found, key=lambda row: int(row[1]["_id"].rpartition("-")[2]))


def test_fields_that_are_unset_empty_and_escaped(tmp_path: Path) -> None:
    text = HEADER + "1.5\t-\t(empty)\t(empty)\n-\tu\t\\x2d\ta\\x2cb,-,\\x1e\nbad\tu\tC:\\x\t-\n"
    (_, first), (_, second), (_, third) = rows(tmp_path, text)
    assert (first["_time"], first["uid"], first["note"], first["tags"]) == (1500, None, "", None)
    assert (second["_time"], second["note"]) == (None, "-")
    assert second["tags"] == f"a,b{MULTI}␞"
    assert (third["_time"], third["ts"], third["note"]) == (None, "bad", "C:\\x")


def test_a_bad_line_costs_itself_only(tmp_path: Path) -> None:
    lines = [f"1709550245.{n}\tu{n}\tn\tt" for n in range(100)]
    lines[40] = "short"
    lines[50] = "1\t2\t3\t4\t5"
    lines[60] = "1709550245.5\tcarriage\rreturn\tn\x1e\tt"
    lines[70] = ""
    found = rows(tmp_path, HEADER + "\r\n".join(lines) + "\r\n")
    shapes = [shape for shape, _ in found]
    assert (shapes.count("zeek.conn"), shapes.count("unparsed")) == (97, 2)
    bad = [row for shape, row in found if shape == "unparsed"]
    assert [row["raw"].strip() for row in bad] == ["short", "1\t2\t3\t4\t5"]
    data = (tmp_path / "data").read_bytes()
    for shape, row in found:
        if shape == "zeek.conn" and "carriage" not in row["uid"]:
            line = data[row["_offset"] :].partition(b"\r\n")[0].decode()
            assert line == "\t".join(row[name] for name in ("ts", "uid", "note", "tags"))
    (odd,) = [row for _, row in found if "carriage" in (row.get("uid") or "")]
    assert (odd["uid"], odd["note"]) == ("carriage\rreturn", "n␞")


def test_headers_may_change_and_repeat(tmp_path: Path) -> None:
    other = HEADER.replace("conn", "dns").replace("note", "query").replace("\\x09", "\\x2c")
    other = other.replace("\t", ",").replace("#set_separator,,", "#set_separator,;")
    text = HEADER + "1\tu1\tn\tt\n" + HEADER + "2\tu2\tn\tt\n#close\n" + other + "3,u3,q,a;b\n"
    found = rows(tmp_path, text)
    assert [shape for shape, _ in found] == ["zeek.conn", "zeek.conn", "zeek.dns"]
    assert found[2][1]["query"] == "q"
    assert found[2][1]["tags"] == f"a{MULTI}b"
    assert [row["_time"] for _, row in found] == [1000, 2000, 3000]


def test_rows_without_a_usable_header_are_unparsed(tmp_path: Path) -> None:
    found = rows(tmp_path, "#separator \\x09\n1\t2\n#fields\n3\t4\n")
    assert [shape for shape, _ in found] == ["unparsed", "unparsed"]
    assert {row["reason"] for _, row in found} == {"no usable #fields line before this row"}


def test_names_of_fields_and_paths_cannot_do_harm(tmp_path: Path) -> None:
    text = "#fields\tts\tts\t_id\t\n1\t2\t3\t4\n#path\t../../x\n5\t6\t7\t8\n"
    found = rows(tmp_path, text, name="x.bin")
    assert [shape for shape, _ in found] == ["zeek.unknown", "zeek.unknown"]
    assert found[0][1]["ts.2"] == "2"
    assert found[0][1]["__id"] == "3"
    assert found[0][1]["column"] == "4"
    assert rows(tmp_path, text, name="dir/dns.10:00:00-11:00:00.log")[0][0] == "zeek.dns"


def test_many_headers_end_as_unparsed_rows(tmp_path: Path) -> None:
    text = "".join(f"#fields\tts\ta{n}\n#types\ttime\tstring\n1\t2\n" for n in range(1_200))
    shapes = [shape for shape, _ in rows(tmp_path, text)]
    assert len(shapes) == 1_200
    assert shapes.count("unparsed") == 200


def test_blocks_of_any_size_give_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = HEADER + "".join(f"{n}.25\tu{n}\tn\tt\n" + "short\n" * (n % 7 == 0) for n in range(300))
    whole = rows(tmp_path, text)
    original = delimited.blocks
    monkeypatch.setattr(delimited, "blocks", lambda stream: original(stream, 100))
    assert rows(tmp_path, text) == whole


def test_a_line_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_LINE", 1_000)
    original = delimited.blocks
    monkeypatch.setattr(delimited, "blocks", lambda stream: original(stream, 300))
    found = rows(tmp_path, HEADER + "1\t" + "x" * 5_000 + "\n2\tu\tn\tt\n")
    assert [shape for shape, _ in found] == ["unparsed", "zeek.conn"]
    assert found[1][1]["_offset"] == len(HEADER) + 5_003


@pytest.mark.parametrize(
    ("record", "shape"),
    [
        ({"_path": "x509", "ts": 1}, "zeek.x509"),
        ({"@stream": "Dns", "ts": 1}, "zeek.dns"),
        ({"ts": 1, "uid": "C", "conn_state": "SF"}, "zeek.conn"),
        ({"ts": 1, "uid": "C", "trans_depth": 1, "mailfrom": "a"}, "zeek.smtp"),
        ({"ts": 1, "uid": "C"}, "zeek.http"),  # by the file's name
        ({"_path": "conn-summary", "ts": 1}, "zeek.conn_summary"),
        ({"_path": "a\nb", "ts": 1}, "zeek.unknown"),
    ],
)
def test_which_log_a_json_row_is_of(tmp_path: Path, record: dict[str, Any], shape: str) -> None:
    assert rows(tmp_path, orjson.dumps(record), name="zeek_http.log")[0][0] == shape


@pytest.mark.parametrize(
    ("value", "time"),
    [
        (1709550245.999999, 1_709_550_245_999),
        (13.5, 13_500),
        (1709550245123, 1_709_550_245_123),
        ("2024-03-04T11:04:05.123456Z", 1_709_550_245_123),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_times_in_json(tmp_path: Path, value: Any, time: int | None) -> None:
    ((_, row),) = rows(tmp_path, orjson.dumps({"_path": "conn", "ts": value}))
    assert row["_time"] == time


def test_sniffing() -> None:
    assert sniff(HEADER.encode(), "x") == 0.99
    assert sniff(b"\xef\xbb\xbf" + HEADER.encode(), "x") == 0.99
    assert sniff(b'{"ts":1.5,"uid":"C","id.orig_h":"192.0.2.1"}\n{"ts"', "x") == 0.95
    assert sniff(b'[{"_path":"conn","_write_ts":"2024-03-04T11:04:05Z"}]', "x") == 0.95
    assert sniff(b'{"ts":1.5,"name":"alice"}\n', "conn.log") == 0.0
    assert sniff(b"#Software: web server\n#Fields: date time\n", "conn.log") == 0.0
    assert sniff(b"# a comment\nnothing else\n", "conn.log") == 0.0


def test_paths_by_name() -> None:
    assert paths.of_name("C:\\logs\\HOST1_smb_files.log") == "smb_files"
    assert paths.of_name("case.zip!/dns.log") == "dns"
    assert paths.of_name("connection.log") is None


@given(st.text(st.characters(exclude_characters="\t\n\x1e", exclude_categories=["Cs"])))
def test_escaping_as_zeek_does_is_undone(text: str) -> None:
    escaped = "".join(
        "\\\\" if char == "\\" else char if 32 < ord(char) < 127 else escape(char) for char in text
    )
    assert unescape(escaped) == text


def escape(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode())


@given(st.text(), st.text(), st.text())
def test_any_header_line_is_survived(name: str, separator: str, value: str) -> None:
    line = f"#{name}{separator}{value}".encode("utf-8", "surrogatepass")
    header = Header().after(b"#separator " + separator.encode("utf-8", "replace")).after(line)
    assert header.after(b"#close") == header.after(b"#open\t2024") == header


@given(st.lists(st.one_of(st.none(), st.floats(1e8, 4e9), st.sampled_from(["x", "nan", "1e999"]))))
def test_seconds_by_column_are_seconds_one_by_one(values: list[Any]) -> None:
    made = seconds(pa.array([cell(value) for value in values], pa.string())).to_pylist()
    for value, time in zip(values, made, strict=True):
        if isinstance(value, float):
            assert time is not None
            assert abs(time - value * 1000) <= 1.01
        else:
            assert time is None


@pytest.mark.shared
@pytest.mark.parametrize(
    ("archive", "most_unparsed"), [("otrf_apt29_day1_zeek", 0), ("rita_zeek_logs", 5)]
)
def test_real_logs_read(tmp_path: Path, archive: str, most_unparsed: int) -> None:
    from labrys.evidence.unpack import Problem, open_sources

    path = SHARED / f"{archive}.zip"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    unparsed = total = 0
    for source in open_sources(path, archive, tmp_path):
        assert not isinstance(source, Problem)
        if sniff(source.path.read_bytes()[: 1 << 16], source.name) < 0.5:
            continue
        for shape, batch in read(source):
            total += batch.num_rows
            unparsed += batch.num_rows * (shape == "unparsed")
            known = shape in ("unparsed", "zeek.loaded_scripts")
            assert known or batch.column("_time").null_count == 0
    assert total > 2_000
    assert unparsed <= most_unparsed

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.detect.sigma.fields import Derived, derive, field

TABLE = pa.table(
    {
        "A": ["x", None, "y\x1ez"],
        "B": ["1", None, "-"],
        "Hashes": ["MD5=0A,SHA256=FF", "sha256=ee", "nothing"],
        "Label": pa.array(["S-1", "S-2", None]).dictionary_encode(),
        "Pid": ["0x1a4", "12", "0xzz"],
        "Key": [r"\REGISTRY\MACHINE\SOFTWARE\X", r"\registry\user\S-1-5", "other"],
        "Kind": ["%%1876", "%%1873", None],
        "Data": ["255", "text", "bare"],
    }
)


def values(written: Any, table: pa.Table = TABLE) -> Any:
    made = derive(field(written), table)
    return None if made is None else made.to_pylist()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("A", ["x", None, "y\x1ez"]),
        ("Label", ["S-1", "S-2", None]),
        ("nosuch", None),
        (["nosuch"], None),
        (["A", "nosuch"], ["x", None, "y\x1ez"]),
        (["A", "Label"], ["x\x1eS-1", "S-2", "y\x1ez"]),
        ({"columns": ["A", "B"], "join": "/"}, ["x/1", None, "y\x1ez"]),
        ({"columns": ["nosuch", "B"], "join": "/"}, ["1", None, None]),
        ({"column": "Hashes", "part": "SHA256"}, ["FF", "ee", None]),
        ({"column": "Label", "map": {"S-1": "High"}}, ["High", "S-2", None]),
        ({"column": "Label", "map": {"S-1": "High"}, "only": True}, ["High", None, None]),
        ({"column": "Pid", "as": "hex"}, ["420", "12", "0xzz"]),
        ({"column": "A", "replace": [["^(.)$", r"<\1>"]]}, ["<x>", None, "<y>\x1e<z>"]),
        (
            {
                "column": "Key",
                "replace": [[r"(?i)^\\REGISTRY\\MACHINE", "HKLM"], ["(?i)^.REGISTRY.USER", "HKU"]],
            },
            [r"HKLM\SOFTWARE\X", r"HKU\S-1-5", "other"],
        ),
        (
            {"columns": ["Kind", "Data"], "join": " ", "as": "registry"},
            ["DWORD (0x000000ff)", "text", "bare"],
        ),
        ({"value": "true"}, ["true"] * 3),
        ([{"column": "Pid", "as": "hex"}, "B"], ["420\x1e1", "12", "0xzz\x1e-"]),
    ],
)
def test_fields_are_made_as_they_are_written(written: Any, expected: Any) -> None:
    assert values(written) == expected


def test_registry_data_reads_as_sysmon_writes_it() -> None:
    table = pa.table({"T": ["%%1883", "%%1875", "%%1876", "%%1872"], "D": ["1", "0x00", "x", ""]})
    found = values({"columns": ["T", "D"], "join": " ", "as": "registry"}, table)
    assert found == ["QWORD (0x00000000-0x00000001)", "Binary Data", "x", ""]


def test_chunks_and_empty_tables_make_no_difference() -> None:
    written = {"columns": ["A", "B"], "join": "/"}
    chunked = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
    assert values(written, chunked) == values(written)
    assert values(written, TABLE.slice(0, 0)) == []
    assert values(["A", "Label"], TABLE.schema.empty_table()) == []


@pytest.mark.parametrize(
    "written",
    [
        {},
        [],
        [["A"]],
        {"columns": ["A", "B"]},
        {"column": "A", "value": "x"},
        {"column": "A", "nosuch": 1},
        {"column": "A", "as": "nosuch"},
    ],
)
def test_what_makes_no_sense_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="field"):
        field(written)


@given(st.lists(st.one_of(st.none(), st.text()), min_size=1), st.sampled_from(["hex", "registry"]))
def test_any_value_can_be_read(cells: list[str | None], reading: str) -> None:
    table = pa.table({"A": pa.array(cells, pa.string())})
    wanted = Derived(("A",), part="", replace=(("a+", "b"),), reading=reading, map=(("x", "y"),))
    made = derive(wanted, table)
    assert made is not None
    assert [value is None for value in made.to_pylist()] == [cell is None for cell in cells]

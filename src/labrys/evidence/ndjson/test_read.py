import hashlib
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.ndjson.read import read, sniff
from labrys.evidence.ndjson.rows import flat, sample, shape_of
from labrys.evidence.records import Source
from labrys.evidence.values import cell, flatten

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 53), 1 << 53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab._", max_size=3), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text("ab._", max_size=3), JSON, max_size=6))
def test_the_short_way_to_columns_gives_what_the_long_one_does(record: dict[str, Any]) -> None:
    record = orjson.loads(orjson.dumps(record))
    short, long = flat(record), flatten(record)
    assert list(short) == list(long)
    assert {name: cell(value) for name, value in short.items()} == {
        name: cell(value) for name, value in long.items()
    }


def test_deep_nesting_ends_as_text(tmp_path: Path) -> None:
    data = b'{"a":' * 60 + b"1" + b"}" * 60
    path = tmp_path / "deep"
    path.write_bytes(data)
    ((shape, batch),) = read(Source(path, "deep", hashlib.sha256(data).hexdigest(), len(data)))
    assert shape == "json.record"
    (name,) = [name for name in batch.schema.names if name.startswith("a")]
    assert batch.column(name)[0].as_py().startswith('{"a":')


def test_sniffing_and_samples() -> None:
    assert sniff(b'\xef\xbb\xbf{"a": 1}\n{"a"', "x") == 0.3
    assert sniff(b'{"a": 1}', "x") == 0.3
    for other in (b"", b"{\n", b"[1]\n", b'{"a": 1} trailing\n', b'"text"\n', b"key=value\n"):
        assert sniff(other, "x.ndjson") == 0.0
    assert sample(b'[{"a": 1}, {"b": 2}, {"c"') == [{"a": 1}, {"b": 2}]


def test_shapes_are_plain_names() -> None:
    assert shape_of("zeek", "conn") == "zeek.conn"
    assert shape_of("zeek", "Conn-Summary") == "zeek.conn_summary"
    for kind in (None, "", "../x", "a b", "x" * 100, "-", "é"):
        assert shape_of("zeek", kind) == "zeek.unknown"

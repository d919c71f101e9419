"""The fast way through an array gives what the careful way gives."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence import cloud_array
from labrys.evidence.cloud_array import cloud_objects
from labrys.evidence.json_stream import objects


def both(data: bytes) -> None:
    assert list(cloud_objects(io.BytesIO(data))) == list(objects(io.BytesIO(data)))


_VALUE = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
_OBJECT = st.dictionaries(st.text(max_size=3), _VALUE, max_size=3)


@given(
    st.lists(_OBJECT | _VALUE, max_size=5),
    st.sampled_from(["", "Records", "value", "other"]),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_same_as_the_careful_way(items: list[object], name: str, indent: int, plain: bool) -> None:
    whole = {name: items} if name else items
    both(json.dumps(whole, indent=indent, ensure_ascii=plain).encode())


@given(st.binary(max_size=12), st.integers(0, 60), st.integers(0, 8))
def test_same_when_damaged(piece: bytes, at: int, cut: int) -> None:
    data = b'{"Records": [{"a": 1}, {"b": [1, {"c": "]}"}]},\n {"a": 1}]}\n'
    both(data[:at] + piece + data[at + cut :])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"Records":[]}',
        b'{"Records":[{"a":1}],"Records":[{"b":2}]}',
        b'{"Records":[{"a":1}],"more":[{"b":2}]}',
        b'{"Records":[{"a":1}]} {"b":2}',
        b'[{"a":1}]\n[{"b":2}]',
        b'[{"a":1},{"a":1}]',
        b'[{"a":NaN}]',
        b'[{"a":"\xff"}]',
        b'[{"a":1},,{"b":2}]',
        b'[[{"a":1}]]',
        b'[{"a":1}, 5]',
        b"[" * 3000,
        b'[{"a":' * 1500,
    ],
)
def test_odd_arrays(data: bytes) -> None:
    both(data)


def test_too_large_to_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_array, "WHOLE", 100)
    both(json.dumps({"Records": [{"a": "x" * 40}] * 5}).encode())


def test_too_many_objects_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_array, "_MOST", 10)
    both(json.dumps({"Records": [{}] * 20}).encode())

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.values import cell, column, flatten

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.binary(max_size=3)


@pytest.mark.parametrize(
    ("nested", "flat"),
    [
        ({"a": {"b": 1}, "c": [1, {"d": 2}, {"d": 3}]}, {"a.b": 1, "c.d": [2, 3], "c": [1]}),
        ({"a": {}, "b": []}, {"a": None, "b": []}),
        ({"a": [[1, 2], 3]}, {"a": ["[1,2]", 3]}),
    ],
)
def test_flatten(nested: dict[str, Any], flat: dict[str, Any]) -> None:
    assert flatten(nested) == flat


def test_flatten_stops_at_its_depth() -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"a": deep}
    (name,) = flatten(deep)
    assert name.count(".") == 12


def test_numbers_beyond_64_bits_survive_in_nested_values() -> None:
    assert cell({"a": 10**30}) == '{"a": 1000000000000000000000000000000}'


@given(st.lists(VALUES, max_size=8))
def test_a_column_is_its_cells(values: list[Any]) -> None:
    assert column(values).to_pylist() == [cell(value) for value in values]

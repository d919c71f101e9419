"""Graphs are told from other protobuf; bytes that are none end no reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.onnx_model.read import _Bad, _fields, sniff


@pytest.mark.parametrize(
    "head", [b"", b"\x08\x07", b"\x08\x07\x12\x02\xff\xfe", b"\x0a\x03abc\x12\x01x", b"plain text"]
)
def test_what_is_no_model_is_left_to_others(head):
    assert sniff(head, "x.onnx") == 0.0


@given(st.binary(max_size=200))
def test_any_bytes_end(data):
    try:
        spans = [value for _, _, value in _fields(data, 0, len(data)) if isinstance(value, tuple)]
    except _Bad:
        spans = []
    assert all(0 <= start <= end <= len(data) for start, end in spans)

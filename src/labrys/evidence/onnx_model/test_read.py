"""Graphs are told from other protobuf; bytes that are none end no reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.onnx_model.read import sniff
from labrys.evidence.protobuf import Malformed, fields


@pytest.mark.parametrize(
    "head", [b"", b"\x08\x07", b"\x08\x07\x12\x02\xff\xfe", b"\x0a\x03abc\x12\x01x", b"plain text"]
)
def test_what_is_no_model_is_left_to_others(head):
    assert sniff(head, "x.onnx") == 0.0


@given(st.binary(max_size=200))
def test_any_bytes_end(data):
    try:
        spans = [value for _, _, value in fields(data, 0, len(data)) if isinstance(value, tuple)]
    except Malformed:
        spans = []
    assert all(0 <= start <= end <= len(data) for start, end in spans)

"""Kinds of model and classes of the app are found, and nesting is bounded."""

import pytest

from labrys.evidence.core_ml.read import _Model, sniff
from labrys.evidence.protobuf import Malformed

HERE_BEGINS = b"\x08\x04\x12\x05\x0a\x03\x0a\x01x"


def field(number, value):
    key = number << 3 | 2
    head = bytes([key & 0x7F | 0x80, key >> 7]) if key > 0x7F else bytes([key])
    size = len(value)
    return head + (bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])) + value


def test_models_in_models_without_end_are_refused():
    made = b"\x08\x01"
    for _ in range(10):
        made = b"\x08\x01" + field(202, field(1, made))
    with pytest.raises(Malformed):
        _Model(made).model(0, len(made), 0)


def test_a_class_of_the_app_in_a_classifier():
    layer = field(1, field(500, field(10, b"Own")))
    made = _Model(HERE_BEGINS + field(403, layer))
    made.model(0, len(HERE_BEGINS) + len(field(403, layer)), 0)
    assert list(made.custom) == ["Own"]
    assert list(made.kinds) == ["neural network classifier"]


def test_sniff():
    assert sniff(HERE_BEGINS + field(402, b""), "x") > 0.9
    assert sniff(HERE_BEGINS + field(7, b""), "x") == 0.0
    assert sniff(b"\x12\x00" + field(402, b""), "x") == 0.0

"""Configurations are found in JSON and in HDF5, also where pieces of the file meet."""

import io
import json

import pytest

from labrys.evidence.keras_model import read as module
from labrys.evidence.keras_model.read import _in_hdf5, _row, sniff

CONFIG = {"class_name": "Functional", "config": {"note": 'a } brace " in a text', "layers": []}}


@pytest.mark.parametrize("before", [0, 10, 90, 100, 110, 190])
def test_a_configuration_across_pieces_is_found_once(monkeypatch, before):
    monkeypatch.setattr(module, "_PIECE", 200)
    text = json.dumps(CONFIG).encode()
    data = b"x" * before + text + b"y" * 300
    assert [config for _, config in _in_hdf5(io.BytesIO(data), None)] == [CONFIG]


def test_classes_and_code_are_gathered():
    lam = {"module": "keras.layers", "class_name": "Lambda", "config": {"code": "x"}}
    row = _row(
        {"class_name": "A", "layers": [lam, {"module": "os", "class_name": "system"}]}, "keras"
    )
    assert row["classes"] == [".A", "keras.layers.Lambda", "os.system"]
    assert row["code"] == ['{"code":"x"}']


def test_nesting_without_end_is_bounded():
    value = {}
    for _ in range(1000):
        value = {"config": value, "class_name": "A"}
    assert _row(value, "keras")["classes"] == [".A"]


def test_sniff():
    assert sniff(b"\x89HDF\r\n\x1a\n", "x") > 0.9
    assert sniff(b'{"class_name": "A", "config": {}, "module": "keras"}', "x") > 0.9
    assert sniff(b'{"class_name": "A"}', "config.json") == 0.0

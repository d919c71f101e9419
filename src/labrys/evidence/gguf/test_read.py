"""Both orders of bytes are read; what cannot be is said."""

import struct
from hashlib import sha256

import pytest

from labrys.evidence.gguf.read import read, sniff
from labrys.evidence.records import Source


def found(tmp_path, data):
    path = tmp_path / "m"
    path.write_bytes(data)
    source = Source(path, "m", sha256(data).hexdigest(), len(data))
    return {shape: batch.to_pylist()[0] for shape, batch in read(source)}


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_orders_of_bytes(tmp_path, order):
    text = b"tokenizer.chat_template"
    data = (
        b"GGUF" + struct.pack(order + "IQQ", 3, 0, 1) + struct.pack(order + "Q", len(text)) + text
    )
    data += struct.pack(order + "IQ", 8, 2) + b"hi"
    assert found(tmp_path, data)["model.file"]["templates"] == "hi"


@pytest.mark.parametrize(
    ("version", "pairs", "rest"), [(9, 0, b""), (3, 1 << 40, b""), (3, 1, b"\xff" * 8), (3, 1, b"")]
)
def test_what_cannot_be_read_is_said(tmp_path, version, pairs, rest):
    made = found(tmp_path, b"GGUF" + struct.pack("<IQQ", version, 0, pairs) + rest)
    assert "cannot be read" in made["unparsed"]["reason"]
    assert made["model.file"]["format"] == "gguf"


def test_sniff():
    assert sniff(b"GGUF\x03", "x") == 1.0
    assert sniff(b"GGML", "x.gguf") == 0.0

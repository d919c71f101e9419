"""What holds for all formats of models: that no bytes end a reader."""

from hashlib import sha256
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.records import Source
from labrys.evidence.registry import choose, formats

HERE = Path(__file__).parent
KINDS = (
    "pickle", "numpy_array", "safetensors", "gguf", "keras_model", "onnx_model", "hub_config",
    "tensor_storage", "core_ml", "openvino", "notebook", "tree_model", "skops_schema", "r_data",
)  # fmt: skip
FORMATS = {made.id: made for made in formats() if made.id in KINDS}
SAMPLES = [(kind, path) for kind in KINDS for path in sorted((HERE / kind / "samples").iterdir())]


def rows(kind, path, data):
    source = Source(path, f"case/{path.name}", sha256(data).hexdigest(), len(data))
    return [
        {"shape": shape, **{name: cell for name, cell in row.items() if cell is not None}}
        for shape, batch in FORMATS[kind].read(source)
        for row in batch.to_pylist()
    ]


@given(st.data())
def test_changed_samples_are_read_without_an_error(tmp_path_factory, data):
    kind, sample = data.draw(st.sampled_from(SAMPLES))
    content = bytearray(sample.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))]
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(content)
    choose(bytes(content), "x")
    first = rows(kind, path, bytes(content))
    assert first == rows(kind, path, bytes(content))
    assert first, "neither a row nor an unparsed one"


def test_numbers_in_a_torch_archive_are_known_by_their_place():
    numbers = (HERE / "tensor_storage/samples/numbers").read_bytes()
    assert choose(numbers, "m.pt!/archive/data/0").id == "tensor_storage"
    assert choose(numbers, "m/data/0") is None

"""Cells of both versions of notebooks are read, whatever stands in them."""

import json
from hashlib import sha256

import pytest

from labrys.evidence.notebook.read import read, sniff
from labrys.evidence.records import Source


def found(tmp_path, book):
    data = json.dumps(book).encode()
    path = tmp_path / "n"
    path.write_bytes(data)
    source = Source(path, "n", sha256(data).hexdigest(), len(data))
    return [(shape, row) for shape, batch in read(source) for row in batch.to_pylist()]


def test_version_3(tmp_path):
    cells = [{"cell_type": "code", "input": ["a\n", "b"], "outputs": []}]
    ((shape, row),) = found(tmp_path, {"nbformat": 3, "worksheets": [{"cells": cells}]})
    assert shape == "model.notebook"
    assert row["source"] == "a\nb"


@pytest.mark.parametrize(
    "book", [[], {"cells": 5}, {"cells": [5]}, {"worksheets": [5]}, {"cells": []}]
)
def test_what_is_no_notebook_is_told(tmp_path, book):
    assert [shape for shape, _ in found(tmp_path, book)] == ["unparsed"]


def test_odd_cells_are_kept(tmp_path):
    cells = [{"cell_type": 5, "source": {"a": 1}, "outputs": [None, {"data": []}]}]
    ((shape, _),) = found(tmp_path, {"cells": cells, "metadata": []})
    assert shape == "model.notebook"


def test_sniff():
    assert sniff(b'{"cells": [], "nbformat": 4, "nbformat_minor": 5}', "x") > 0.9
    assert sniff(b'{"cells": []}', "x.ipynb") == 0.0

from importlib.metadata import EntryPoint
from pathlib import Path

import pyarrow as pa
import pytest

from labrys.detect import registry
from labrys.detect.registry import RowFolder, WindowFolder, detectors, load
from labrys.errors import LabrysError
from labrys.ocsf.attack import techniques
from labrys.ocsf.vocabulary import classes

ROW = """
id = "made"
title = "Made"
version = "1"
kind = "row"
reads = ["made.*"]
techniques = ["T1059"]
"""
DETECT = """
from labrys.ocsf.schema import FINDING

def detect(shape, batch):
    return FINDING.empty_table()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "made_detector"
    made.mkdir()
    (made / "detector.toml").write_text(ROW)
    (made / "detect.py").write_text(DETECT)
    (made / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    return made


def test_a_folder_is_a_detector(folder: Path) -> None:
    made = load(folder, "made_detector")
    assert isinstance(made, RowFolder)
    assert (made.id, made.reads, made.emits) == ("made", ("made.*",), ("made",))
    assert made.detect("made.one", pa.table({"x": [1]})).num_rows == 0


def test_plug_ins_are_found_and_ours_cannot_be_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [EntryPoint("m", "made_detector", "labrys.detect")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    detectors.cache_clear()
    try:
        assert "made" in {made.id for made in detectors()}
        (folder / "detector.toml").write_text(ROW.replace('"made"', '"guessing"'))
        detectors.cache_clear()
        [kept] = [made for made in detectors() if made.id == "guessing"]
        assert kept.module == "labrys.detect.guessing"
    finally:
        detectors.cache_clear()


def test_the_digest_covers_code_and_model_and_nothing_else(folder: Path) -> None:
    def digest() -> str:
        made = load(folder, "made_detector")
        assert made is not None
        return made.digest

    before = digest()
    (folder / "README.md").write_text("words")
    (folder / "test_it.py").write_text("")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "detect.pyc").write_bytes(b"x")
    assert digest() == before
    (folder / "model").mkdir()
    (folder / "model" / "weights.txt").write_text("1")
    with_model = digest()
    assert with_model != before
    (folder / "detect.py").write_text(DETECT + "\n")
    assert digest() not in (before, with_model)


@pytest.mark.parametrize(
    "text",
    [
        "id = 3",
        ROW.replace('kind = "row"', 'kind = "column"'),
        ROW.replace('version = "1"', ""),
        ROW.replace('title = "Made"', 'title = ""'),
        ROW.replace("]", ""),
    ],
)
def test_a_bad_description_names_its_file(folder: Path, text: str) -> None:
    (folder / "detector.toml").write_text(text)
    with pytest.raises(LabrysError, match=r"detector\.toml"):
        load(folder, "made_detector")


def test_other_folders_are_no_detectors(tmp_path: Path) -> None:
    assert load(tmp_path, "x") is None


def test_ours_say_what_they_read_and_find() -> None:
    views = {made.name for made in classes().values()}
    for made in detectors():
        assert made.title
        assert set(made.techniques) <= techniques().keys()
        if isinstance(made, WindowFolder):
            assert made.reads in views

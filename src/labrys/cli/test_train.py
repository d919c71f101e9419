"""`labrys train`: whom it asks, and what it says when it cannot."""

import pytest

from labrys.cli.train import command
from labrys.errors import LabrysError


def test_an_unknown_detector_is_named(tmp_path):
    with pytest.raises(LabrysError, match="no detector 'nothing'"):
        command("nothing", tmp_path, None)


def test_a_detector_without_anything_to_learn_says_so(tmp_path):
    with pytest.raises(LabrysError, match="guessing has nothing to learn"):
        command("guessing", tmp_path, None)


def test_missing_packages_are_named(tmp_path, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "sklearn" else real(name)
    )
    with pytest.raises(LabrysError, match=r"labrys\[ml\]"):
        command("mail", tmp_path, None)


def test_folders_that_are_missing_are_named(tmp_path):
    with pytest.raises(LabrysError, match="put your mail into ham and spam"):
        command("mail", tmp_path, tmp_path / "out")

"""The three kinds of trees are told from each other, and from what only looks like them."""

import pytest

from labrys.evidence.tree_model.read import _form


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"CBM1....", "catboost"),
        (b"tree\nversion=v3\n", "lightgbm"),
        (b'{"version": [1, 7, 6], "learner": {"gradient_booster": {}}}', "xgboost"),
        (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", "xgboost"),
        (b"{i\x07version[", "xgboost"),
        (b'{"version": [1]}', ""),
        (b"tree of life\n", ""),
    ],
)
def test_form(head, form):
    assert _form(head) == form

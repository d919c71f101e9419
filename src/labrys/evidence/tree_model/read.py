"""Knows the models of XGBoost, CatBoost and LightGBM: numbers and names, nothing that runs.

Sources: XGBoost "Introduction to Model IO" (JSON, UBJSON), CatBoost `model.fbs`, LightGBM
`gbdt_model_text.cpp`.
"""

import re
from collections.abc import Iterator
from typing import Final

from labrys.evidence.records import Records, Shaped, Source

_XGBOOST: Final = re.compile(rb'\s*\{\s*"(?:learner|version)"\s*:\s*[\{\[]')
_UBJSON: Final = re.compile(rb"\{[iUIlL][\x00]{0,7}\x07(?:learner|version)[\{\[]")


def sniff(head: bytes, name: str) -> float:
    """By how each of them begins."""
    return 0.97 if _form(head) else 0.0


def _form(head: bytes) -> str:
    if head.startswith(b"CBM1"):
        return "catboost"
    if head.startswith((b"tree\nversion=v", b"tree\r\nversion=v")):
        return "lightgbm"
    text = _XGBOOST.match(head) and b'"gradient_booster"' in head
    return "xgboost" if text or _UBJSON.match(head) else ""


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.file`; a text that ends too early is told."""
    records = Records(source)
    with source.open() as stream:
        form = _form(stream.read(1 << 16))
        stream.seek(max(0, source.size - 4096))
        tail = stream.read(4096)
    whole = {"xgboost": tail.rstrip().endswith(b"}"), "lightgbm": b"\nend of" in tail}
    if not whole.get(form, True) and not (form == "lightgbm" and b"pandas_categorical" in tail):
        records.unparsed(source.size, "the model ends too early")
    records.add("model.file", {"format": form or "xgboost"}, time=None, offset=0)
    yield from records.drain()

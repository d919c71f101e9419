"""Holes, overlaps and what lies behind the tensors are said."""

import pytest

from labrys.evidence.safetensors.read import _described, sniff


def described(spans, size):
    header = {f"t{number}": {"data_offsets": span} for number, span in enumerate(spans)}
    row, end = _described(header, 10, size)
    return row["oddities"], row["trailing_bytes"], end


@pytest.mark.parametrize(
    ("spans", "size", "wanted"),
    [
        ([[0, 4], [4, 8]], 18, ([], None, 18)),
        ([[0, 4], [4, 8]], 20, ([], 2, 18)),
        ([[0, 4], [5, 8]], 18, (["bytes between tensors that belong to none"], None, 18)),
        ([[0, 5], [4, 8]], 18, (["tensors that overlap"], None, 18)),
        ([[0, 99]], 18, (["tensors beyond the end of the file"], None, 18)),
        ([[3, 1]], 18, (["a tensor without a place"], 8, 10)),
        ([None], 18, (["a tensor without a place"], 8, 10)),
    ],
)
def test_what_is_odd(spans, size, wanted):
    assert described(spans, size) == wanted


def test_sniff():
    assert sniff(b"\x10\0\0\0\0\0\0\0" + b'{"w":{"dtype":"F32"}}', "x") > 0.9
    assert sniff(b"\x10\0\0\0\0\0\0\0" + b"not json at all", "x.safetensors") == 0.0

"""An array says whether it holds objects; what says nothing may."""

import pytest

from labrys.evidence.numpy_array.read import _described, sniff


@pytest.mark.parametrize(
    ("header", "objects"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", False),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", True),
        ("{'descr': [('a', '<f8'), ('b', '|O')], 'shape': (2,), }", True),
        ("{'descr': [('a', '<f8'), ('b', '<i4')], 'shape': (2,), }", False),
        ("{'shape': (2,)}", True),
    ],
)
def test_objects_are_seen(header, objects):
    assert _described(header)[1] is objects


def test_sniff():
    assert sniff(b"\x93NUMPY\x01\x00", "x") == 1.0
    assert sniff(b"NUMPY", "x.npy") == 0.0

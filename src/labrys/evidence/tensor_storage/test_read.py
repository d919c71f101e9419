"""Raw numbers are kept by size alone, and never claimed by what they are."""

from labrys.evidence.tensor_storage.read import sniff


def test_never_by_content():
    assert sniff(b"\0" * 16, "m.pt!/archive/data/0") == 0.0

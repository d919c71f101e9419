"""Names that a pickle looks up are found however it hides them; a broken one is never clean."""

import pickle
import pickletools
import zlib
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.pickle.read import rows, sniff
from labrys.evidence.pickle.streams import streams

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.builds(OrderedDict, st.dictionaries(st.text(), inner))
        | st.frozensets(st.integers())
    ),
    max_leaves=20,
)


def names(data):
    return {str(name) for stream in streams(data) for name in stream.uses}


@given(VALUES, st.integers(0, 5))
def test_every_real_pickle_is_walked_to_its_end_as_pickletools_does(value, protocol):
    data = pickle.dumps(value, protocol)
    (stream,) = streams(data)
    assert stream.stopped
    assert stream.problems == []
    assert (stream.end, stream.steps) == (len(data), len(list(pickletools.genops(data))))
    wanted = {
        arg.replace(" ", ".", 1)
        for opcode, arg, _ in pickletools.genops(data)
        if opcode.name == "GLOBAL"
    }
    assert wanted <= names(data)


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'id'\ntR.",
        b"(S'id'\nios\nsystem\n.",
        b"(cos\nsystem\nS'id'\no.",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x8c\x02id\x85R.",
        b"\x80\x04\x8c\x02os\x940\x8c\x06system\x940h\x00h\x01\x93\x8c\x02id\x85R.",  # by the memo
        b"cos\nsystem\n(S'id'\ntR\xff\xff",  # broken behind
        b"cos\nsystem\n(S'id'\ntR",  # without an end
        b"\x80\x04N.\x00\x00\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.",  # behind another
        b"\x80\x04\xff\xffcos\nsystem\n(S'id'\ntR.",  # behind what makes no sense
    ],
)
def test_a_call_is_found_however_it_is_spelt(data):
    found = {str(use.name): use for stream in streams(data) for use in stream.uses.values()}
    assert "called" in found["os.system"].how
    assert "'id'" in found["os.system"].arguments[0]


def test_attributes_are_followed():
    data = b"cbuiltins\ngetattr\n(cos\npath\nS'join'\ntR."
    assert "os.path.join" in names(data)


def test_a_name_that_is_not_known_is_said():
    assert "?.?" in names(b"\x80\x04N\x8c\x06system\x93.")
    assert "copyreg extension.7" in names(b"\x80\x02\x82\x07.")


@given(st.binary(max_size=400), st.sampled_from([b"", b"\x80\x04", b"(", b"cos\n"]))
def test_any_bytes_are_walked_through(tail, head):
    data = head + tail
    for stream in streams(data):
        assert stream.offset < stream.end <= max(1, len(data))
    for row, offset in rows(data):
        assert 0 <= offset < max(1, len(data))
        assert row["end"]


def test_sniff_is_sure_of_pickles_and_of_nothing_else():
    for protocol in range(6):
        data = pickle.dumps({"a": [1, 2, (3, OrderedDict(b=4))]}, protocol)
        assert sniff(data, "x") > 0.6
        assert sniff(zlib.compress(data), "x") > 0.6
    for text in (
        b"(c) 2026 by somebody\n",
        b"name,value\n1,2\n",
        b"I am here.\n",
        b"N.",
        b"",
        b"{}",
    ):
        assert sniff(text, "x.pkl") == 0.0

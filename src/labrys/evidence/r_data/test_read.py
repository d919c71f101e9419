"""What R saved is walked through to its end, and what it defers is found wherever it stands."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence.r_data.walk import Malformed, Walk

NIL, GLOBAL, UNBOUND = 254, 253, 252


def ints(*values, order=">"):
    return struct.pack(f"{order}{len(values)}i", *values)


def chars(text):
    return ints(9, len(text)) + text


def symbol(text):
    return ints(1) + chars(text)


def call(function, *arguments):
    return ints(6) + function + b"".join(ints(2) + each for each in arguments) + ints(NIL)


def promise(code):
    return ints(5 | 0x400, GLOBAL, UNBOUND) + code


def environment(*values):
    frame = b"".join(ints(0x402) + symbol(b"v") + each for each in values) + ints(NIL)
    return ints(4, 0, GLOBAL) + frame + ints(NIL, NIL)


def walked(item, head=None):
    data = (head or b"X\n" + ints(2, 0x040202, 0x020300)) + item
    walk = Walk(data)
    assert walk.all(0) == len(data)
    return walk


def test_a_promise_in_an_environment_is_one_of_r():
    walk = walked(environment(promise(call(symbol(b"stop")))))
    assert (walk.promises, walk.outside) == (1, 0)
    assert list(walk.deferred) == ["stop"]


def test_a_promise_in_a_list_was_put_there():
    walk = walked(ints(19, 2) + ints(NIL) + promise(call(symbol(b"print"))))
    assert (walk.promises, walk.outside) == (1, 1)


def test_a_name_reached_through_its_package():
    there = call(symbol(b"::"), symbol(b"base"), symbol(b"system"))
    assert list(walked(promise(call(there))).deferred) == ["::", "system"]


def test_a_name_by_reference():
    twice = ints(19, 2) + promise(call(symbol(b"system"))) + promise(call(ints(255 | 1 << 8)))
    assert list(walked(twice).deferred) == ["system"]


def test_the_byte_code_of_a_function():
    constants = ints(2) + ints(16) + ints(16, 1) + chars(b"a")
    constants += ints(6, NIL) + ints(1) + symbol(b"system") + ints(254, NIL)
    body = ints(21, 1) + ints(13, 1, 12) + constants
    # The constant's type stands before the item: its flags.
    walk = walked(ints(3 | 0x400, GLOBAL, NIL) + body)
    assert "system" in walk.carried


def test_version_3_and_the_other_order_of_bytes():
    head = b"B\n" + ints(3, 0x040202, 0x030500, 5, order="<") + b"UTF-8"
    walked(ints(13, 1, 7, order="<"), head)


def test_nesting_without_end_does_not_end_the_walk():
    walked(ints(19, 1) * 200_000 + ints(NIL))


@pytest.mark.parametrize("item", [ints(19, 1 << 30), ints(99), ints(16, 1), ints(14, -1, 1, 1)])
def test_what_cannot_be(item):
    with pytest.raises(Malformed):
        walked(item)


@given(st.binary(max_size=300))
def test_no_bytes_end_it_otherwise(data):
    walk = Walk(b"X\n" + ints(2, 0x040202, 0x020300) + data)
    try:
        walk.all(0)
    except Malformed:
        assert walk.at <= len(data) + 14

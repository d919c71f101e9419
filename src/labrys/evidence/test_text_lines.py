import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence import text_lines
from labrys.evidence.text_lines import decode, lines, wide


def read(raw, limit=1 << 20):
    return list(lines(io.BytesIO(raw), limit))


def test_lines_and_offsets():
    assert read(b"one\ntwo\r\n\nfour") == [
        (0, b"one", False),
        (4, b"two", False),
        (9, b"", False),
        (10, b"four", False),
    ]
    assert read(b"") == []
    assert read(b"one\n") == [(0, b"one", False)]
    assert read(b"a\0b\n") == [(0, b"a\0b", False)]


def test_byte_order_marks_are_not_text():
    assert read(b"\xef\xbb\xbfone\ntwo") == [(3, b"one", False), (7, b"two", False)]
    for codec, mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        raw = mark + "größe\r\nzwei".encode(codec)
        assert read(raw) == [(2, "größe".encode(), False), (16, b"zwei", False)]
        assert read(mark) == []


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_needs_no_mark(codec):
    raw = "größe of it\r\nzwei".encode(codec)
    assert read(raw) == [(0, "größe of it".encode(), False), (26, b"zwei", False)]
    assert wide(raw) == codec


@pytest.mark.parametrize(
    "head", [b"", b"\0" * 4000, b"a\0b", b"text of one byte\n" * 9, b"a\0b\0\0\0" * 90, bytes(99)]
)
def test_zeros_alone_make_no_utf_16(head):
    assert wide(head) is None


def test_a_long_line_is_cut_and_the_next_one_whole(monkeypatch):
    monkeypatch.setattr(text_lines, "_BLOCK", 64)
    raw = b"x" * 1000 + b"\nnext\n" + b"y" * 1000
    assert read(raw, 10) == [(0, b"x" * 10, True), (1001, b"next", False), (1006, b"y" * 10, True)]
    assert read(b"x" * 10 + b"\r\n" + b"x" * 11 + b"\n", 10) == [
        (0, b"x" * 10, False),
        (12, b"x" * 10, True),
    ]
    wide = b"\xff\xfe" + raw.decode().encode("utf-16-le")
    assert read(wide, 10) == [
        (2, b"x" * 10, True),
        (2004, b"next", False),
        (2014, b"y" * 10, True),
    ]


class Endless(io.RawIOBase):
    """A line of `size` bytes that exists nowhere."""

    def __init__(self, size):
        self.size = size

    def read(self, count=-1):
        made = min(count, self.size)
        self.size -= made
        return b"A" * made


def test_gigabytes_without_a_newline_need_no_memory():
    assert list(lines(Endless(2 << 30), 100)) == [(0, b"A" * 100, True)]


@given(st.binary(max_size=300), st.integers(1, 40), st.integers(1, 50))
def test_nothing_moves_whatever_the_blocks(raw, limit, block):
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or raw[:3] == b"\xef\xbb\xbf":
        raw = b"." + raw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "_BLOCK", max(block, 3))
        found = read(raw, limit)
    want, at = [], 0
    for line in raw.split(b"\n"):
        text = line[:-1] if line.endswith(b"\r") else line
        if at < len(raw):
            want.append((at, text[:limit], len(text) > limit))
        at += len(line) + 1
    assert found == want


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.integers(1, 50))
def test_utf_16_is_the_same_text(text, block):
    raw = b"\xff\xfe" + text.encode("utf-16-le")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "_BLOCK", max(block, 3))
        found = read(raw)
    whole = [line.removesuffix("\r") for line in text.split("\n")]
    assert [line.decode() for _, line, _ in found] == whole[: len(found)]
    assert whole[len(found) :] in ([], [""])
    for offset, line, _ in found:
        assert raw[offset:].startswith(line.decode().encode("utf-16-le"))


def test_decode():
    assert decode("grün".encode()) == "grün"
    assert decode("grün".encode("cp1252")) == "grün"
    assert decode(b"\x81\xff") == "\\x81ÿ"


def test_it_is_fast():
    raw = io.BytesIO((b"x" * 99 + b"\n") * 500_000)
    started = time.process_time()
    assert sum(1 for _ in lines(raw)) == 500_000
    assert time.process_time() - started < 2

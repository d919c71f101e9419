import io
import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labrys.evidence import json_stream
from labrys.evidence.json_stream import BadRecord, objects


class Trickle(io.BytesIO):
    """A stream that gives a few bytes at a time, so that every record crosses a block."""

    step = 7

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.step)


def cut(data: bytes) -> list[Any]:
    whole = [_plain(item) for item in objects(io.BytesIO(data))]
    assert [_plain(item) for item in objects(Trickle(data))] == whole
    return [value for _, value in whole]


def _plain(item: tuple[int, bytes | BadRecord]) -> tuple[int, Any]:
    offset, got = item
    return offset, got.reason if isinstance(got, BadRecord) else orjson.loads(got)


A, B = {"a": [{"b": 1}, {"c": "x}]{["}]}, {"b": {"c": 'é " \\'}, "d": None}


@pytest.mark.parametrize(
    "text",
    [
        "{A}\n{B}\n",
        "{A}\r\n\r\n{B}",
        "\n\n  {A}  \n\t{B}\n",
        "{A}{B}",
        "{A} {B},\n",
        "\x1e{A}\n\x1e{B}\n",
        "[{A},{B}]",
        "[\n{A},\n{B},\n]\n",
        "[{A}]\n[{B}]\n",
        '{"Records":[{A},{B}]}',
        '{"kind":"List","metadata":{},"items":[{A},\n{B}],"nextPageToken":"x"}',
        '{"@odata.context":"https://x/$metadata","value":[{A}]}\n{"value":[{B}]}',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le"])
def test_every_way_to_write_records_gives_the_same(text: str, encoding: str) -> None:
    if text[0] not in "{[" and encoding in ("utf-16-be", "utf-16-le"):
        pytest.skip("without a mark UTF-16 is only known by its first bracket")
    for indent in (None, 2):
        a, b = (json.dumps(value, ensure_ascii=False, indent=indent) for value in (A, B))
        written = text.replace("{A}", a).replace("{B}", b)
        assert cut(written.encode(encoding)) == [A, B]


def test_offsets_are_byte_positions() -> None:
    data = b'\xef\xbb\xbf{"a":1}\n \n[ {"b":"\xc3\xa9"}, {"c":3}]\noops\n{"d":4}'
    for stream in (io.BytesIO(data), Trickle(data)):
        for offset, value in objects(stream):
            raw = value.raw if isinstance(value, BadRecord) else value
            assert data[offset:].startswith(raw)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":1}\noops, {"x":2}\n{"b":2}\n', [{"a": 1}, "not a JSON object", {"b": 2}]),
        (b'1\n"x"\nnull\n', ["not a JSON object"] * 3),
        (b"[1,2,3]\n", ["not a JSON object"]),
        (b'[{"a":1}, 2, "}{", {"b":2}]', [{"a": 1}, "not a JSON object", "not a JSON object", {"b": 2}]),
        (b'{"a":1}\n{"b":', [{"a": 1}, "the text ends inside a record"]),
        (b'{"a":1}\n{"b":"x', [{"a": 1}, "the text ends inside a record"]),
        (b'[{"a":1},', [{"a": 1}, "the array of records never ends"]),
        (b'{"a": "x\n{"b":2}\n', ["a string never ends on its line", {"b": 2}]),
        (b'{"a":1,\n{"b":2}\n', ["a record begins inside another that never ends", {"b": 2}]),
        (b'{"a":[1,\n{"b":2}\n{"c":3}\n', ["a record begins inside another that never ends", {"b": 2}, {"c": 3}]),
        (b'{"a":1]}\n{"b":2}\n', ["brackets do not match", "not a JSON object", {"b": 2}]),
        (b'{"a" 1}\n{"b":2}\n', ["not well-formed JSON", {"b": 2}]),
        (b'{"a":1}}\n{"b":2}\n', [{"a": 1}, "not a JSON object", {"b": 2}]),
        (b"[[[{}]]]", [{}]),
        (b"", []),
        (b"\xff\xfe", []),
        (b" \n\n", []),
    ],
)  # fmt: skip
def test_a_damaged_record_costs_itself_only(data: bytes, expected: list[Any]) -> None:
    assert cut(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":"x\ty"}', {"a": "x\ty"}),
        (b'{"a":NaN,"b":-Infinity}', {"a": "NaN", "b": "-Infinity"}),
        (b'{"a":"\xff\xc3\xa9"}', {"a": "\\xffé"}),
        (b'{"a":"\\ud800!"}', {"a": "\\ud800!"}),
        (b'{"a": 1e999, "b": -1E0400}', {"a": "1e999", "b": "-1E0400"}),
        (b'{"a": 1' + b"0" * 250 + b'e60, "b": 2}', {"a": "1" + "0" * 250 + "e60", "b": 2}),
        (b'{"a": ' + b"9" * 400 + b"}", {"a": "9" * 400}),
    ],
)
def test_json_that_only_bends_the_rules_is_mended(data: bytes, expected: dict[str, Any]) -> None:
    assert cut(data + b"\n" + data) == [expected, expected]


def test_a_record_nested_too_deep_is_bad_and_the_next_is_read() -> None:
    for begin, end in ((b'{"a":', b"}"), (b"[", b"]")):
        for depth, good in ((150, True), (250, False), (100_000, False)):
            deep = b'{"x":' + begin * depth + b"1" + end * depth + b"}"
            found = list(objects(io.BytesIO(b'{"a":1}\n' + deep + b'\n{"b":2}\n')))
            assert [value for _, value in found if value == deep] == [deep] * good
            assert found[0][1] == b'{"a":1}'
            assert found[-1][1] == b'{"b":2}'
            assert len(found) < 6


def test_many_brackets_are_not_deep_ones() -> None:
    wide = {"a": [{"b": [1]}] * 500}
    assert cut(orjson.dumps(wide) + b"\n" + orjson.dumps(wide)) == [wide, wide]


def test_a_record_over_the_limit_is_bad_and_the_next_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_stream, "LIMIT", 10_000)
    monkeypatch.setattr(json_stream, "BLOCK", 1_000)
    for big in (b'{"x":"' + b'a\\"' * 9_000 + b'"}', b'{"x":[' + b'{"y":1},' * 9_000 + b"1]}"):
        for text in (b'{"a":1}\n' + big + b'\n{"b":2}', b'[{"a":1},' + big + b',{"b":2}]'):
            assert cut(text) == [{"a": 1}, "longer than 10000 bytes", {"b": 2}]


def test_memory_stays_bounded_on_endless_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "LIMIT", 10_000)

    class Endless(io.RawIOBase):
        left = 64

        def read(self, size: int = -1, /) -> bytes:
            self.left -= 1
            return self.text if self.left >= 0 else b""

    for text in (b"x" * 100_000, b'{"a":"' + b"y" * 100_000, b"[" * 100_000, b"{" * 100_000):
        stream = Endless()
        stream.text = text  # type: ignore[attr-defined]
        bad = [value for _, value in objects(stream)]  # type: ignore[arg-type]
        assert bad
        assert all(isinstance(value, BadRecord) and len(value.raw) <= 4096 for value in bad)


@pytest.mark.parametrize(
    "text", [b"{[\n", b'{"a":[\n', b'{"a":"', b"[{", b"{}\n{", b'{"a":1,\n', b"[[\n", b'"\n']
)
def test_hostile_repetition_takes_linear_time(text: bytes) -> None:
    begin = time.process_time()
    count = sum(1 for _ in objects(io.BytesIO(text * (2_000_000 // len(text)))))
    assert count > 0
    assert time.process_time() - begin < 10


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
RECORDS = st.lists(st.dictionaries(st.text(max_size=6), VALUES, max_size=4), max_size=5)


@given(RECORDS, st.sampled_from([None, 1]), st.sampled_from(["\n", "", " , "]), st.booleans())
def test_what_was_written_is_read(
    records: list[dict[str, Any]], indent: int | None, between: str, array: bool
) -> None:
    texts = [json.dumps(record, ensure_ascii=False, indent=indent) for record in records]
    if any(json_stream._ENVELOPE.match(text.encode()) for text in texts):
        return
    text = f"[{','.join(texts)}]" if array else between.join(texts)
    assert cut(text.encode("utf-8")) == (records if not array or records else [])


@given(st.data())
def test_any_damage_is_reported_not_raised(data: st.DataObject) -> None:
    text = bytearray(
        b'{"a":"b\\"","c":[1,{"d":2}]}\n[{"x":1},\n {"y":[]}]\n{"Records":[{"z":3}]}\n'
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    cut(bytes(text))


@given(st.binary(max_size=60) | st.text('{}[]",:\\ \n1a', max_size=60).map(str.encode))
def test_any_bytes_are_cut_alike_in_any_blocks(data: bytes) -> None:
    cut(data)

"""Tables of places, made by the test itself (MaxMind DB File Format 2.0: 24-bit records)."""

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labrys.errors import LabrysError
from labrys.lake.places import NOWHERE, Place, Places, opened

Made = Mapping[str, Any]
GERMAN: Made = {
    "country": {"iso_code": "DE", "names": {"en": "Germany"}},
    "continent": {"code": "EU"},
}
NETWORK: Made = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"}
META: Made = {
    "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1_700_000_000,
    "database_type": "Made", "description": {"en": "made for a test"}, "ip_version": 6,
    "languages": ["en"], "record_size": 24,
}  # fmt: skip


def coded(value: Any) -> bytes:
    """A value of the data section."""
    if isinstance(value, str):
        return _headed(2, len(value.encode())) + value.encode()
    if isinstance(value, Mapping):
        inner = b"".join(coded(key) + coded(each) for key, each in value.items())
        return _headed(7, len(value)) + inner
    if isinstance(value, list):
        return _headed(11, len(value)) + b"".join(map(coded, value))
    return _headed(9, 8) + int(value).to_bytes(8, "big")


def _headed(kind: int, size: int) -> bytes:
    told = (kind << 5 if kind < 8 else 0) | min(size, 29)
    more = bytes([kind - 7]) if kind > 7 else b""
    return bytes([told]) + more + (bytes([size - 29]) if size >= 29 else b"")


def mmdb(networks: Mapping[str, Made], **meta: Any) -> bytes:
    """A table: the search tree, the records, and what it says of itself."""
    nodes: list[list[Any]] = [[None, None]]
    for text, record in networks.items():
        made = ip_network(text)
        length = made.prefixlen + (96 if made.version == 4 else 0)
        bits = f"{int(made.network_address):0128b}"[:length]
        at = 0
        for bit in map(int, bits[:-1]):
            if not isinstance(nodes[at][bit], int):
                nodes.append([None, None])
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
        nodes[at][int(bits[-1])] = coded(record)
    data, tree = b"", b""
    for side in (side for node in nodes for side in node):
        number = len(nodes) if side is None else side
        if isinstance(side, bytes):
            number = len(nodes) + 16 + len(data)
            data += side
        tree += number.to_bytes(3, "big")
    said = coded({**META, "node_count": len(nodes), **meta})
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + said


Table = Callable[..., Places]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Opens tables of these contents."""

    def made(*contents: bytes) -> Places:
        files = [tmp_path / f"{number}.mmdb" for number in range(len(contents))]
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
        return opened([str(file) for file in files])

    return made


def test_tables_are_read_together(table: Table) -> None:
    places = table(
        mmdb({"203.0.113.0/24": GERMAN, "2001:db8::/32": GERMAN}),
        mmdb({"203.0.112.0/20": NETWORK}),
    )
    whole = Place("DE", 64500, "Example Net")
    assert places.of("203.0.113.9") == whole
    assert str(whole) == "DE, AS64500 Example Net"
    assert places.of("203.0.112.9") == Place(asn=64500, as_name="Example Net")
    assert places.of("2001:db8::7") == Place("DE")
    assert [places.of(text) for text in ("10.0.0.1", "::1", "", "host", "1.2.3")] == [NOWHERE] * 5
    assert places.table(["10.0.0.1", "203.0.113.9"]).to_pylist() == [
        {"ip": "203.0.113.9", "country": "DE", "asn": 64500, "as_name": "Example Net"}
    ]


def test_the_digest_is_of_the_content(table: Table) -> None:
    one, other = mmdb({"203.0.113.0/24": GERMAN}), mmdb({"203.0.113.0/24": NETWORK})
    assert table(one).digest == table(one).digest != table(other).digest
    assert not opened([])
    assert opened([]).digest == ""


@pytest.mark.parametrize(
    ("record", "place"),
    [
        ({"country": "Germany", "country_code": "DE", "asn": "AS7", "as_name": "N"}, Place("DE", 7, "N")),
        ({"country": "DE", "asn": 7}, Place("DE", 7)),
        ({"country": {"iso_code": "\x1b["}, "asn": "AS99999999999"}, NOWHERE),
        ({"country": ["DE"], "autonomous_system_number": {"a": 1}}, NOWHERE),
        ({"autonomous_system_number": 9, "autonomous_system_organization": "x" * 250}, Place(asn=9, as_name="x" * 100)),
    ],
)  # fmt: skip
def test_dialects_and_nonsense(table: Table, record: Made, place: Place) -> None:
    assert table(mmdb({"203.0.113.0/24": record})).of("203.0.113.1") == place


def broken() -> Iterator[bytes]:
    whole = mmdb({"203.0.113.0/24": GERMAN})
    yield b""
    yield b"not a table" * 99
    yield whole[:-40]
    yield mmdb({"203.0.113.0/24": GERMAN}, record_size=7)
    yield mmdb({"203.0.113.0/24": GERMAN}, node_count=1 << 40)
    yield mmdb({"203.0.113.0/24": GERMAN}, node_count="many")


@pytest.mark.parametrize("content", list(broken()))
def test_what_is_no_table_is_refused_with_its_name(table: Table, content: bytes) -> None:
    with pytest.raises(LabrysError, match=r"0\.mmdb is no MaxMind DB file, or is damaged"):
        table(content)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    for name in (tmp_path / "none.mmdb", tmp_path):
        with pytest.raises(LabrysError, match="is not there, or no file"):
            opened([str(name)])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_table_is_refused_or_says_less(
    table: Table, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(mmdb({"203.0.113.0/24": GERMAN, "198.51.0.0/16": NETWORK}))
    for at, byte in changes:
        content[at % len(content)] = byte
    try:
        places = table(bytes(content))
    except LabrysError:
        return
    for address in ("203.0.113.9", "198.51.100.1", "2001:db8::1"):
        place = places.of(address)
        assert len(place.country) in (0, 2)
        assert place.asn is None or 0 < place.asn < 1 << 32


def test_a_record_costs_no_more_than_the_reader_allows(table: Table) -> None:
    # Each level holds the one below it twice: 2 ** 40 values, were they all made.
    deep = coded({"country": {"iso_code": "DE"}})
    places = table(fanned(deep, 40))
    with pytest.raises(RuntimeError, match="maximum number of values"):
        places.readers[0].get("203.0.113.9")
    assert places.of("203.0.113.9") == NOWHERE


def fanned(leaf: bytes, levels: int) -> bytes:
    """A table whose one record is lists of pointers to lists of pointers."""
    data, at = leaf, 0
    for _ in range(levels):
        here = len(data)
        data += _headed(11, 2) + 2 * (bytes([0x38]) + at.to_bytes(4, "big"))
        at = here
    whole = mmdb({"203.0.113.0/24": {"x": 1}})
    meta = whole.index(b"\xab\xcd\xefMaxMind.com")
    record = coded({"x": 1})
    tree = whole[: meta - len(record) - 16]
    pointer = (len(tree) // 6 + 16).to_bytes(3, "big")
    assert tree.count(pointer) == 1
    top = (len(tree) // 6 + 16 + at).to_bytes(3, "big")
    return tree.replace(pointer, top) + bytes(16) + data + whole[meta:]

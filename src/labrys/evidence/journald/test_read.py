import io
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.journald.export import Damaged, entries
from labrys.evidence.journald.read import read, sniff
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLES = ["journal.export", "journal.json"]


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


@pytest.mark.parametrize("name", SAMPLES)
def test_both_forms_say_the_same(name):
    found = {row.get("__CURSOR", ""): row for row in rows(HERE / "samples" / name)}
    login = found["s=a;i=1"]
    assert login["shape"] == "linux.sshd"
    assert (login["event"], login["user"], login["src_ip"]) == ("accepted", "alice", "192.0.2.7")
    assert (login["_time"], login["_host"]) == (1_709_528_767_123, "web1")
    assert (login["facility"], login["severity"]) == ("authpriv", "info")
    other = found["s=a;i=2"]
    assert other["message"] == other["MESSAGE"] == "first line\nsecond line"
    assert (other["TAG"], other["BINARY"]) == ("one\x1etwo", "\0ÿ\x01")
    (execve,) = [row for row in found.values() if row["shape"] == "linux.auditd"]
    assert execve["type"] == "SYSCALL\x1eEXECVE"
    assert (execve["CommandLine"], execve["SYSCALL"]) == ("id", "execve")
    assert found["s=a;i=5"]["shape"] == "linux.firewall"


@pytest.mark.parametrize("name", SAMPLES)
def test_sniff(name):
    assert sniff((HERE / "samples" / name).read_bytes(), "x") > 0.9


def test_sniff_leaves_the_others_alone():
    for other in (
        b"",
        b"{}",
        b'{"MESSAGE": "x"}\n',
        b"A=b\nC=d\n",
        b"Mar 27 13:06:56 h a: __REALTIME_TIMESTAMP=1\n",
        b"type=SYSCALL msg=audit(1.000:1): a=b\n",
    ):
        assert sniff(other, "journal") == 0
    assert sniff(b'\x1e{"__CURSOR": "x"}\n', "x") > 0.9


def taken(raw):
    return list(entries(io.BytesIO(raw), len(raw)))


def test_binary_fields():
    raw = b"A=1\nB\n" + struct.pack("<Q", 3) + b"\n\n\0\nC=2\n\n\nA=3\n"
    assert taken(raw) == [(0, {"A": b"1", "B": b"\n\n\0", "C": b"2"}), (24, {"A": b"3"})]


def test_lengths_that_lie():
    raw = b"A=1\nB\n" + struct.pack("<Q", 1 << 63) + b"\nC=2\n"
    found = taken(raw)
    assert isinstance(found[0][1], Damaged)
    assert found[-1][1] == {"A": b"1", "C": b"2"}
    assert taken(b"B\n") == [(0, Damaged("a binary field is longer than the journal", b"B"))]
    assert taken(b"B") == [(0, Damaged("the journal ends inside a field", b"B"))]


def test_bounds():
    long = b"A=" + b"x" * (3 << 20) + b"\nB=1\n\nC=2\n"
    (_, first), (at, second) = taken(long)
    assert (len(first["A"]), first["B"], second) == (1 << 20, b"1", {"C": b"2"})
    assert long[at:] == b"C=2\n"
    many = b"".join(b"F%d=x\n" % number for number in range(10_000))
    assert [len(entry) for _, entry in taken(many)] == [4096, 4096, 1808]


PIECES = st.sampled_from(
    [b"\n", b"\n\n", b"=", b"\0", b"\xff", b"A", b"{", b"}", b'"', b"[1, 2, 300]", b"MESSAGE\n", b"\x1e",
     struct.pack("<Q", 5), struct.pack("<Q", 1 << 40), b"__REALTIME_TIMESTAMP=x\n", b"null", b"\r"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 1800), PIECES), max_size=10))
def test_damage_never_fails(tmp_path_factory, name, edits):
    raw = (HERE / "samples" / name).read_bytes()
    for at, piece in edits:
        raw = raw[:at] + piece + raw[at:]
    path = tmp_path_factory.mktemp("journal") / name
    path.write_bytes(raw)
    assert rows(path) == rows(path)
    sniff(raw, name)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.binary(max_size=30), min_size=1),
        max_size=6,
    )
)  # fmt: skip
def test_what_was_exported_comes_back(wanted):
    raw = b""
    for entry in wanted:
        for name, value in entry.items():
            plain = value.isascii() and not any(byte < 32 for byte in value)
            if plain:
                raw += name.encode() + b"=" + value + b"\n"
            else:
                raw += name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
        raw += b"\n"
    assert [entry for _, entry in taken(raw)] == wanted

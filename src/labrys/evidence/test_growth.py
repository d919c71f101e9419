"""A file read in pieces, cut anywhere, gives the records that it gives as a whole."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import growth
from labrys.evidence.growth import Links, Piece, batches, grows, head_lines, named, part
from labrys.evidence.records import Source
from labrys.evidence.registry import Format, formats

HERE = Path(__file__).parent
MODIFIED = 1_796_000_000_000


def samples() -> list[tuple[Format, Path]]:
    """Every sample of a format that grows, which has lines to be cut between."""
    found = []
    for made in formats():
        if made.grows and made.module.startswith("labrys.evidence."):
            for path in sorted((HERE / made.module.split(".")[2] / "samples").iterdir()):
                if grows(made, path.read_bytes()[: 64 << 10]):
                    found.append((made, path))
    return found


SAMPLES = samples()


def rows(found) -> list[dict]:
    """Records without nulls, by id."""
    made = []
    for shape, batch in found:
        for row in pa.Table.from_batches([batch]).to_pylist():
            made.append({"shape": shape, **{k: v for k, v in row.items() if v is not None}})
    return sorted(made, key=lambda row: row["_id"])


def whole(chosen: Format, path: Path, content: bytes) -> list[dict]:
    source = growth._Shown(
        path, path.name, sha256(content).hexdigest(), len(content), MODIFIED, data=content
    )
    return rows(named(chosen.read(source), chosen, Links(BytesIO(content))))


def pieced(chosen: Format, path: Path, content: bytes, cuts: list[int]) -> list[dict]:
    """Read with what is there after each cut, as a watcher would."""
    found, start, number, link, head = [], 0, 0, b"", (0, 0)
    for end in [*sorted(cuts), len(content)]:
        last = "end" if end == len(content) else ""
        stream = BytesIO(content[:end])
        piece = Piece(start, end, number, link, head, chosen.id, last)
        made = part(stream, path.name, chosen, piece, MODIFIED)
        if made is None:
            continue
        links = Links(stream, start, link)
        got = list(batches(made, chosen, links, number))
        found += got
        number += sum(batch.num_rows for _, batch in got)
        start, link = made.end, links.at(made.end)
        head = made.head or head
    assert start == len(content)
    return rows(found)


def test_there_are_samples_of_every_format_that_grows() -> None:
    known = {made.id for made, _ in SAMPLES}
    assert {"syslog", "auditd", "zeek", "suricata", "ndjson", "web_access"} <= known
    assert {"text", "journald", "kubernetes_audit", "windows_json"} <= known


LIMITS = {
    "auditd/audit.log": "events that interleave over seconds are not joined across pieces",
    "aws_cloudtrail/lines.ndjson": "why a broken record is broken is told otherwise",
    "journald/journal.json": "audit records of one event are not joined across pieces",
    "ndjson/records.ndjson": "a record on several lines among others is cut in pieces",
    "syslog/auth.log": "a year that only a later line tells is not known before",
}
"""Samples made to be difficult, of which what is written on them is true."""


def each_sample() -> list[object]:
    made = []
    for chosen, path in SAMPLES:
        name = f"{chosen.id}/{path.name}"
        limit = [pytest.mark.xfail(strict=True, reason=LIMITS[name])] if name in LIMITS else []
        made.append(pytest.param(chosen, path, marks=limit, id=name))
    return made


@pytest.mark.parametrize(("chosen", "path"), each_sample())
def test_a_sample_cut_after_each_line_is_as_a_whole(chosen: Format, path: Path) -> None:
    content = path.read_bytes()
    expected = whole(chosen, path, content)
    ids = [row["_id"] for row in expected]
    assert len(set(ids)) == len(ids)
    cuts = [at + 1 for at, byte in enumerate(content) if byte == 0x0A]
    assert pieced(chosen, path, content, cuts) == expected


def log(number: int) -> bytes:
    return b"".join(
        b"Nov 17 10:%02d:%02d web sshd[%d]: Failed password for root from 203.0.113.%d port 22 ssh2%s\n"
        % (n // 60 % 60, n % 60, n, n % 200, b" " * (n % 7))
        for n in range(number)
    )


LONG = log(3000)
SYSLOG = next(made for made in formats() if made.id == "syslog")


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, len(LONG)), max_size=12))
def test_a_log_cut_anywhere_is_as_a_whole(cuts: list[int]) -> None:
    path = Path("auth.log")
    assert pieced(SYSLOG, path, LONG, cuts) == EXPECTED


EXPECTED = whole(SYSLOG, Path("auth.log"), LONG)


def test_the_beginning_of_a_log_has_the_ids_of_the_whole() -> None:
    some = whole(SYSLOG, Path("auth.log"), log(1000))
    assert some == [row for row in EXPECTED if row["_offset"] < len(log(1000))]


def test_logs_that_differ_have_other_ids_from_there_on() -> None:
    other = LONG.replace(b"sshd[7]", b"sshd[8]")
    ours, theirs = (
        {row["_id"] for row in whole(SYSLOG, Path("a"), each)} for each in (LONG, other)
    )
    shared = [row for row in EXPECTED if row["_id"] in theirs & ours]
    assert len(shared) == 7


def test_a_link_found_before_spares_the_way_from_the_beginning() -> None:
    for place in (0, 1, 1023, 1024, 262_143, 65_536, 65_537, 200_000, len(LONG)):
        first = Links(BytesIO(LONG))
        again = Links(BytesIO(LONG), place, first.at(place))
        assert again.at(len(LONG)) == first.at(len(LONG))
        assert again.upto(len(LONG)) == first.upto(len(LONG))


def test_what_was_read_before_is_found_by_its_content() -> None:
    stream, size = BytesIO(LONG), len(LONG)
    known = [
        growth.Known(end, Links(stream).upto(end), end) for end in (100, 70_000, 200_000, 10)
    ] + [growth.Known(5_000, sha256(LONG[:5_000]).hexdigest(), 5)]
    found = growth.begun(stream, Links(stream), size, known)
    assert found == max(known, key=lambda each: each.size)
    other = BytesIO(LONG[:6_000] + b"x" + LONG[6_001:])
    assert growth.begun(other, Links(other), size, known) == known[-1]
    assert growth.begun(other, Links(other), 200, known) == known[0]
    assert growth.begun(BytesIO(b"x" * size), Links(BytesIO(b"x" * size)), size, known) is None


def test_what_identifies_a_content_changes_with_each_byte() -> None:
    assert len({Links(BytesIO(LONG)).upto(end) for end in range(1000, 1100)}) == 100


@pytest.mark.parametrize(
    ("name", "head", "answer"),
    [
        ("ndjson", b'{"a": 1}\n', True),
        ("ndjson", b'{"a": 1', False),
        ("ndjson", b'{\n "a": 1}\n', False),
        ("ndjson", b'[{"a": 1}]\n', False),
        ("syslog", b"Nov 17 10:00:00 web a: b\n", True),
        ("syslog", "Nov 17 10:00:00 web a: b\n".encode("utf-16"), False),
        ("evtx", b"ElfFile\0", False),
    ],
)
def test_what_can_be_read_in_pieces(name: str, head: bytes, answer: bool) -> None:
    chosen = next(made for made in formats() if made.id == name)
    assert grows(chosen, head) is answer


def test_half_a_line_waits_and_a_giant_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    content = log(1)[:-1]
    assert part(BytesIO(content), "a", SYSLOG, Piece(0, len(content)), 0) is None
    made = part(BytesIO(content), "a", SYSLOG, Piece(0, len(content), last="end"), 0)
    assert made is not None
    assert made.end == len(content)
    monkeypatch.setattr(growth, "MOST", 40)
    made = part(BytesIO(content), "a", SYSLOG, Piece(0, len(content)), 0)
    assert made is not None
    assert made.end == 40


def test_header_lines_are_found_where_they_are() -> None:
    text = b"#a\n#fields\tx\n1\n2\n#b\n#fields\ty\n3\n"
    assert head_lines(b"#" + b"a" * 5000 + b"\n#b\nrow\n") == 5002 + 3
    assert growth.later_head(text, 100) == (100 + 17, 100 + 30)
    assert growth.later_head(b"1\n2\n", 0) is None


def test_a_source_in_memory_is_a_source() -> None:
    made = growth._Shown(Path("x"), "x", "0", 3, None, data=b"abc")
    assert isinstance(made, Source)
    assert made.open().read() == b"abc"

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.mail_tnef.read import read, sniff
from labrys.evidence.mail_tnef.samples import make
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "winmail.dat"


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


def test_the_sample_is_as_made() -> None:
    assert SAMPLE.read_bytes() == make.sample()


def test_the_message_says_who_sent_it_when() -> None:
    (mail,) = [row for row in rows(SAMPLE) if row["shape"] == "mail.message"]
    assert (mail["from_address"], mail["to"]) == ("ann@firm.example", "bob@corp.example")
    assert (mail["subject"], mail["_time"]) == ("An invoice", 1_772_600_767_000)
    names = {row.get("name") for row in rows(SAMPLE) if row["shape"] == "mail.attachment"}
    assert "invoice.exe" in names
    links = [row for row in rows(SAMPLE) if row["shape"] == "mail.link"]
    assert any("shop.example" in str(row) for row in links)


def test_it_leaves_others_alone() -> None:
    for head in (b"", b"\x78\x9f", b"\x78\x9f\x3e\x22\0\0\x09", b"x\x9cdeflated"):
        assert sniff(head, "winmail.dat") == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 900), st.binary(min_size=1, max_size=6)), max_size=6),
    st.integers(0, 900),
)
def test_no_damage_stops_it(changes: list[tuple[int, bytes]], cut: int) -> None:
    raw = bytearray(make.sample())
    for at, new in changes:
        raw[at % len(raw) : at % len(raw) + len(new)] = new
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some"
        path.write_bytes(bytes(raw[: len(raw) - cut % len(raw)]))
        found = rows(path)
        assert found == rows(path)
        assert [row["shape"] for row in found].count("mail.message") >= 1

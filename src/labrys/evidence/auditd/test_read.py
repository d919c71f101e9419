import hashlib
import lzma
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.auditd.join import Joiner
from labrys.evidence.auditd.names import syscall_name, type_name
from labrys.evidence.auditd.read import read, sniff
from labrys.evidence.auditd.record import decode, parse
from labrys.evidence.auditd.sockaddr import address
from labrys.evidence.records import Source
from labrys.evidence.testing import Row

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "audit.log"
SHARED = HERE.parents[4] / "shared" / "data" / "endpoint" / "benign_scraps" / "linux"


def source(path, raw=None):
    raw = path.read_bytes() if raw is None else raw
    return Source(path, path.name, hashlib.sha256(raw).hexdigest(), len(raw))


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


def test_what_an_execve_becomes():
    (row,) = [row for row in rows(SAMPLE) if row.get("comm") == "cat"]
    assert row["type"].split("\x1e") == [
        "SYSCALL", "EXECVE", "CWD", "PATH", "PATH", "PROCTITLE", "EOE"
    ]  # fmt: skip
    assert row["CommandLine"] == "cat /tmp/a b /etc/pa s CAFE"
    assert row["proctitle"] == "cat /tmp/a b"
    assert row["a0"].split("\x1e") == ["55d0", "cat"]
    assert row["key"].split("\x1e") == ["k1", "k2"]
    assert (row["SYSCALL"], row["syscall"]) == ("execve", "59")
    assert row["name"].split("\x1e") == ["cat", "/lib64/ld-linux-x86-64.so.2"]
    assert row["nametype"] == "NORMAL\x1eNORMAL"
    assert row["target_path"] == "/home/alice/cat"
    assert row["_time"] == 1_700_000_001_100


def test_sniff():
    assert sniff(SAMPLE.read_bytes(), "x") > 0.9
    assert sniff(b"type=SYSCALL and nothing else\n", "audit.log") == 0
    assert sniff(b"Jan  1 00:00:00 h audispd: type=SYSCALL msg=audit(1.000:1): a=b\n", "x") == 0
    assert sniff(b"", "audit.log") == 0


def test_only_what_must_be_encoded_is_decoded():
    assert decode("7375202D") == "su -"
    assert decode("62656566") == "62656566"  # would not have needed the encoding
    assert decode("(null)") == "(null)"
    assert decode("abcd") == "abcd"
    assert decode("FF41") == "\\xffA"
    made = parse('type=PATH msg=audit(1.000:1): name="20" inode=2020 dev=20:20 comm=2F7A20')
    assert (made.fields["inode"], made.fields["comm"], made.fields["name"]) == ("2020", "/z ", "20")


def test_quotes_and_words():
    line = "type=USER_AUTH msg=audit(1.000:1): user pid=3 msg='op=a b c acct=\"it's\" res=success'"
    made = parse(line)
    assert made.fields == {
        "text": "user", "pid": "3", "op": "a b c", "acct": "it's", "res": "success"
    }  # fmt: skip
    assert parse("type=X msg=audit(1.000:1): ").fields == {}
    assert parse('type=X msg=audit(1.000:1): addr=? acct="?" key=(null)').fields == {}
    assert parse("type=X msg=audit(1.000): a=b") is None
    made = parse("type=SYSCALL msg=audit(03/04/2024 05:06:07.008:9) : arch=x86_64 syscall=execve")
    assert (made.time, made.fields["syscall"]) == (1_709_528_767_008, "execve")


def test_addresses():
    assert address("020000357F000035") == {
        "saddr_fam": "inet", "saddr_ip": "127.0.0.53", "saddr_port": "53"
    }  # fmt: skip
    six = "0A000016" + "00" * 4 + "20010DB8" + "00" * 11 + "01" + "00" * 4
    assert address(six)["saddr_ip"] == "2001:db8::1"
    assert address("01002F6465762F6C6F6700")["saddr_path"] == "/dev/log"
    assert address("0100002F746D70")["saddr_path"] == "@/tmp"
    assert address("00020035C0000209")["saddr_ip"] == "192.0.2.9"
    assert address("zz") == address("02") == {}


def test_names():
    assert [type_name(it) for it in ("1300", "1327", "UNKNOWN[1334]", "1418", "CWD")] == [
        "SYSCALL", "PROCTITLE", "BPF", "MAC_CALIPSO_ADD", "CWD"
    ]  # fmt: skip
    assert type_name("9999") == "9999"
    assert syscall_name("c000003e", "175") == "init_module"
    assert syscall_name("c00000b7", "221") == "execve"
    assert syscall_name("40000003", "11") == "execve"
    assert syscall_name("c000003e", "9999") is syscall_name("x", "1") is None


def test_the_window_is_bounded():
    joiner = Joiner(window=4)
    done = []
    for serial in range(50):
        record = parse(f"type=SYSCALL msg=audit(1.000:{serial}): pid={serial}")
        done += joiner.add(record, serial)
    assert [event.offset for event in done] == list(range(46))
    assert [event.offset for event in joiner.rest()] == list(range(46, 50))
    joiner = Joiner()
    same = [parse(f"type=PATH msg=audit(1.000:1): name={n}") for n in range(2500)]
    parts = [event for n, record in enumerate(same) for event in joiner.add(record, n, 40)]
    assert [len(event.types) for event in parts + joiner.rest()] == [1000, 1000, 500]


def accounted(path):
    """How many lines the rows stand for."""
    return sum(
        1 if row["shape"] == "unparsed" else row["type"].count("\x1e") + 1 for row in rows(path)
    )


PIECES = st.sampled_from(
    [b"type=", b"PATH", b" msg=audit(", b"1.000:1", b"): ", b"\n", b"=", b'"', b"'", b" ", b"a0", b"{",
     b"\x1d", b"old ", b"op=", b"saddr=", b"FF", b"EXECVE", b"\x00", b"\xff", b"msg='"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4000), PIECES), max_size=12))
def test_damage_never_fails_and_loses_no_line(tmp_path_factory, edits):
    raw = SAMPLE.read_bytes()
    for at, piece in edits:
        raw = raw[:at] + piece + raw[at:]
    path = tmp_path_factory.mktemp("audit") / "audit.log"
    path.write_bytes(raw)
    assert rows(path) == rows(path)
    assert accounted(path) == sum(1 for line in raw.split(b"\n") if line.strip())


def test_hostile_fields_stay_few(tmp_path):
    path = tmp_path / "audit.log"
    path.write_text(
        "".join(f"type=X msg=audit(1.000:{n}): k{n}=v op={'x ' * 50}\n" for n in range(2000))
        + "type=X msg=audit(1.000:1): "
        + "a=b " * 100_000
    )
    (batch,) = [batch for shape, batch in read(source(path)) if shape == "linux.auditd"]
    assert batch.num_columns < 1100
    assert batch.num_rows == 2000


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("atomic__linux__defense_evasion__host__sh_binary_padding_dd.zip", "dd if=/dev/zero bs=1"),
        ("atomic__linux__discovery__host__sh_arp_cache.zip", "arp -a"),
    ],
)
def test_real_commands_are_whole(tmp_path, name, command):
    packed = SHARED.parents[1] / "mordor" / name
    if not packed.exists():
        pytest.skip(f"{packed} is absent")
    with zipfile.ZipFile(packed) as archive:
        raw = archive.read(archive.namelist()[0])
    path = tmp_path / "audit.log"
    path.write_bytes(raw)
    found = rows(path)
    assert accounted(path) == raw.count(b"\n")
    assert found[0]["CommandLine"].startswith(command)
    assert all(row["proctitle"] == row["CommandLine"] for row in found)
    assert all(row["SYSCALL"] == "execve" for row in found)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["aws_centos7_audit.log.xz", "ygh_centos6_audit.log.xz"])
def test_real_logs_are_read_whole(tmp_path, name):
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is absent")
    raw = lzma.decompress((SHARED / name).read_bytes())
    path = tmp_path / "audit.log"
    path.write_bytes(raw)
    assert sniff(raw[:65536], name) > 0.9
    assert accounted(path) == raw.count(b"\n")
    assert not [row for row in rows(path) if row["shape"] == "unparsed"]

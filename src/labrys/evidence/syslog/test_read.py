import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.syslog.plain import plain
from labrys.evidence.syslog.read import read, sniff
from labrys.evidence.testing import Row, source

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "auth.log"
SHARED = HERE.parents[4] / "shared" / "data" / "endpoint"
MODIFIED = 1_704_100_000_000  # 2024-01-01


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path, MODIFIED)


def test_what_the_lines_become():
    by_offset = sorted(rows(SAMPLE), key=lambda row: row["_offset"])
    first, again, *_ = by_offset
    assert (first["_time"], first["event"]) == (1_704_067_198_000, "failed")
    assert again["repeat"] == "4"
    assert {again[name] for name in ("program", "user", "src_ip")} == {"sshd", "root", "192.0.2.9"}
    shapes = [row["shape"] for row in by_offset]
    assert shapes.count("linux.auditd") == 2
    assert shapes.count("unparsed") == 1
    (execve,) = [row for row in by_offset if row.get("exe") == "/bin/dash"]
    assert (execve["CommandLine"], execve["_host"]) == ("sh -i", "web1")
    (event,) = [row for row in by_offset if row["shape"] == "linux.sysmon.1"]
    assert (event["_time"], event["_host"]) == (1_704_067_207_900, "web1.example")
    (more,) = [row for row in by_offset if row.get("continued")]
    assert (more["program"], more["message"]) == ("app", "    second line of it")


def test_sniff():
    assert sniff(SAMPLE.read_bytes(), "x") > 0.8
    assert sniff("Mar 27 13:06:56 h a: b\n".encode("utf-16"), "x") > 0.8
    assert sniff(b"\0" * 40 + b"Mar 27 13:06:56 h a: b\nMar 27 13:06:5", "x") > 0.8
    for other in (
        b"",
        b"Mar\nApr\n",
        b'{"a": 1}\n',
        b'192.0.2.1 - - [27/Mar/2023:13:06:56 +0000] "GET / HTTP/1.1" 200 1\n',
        b"2024-01-02 03:04:05,678 INFO  [main] org.example.App - started\n",
        b"2024-01-02T03:04:05Z INFO app: started\n",
        b"2024-01-02T03:04:05Z stdout F message: x\n",
        b"2024-01-02 03:04:05 GET /index.html - 80\n",
        b"#separator \\x09\n#path\tconn\n1\t2\n",
        b"type=SYSCALL msg=audit(1.000:1): a=b\n",
        b"Time,Host,Message\nMar 27 13:06:56,h,a: b\n",
    ):
        assert sniff(other, "syslog") == 0


def accounted(path):
    """How many lines the rows stand for: an audit event's for as many as it has records."""
    return sum(
        row["type"].count("\x1e") + 1 if row["shape"] == "linux.auditd" else 1 for row in rows(path)
    )


PIECES = st.sampled_from(
    [b"\n", b" ", b": ", b"<34>", b"[", b"]", b"Jan  1 00:00:00 ", b"2024-01-01T00:00:00Z ", b"\0",
     b"\xff", b"audit(1.000:1): ", b"type=1300 ", b"\r", b"message repeated 3 times: [ ", b"\x1e",
     b"1601-01-01T00:00:00Z h a: ", b"2100-02-29T99:00:00Z h a: ", b"Feb 29 00:00:00 h a: "]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2200), PIECES), max_size=12))
def test_damage_never_fails_and_loses_no_line(tmp_path_factory, edits):
    raw = SAMPLE.read_bytes()
    for at, piece in edits:
        raw = raw[:at] + piece + raw[at:]
    path = tmp_path_factory.mktemp("syslog") / "auth.log"
    path.write_bytes(raw)
    assert rows(path) == rows(path)
    assert accounted(path) == sum(1 for line in raw.split(b"\n") if line.strip(b"\0 \t\r"))
    sniff(raw, "x")


def test_hostile_names_stay_few(tmp_path):
    path = tmp_path / "log"
    path.write_text("".join(f'<1>1 - h a - - [x{n} k{n}="v"] m\n' for n in range(3000)))
    (batch,) = [batch for _, batch in read(source(path, MODIFIED))]
    assert batch.num_rows == 3000
    assert batch.num_columns < 1100


def test_hostile_lengths_are_cut(tmp_path):
    path = tmp_path / "log"
    path.write_text("Mar 27 13:06:56 h a: " + "A" * (3 << 20) + "\nMar 27 13:06:57 h a: b\n")
    long, last = rows(path)
    assert (long["cut"], last["message"]) == ("true", "b")
    assert len(long["message"]) < 1 << 20


def test_a_web_server_may_log_to_syslog(tmp_path):
    path = tmp_path / "log"
    path.write_text(
        "Mar 27 13:06:57 h nginx: 192.0.2.1 - - [27/Mar/2023:13:06:56 +0000]"
        ' "GET /a?b HTTP/1.1" 200 5 "-" "x"\nMar 27 13:06:57 h nginx: started\n'
    )
    request, plain = rows(path)
    assert (request["shape"], request["cs-uri-stem"], request["_host"]) == ("web.access", "/a", "h")
    assert (plain["shape"], plain["message"]) == ("linux.syslog", "started")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("linux/elastic_auth.log.gz", "linux.sshd"),
        ("linux/loghub_OpenSSH_2k.log.gz", "linux.sshd"),
        ("benign_scraps/linux/aws_centos7_secure.log.xz", "linux.sudo"),
        ("benign_scraps/linux/ygh_centos6_secure.log.xz", "linux.su"),
        ("benign_scraps/linux/ygh_centos6_cron.log.xz", "linux.cron"),
    ],
)
def test_real_logs_are_read_whole(tmp_path, name, shape):
    packed = SHARED / name
    if not packed.exists():
        pytest.skip(f"{packed} is absent")
    unpack = lzma.decompress if name.endswith("xz") else gzip.decompress
    raw = unpack(packed.read_bytes())
    path = tmp_path / "log"
    path.write_bytes(raw)
    assert sniff(raw[:65536], name) > 0.8
    found = rows(path)
    assert len(found) == len([line for line in raw.split(b"\n") if line.strip()])
    assert not [row for row in found if row["shape"] == "unparsed"]
    ours = [row for row in found if row["shape"] == shape]
    assert sum("event" in row for row in ours) > 0.95 * len(ours)


def test_a_log_with_many_lines_of_long_messages_is_still_a_syslog():
    head = "Mar 27 13:06:56 h app: a\n"
    assert sniff((head * 6 + "its second line\n" * 4).encode(), "x") == 0.5
    assert sniff((head * 4 + "its second line\n" * 6).encode(), "x") == 0


@pytest.mark.parametrize(
    "month", ["août", "Aug", "ago", "aug.", "авг", "sie", "\x1b[0m\x1b[32mAug", "AOÛT"]
)
def test_months_of_other_languages_and_colours(month, tmp_path):
    path = tmp_path / "journal.txt"
    path.write_text(f"{month} 19 11:08:37 h sshd[1]: Accepted password for a from 192.0.2.1 port 1 ssh2\n" * 2)  # fmt: skip
    assert sniff(path.read_bytes(), "x") == 0.9
    first, second = rows(path)
    assert first["_time"] == 1_692_443_317_000
    assert (first["shape"], first["user"], second["_offset"]) == (
        "linux.sshd",
        "a",
        path.stat().st_size // 2,
    )


def test_a_word_that_is_no_month_stays():
    for line in (b"mars 2020 was cold", b"out 12 of 13", b"", b"set", b"h\xc3", b"\x1b[0m"):
        assert plain(line) == (b"" if line == b"\x1b[0m" else line)


def test_lines_of_the_audit_log_among_those_of_syslog(tmp_path):
    path = tmp_path / "both.log"
    audit = "type=SYSCALL msg=audit(1794906310.000:109): syscall=59 pid=1109\n"
    path.write_text(f"Mar 27 13:06:56 h a: b\n{audit}{audit.replace('109', '110')}Mar 27 13:06:57 h a: c\n")  # fmt: skip
    shapes = [row["shape"] for row in rows(path)]
    assert sorted(shapes) == ["linux.auditd", "linux.auditd", "linux.syslog", "linux.syslog"]

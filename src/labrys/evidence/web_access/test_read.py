from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labrys.evidence import testing
from labrys.evidence.testing import Row
from labrys.evidence.web_access.read import read, sniff

HERE = Path(__file__).parent
SAMPLES = ["access.log", "iis.log", "proxies.log", "access.json", "cloudfront.log", "clouds.json"]


def rows(path: Path) -> list[Row]:
    return testing.rows(read, path)


@pytest.mark.parametrize("name", SAMPLES)
def test_sniff(name):
    raw = (HERE / "samples" / name).read_bytes()
    assert sniff(raw, "x") > 0.8
    assert sniff(raw[: raw.index(b"\n", raw.index(b"\n") * 2) + 1], "x") >= 0


def test_sniff_leaves_the_others_alone():
    for other in (
        b"",
        b"{}",
        b"[",
        b'{"a": 1}\n',
        b'{"eventTime": "x", "status": 200, "sourceIPAddress": "192.0.2.1"}\n',
        b'{"event_type":"http","src_ip":"192.0.2.1","http":{"hostname":"h","url":"/","status":200}}\n',
        b"#Fields: date time action protocol src-ip dst-ip\n2024-01-01 00:00:00 DROP TCP a b\n",
        b"#separator \\x09\n#fields\tts\tuid\n#types\ttime\tstring\n1\tC\n",
        b"Mar 27 13:06:56 h nginx: 192.0.2.1 - - [27/Mar/2023:13:06:56 +0000]"
        b' "GET / HTTP/1.1" 200 1\n',
        b"a,b,c\n1,2,3\n",
        b"type=SYSCALL msg=audit(1.000:1): a=b\n",
    ):
        assert sniff(other, "access.log") == 0


def test_iis_columns():
    first, second, third = [row for row in rows(HERE / "samples" / "iis.log") if "c-ip" in row]
    assert first["cs-uri"] == "/owa/auth.aspx?a=1&b=2"
    assert first["cs-user-agent"] == "Mozilla/5.0 (Windows NT 10.0)"
    assert (first["_time"], first["_host"]) == (1_709_528_768_000, "WEB01")
    assert "cs-uri-query" not in second
    assert third["_time"] == 1_709_528_771_000
    assert (third["cs-uri-stem"], third["cs-uri-query"]) == ("/y", "z=1")


def test_json_columns():
    found = rows(HERE / "samples" / "access.json")
    assert [row["cs-uri"] for row in found if "cs-uri" in row] == ["/a?b=1", "/p?q", "/t", "/r?s"]
    assert [row["c-ip"] for row in found if "c-ip" in row] == [
        "192.0.2.7", "192.0.2.8", "192.0.2.9", "192.0.2.10"
    ]  # fmt: skip
    assert found[1]["cs-user-agent"] == "curl/8.1"
    assert found[1]["_time"] == 1_709_528_768_250
    assert found[3]["_host"] == "web2"
    assert [row["shape"] for row in found[4:]] == ["json.record", "unparsed"]


@pytest.mark.shared
def test_a_real_log_is_read_whole(tmp_path):
    packed = HERE.parents[4] / "shared/data/privacy/web/elastic_apache_access.log.zst"
    if not packed.exists():
        pytest.skip(f"{packed} is absent")
    raw = pa.input_stream(str(packed), compression="zstd").read()
    path = tmp_path / "access.log"
    path.write_bytes(raw)
    assert sniff(raw[:65536], "access.log") > 0.8
    found = rows(path)
    assert len(found) == raw.count(b"\n")
    assert {row["shape"] for row in found} == {"web.access"}
    assert sum("cs-method" in row and "_time" in row for row in found) == len(found)


PIECES = st.sampled_from(
    [b"\n", b" ", b'"', b"[", b"]", b"\\", b"\t", b"#Fields: time c-ip cs-method\n", b"#", b"\0",
     b"\xff", b"{", b"}", b"\x1e", b"-", b"04/Mar/2024:05:06:07 +0000", b"\r", b"200 1", b"1e999"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(0, 1500), PIECES), max_size=10))
def test_damage_never_fails_and_loses_no_line(tmp_path_factory, name, edits):
    raw = (HERE / "samples" / name).read_bytes()
    for at, piece in edits:
        raw = raw[:at] + piece + raw[at:]
    path = tmp_path_factory.mktemp("web") / name
    path.write_bytes(raw)
    found = rows(path)
    assert found == rows(path)
    sniff(raw, name)
    if raw[:1] not in b"{[" and raw[:8].strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe")[:1] not in b"{[":
        lines = [line.strip(b"\0") for line in raw.split(b"\n")]
        want = [line for line in lines if line.strip(b" \t\r\x1e\0") and line[:1] != b"#"]
        assert len(found) == len(want)


def test_columns_a_hostile_header_asks_for(tmp_path):
    path = tmp_path / "x.log"
    many = " ".join(f"f{n}" for n in range(5000))
    path.write_text(f"#Fields: cs-method sc-status {many}\nGET 200 {many}\n" * 3)
    assert {row["shape"] for row in rows(path)} == {"unparsed"}


def test_requests_that_clouds_log():
    (edge,) = rows(HERE / "samples" / "cloudfront.log")
    assert edge["cs-user-agent"] == "Mozilla/5.0 (compatible; Thing/1.0)"
    assert edge["cs-host"] == "d111111abcdef8.cloudfront.net"
    assert edge["_time"] == 1_772_600_767_000
    front, flare, google, azure = rows(HERE / "samples" / "clouds.json")
    assert (front["cs-uri"], front["_time"]) == ("/view/my/file.html?a=1", 1_772_600_767_000)
    assert front["cs-user-agent"] == "curl 8"
    assert (flare["c-ip"], flare["cs-uri"], flare["sc-status"]) == ("192.0.2.7", "/a?b=1", "404")
    # A path and a host, for a whole address is what a proxy is told by.
    assert (google["cs-uri"], google["cs-host"]) == ("/admin?x=1", "shop.example.com")
    assert (azure["cs-uri"], azure["c-ip"]) == ("/login?a=1", "192.0.2.9")


def test_proxies_tell_of_requests_too() -> None:
    first, broken, through, tunnel = rows(HERE / "samples" / "proxies.log")
    assert (first["c-ip"], first["cs-uri-stem"], first["sc-status"]) == (
        "203.0.113.9",
        "/wp-login.php",
        "200",
    )
    assert (first["_time"], first["c-port"]) == (1_772_600_767_100, "50000")
    assert (broken["c-ip"], broken["request"]) == ("2001:db8::9", "<BADREQ>")
    assert (through["cs-host"], through["cs-username"], through["r-ip"]) == (
        "shop.example",
        "anna",
        "203.0.113.9",
    )
    assert (tunnel["cs-host"], tunnel["s-action"]) == ("evil.example", "TCP_DENIED")
    assert "r-ip" not in tunnel

"""What argus and tshark make of the same captures, where they are installed."""

import shutil
import subprocess
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from labrys.evidence.pcap.samples import make
from labrys.evidence.pcap.test_read import rows_of

SHARED = Path(__file__).parents[5] / "shared" / "data" / "network"


def made(folder: Path) -> Path:
    """A capture of many connections, names and pages, in the order of time."""
    packets = make.office()
    for n in range(60):
        request = b"GET /page/%d HTTP/1.1\r\nHost: h%d.example\r\n\r\n" % (n, n)
        response = b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3_000
        begin = make.BEGIN + n * 10**7
        packets += make.connection(request, response, 80, source=20_000 + n, begin=begin)
        asked = make.record(22, make.client_hello(f"t{n}.example")) + make.record(20, b"\1")
        said = make.record(22, make.server_hello()) + make.record(20, b"\1")
        packets += make.connection(asked, said, 443, source=30_000 + n, begin=begin + 500)
        query = make.udp(40_000 + n, 53, make.question(n, f"q{n}.example"))
        packets.append((begin + 700, make.ethernet(make.ip(make.CLIENT, make.RESOLVER, 17, query))))
    path = folder / "made.pcap"
    path.write_bytes(make.pcap(sorted(packets)))
    return path


def of(rows: list[dict[str, Any]], shape: str, *names: str) -> Counter[tuple[str, ...]]:
    picked = [tuple(row.get(name, "") for name in names) for row in rows if row["shape"] == shape]
    return Counter(one for one in picked if all(one))


def tshark(path: Path, wanted: str, *fields: str) -> Counter[tuple[str, ...]]:
    command = ["tshark", "-r", str(path), "-Y", wanted, "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Counter(tuple(line.split("\t")) for line in done.stdout.splitlines() if line.strip())


def conversations(path: Path, protocol: str) -> int:
    command = ["tshark", "-r", str(path), "-q", "-z", f"conv,{protocol}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return sum("<->" in line for line in done.stdout.splitlines())


needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
needs_argus = pytest.mark.skipif(
    shutil.which("argus") is None or shutil.which("racluster") is None,
    reason="argus is not installed",
)


@needs_tshark
def test_flows_and_fields_are_those_of_tshark(tmp_path: Path) -> None:
    path = made(tmp_path)
    rows = rows_of(path)
    flows = Counter(row["proto"] for row in rows if row["shape"] == "net.flow")
    assert flows["tcp"] == conversations(path, "tcp")
    assert flows["udp"] == conversations(path, "udp")
    hello = "tls.handshake.type==1"
    names = ("tls.handshake.extensions_server_name", "tls.handshake.ja3")
    assert of(rows, "net.tls", "server_name", "ja3") == tshark(path, hello, *names)
    served = tshark(path, "tls.handshake.type==2", "tls.handshake.ja3s")
    assert of(rows, "net.tls", "ja3s") == served
    asked = tshark(
        path, "http.request", "http.request.method", "http.request.uri", "http.user_agent"
    )
    assert of(rows, "net.http", "method", "uri") == Counter(
        {(method, uri): count for (method, uri, *_), count in asked.items()}
    )
    queries = tshark(path, "dns.flags.response==0", "dns.qry.name")
    assert of(rows, "net.dns", "query") == queries


@needs_argus
def test_flows_are_those_of_argus(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert argus(path, tmp_path) == ours(rows_of(path))


def argus(path: Path, folder: Path) -> Counter[tuple[str, ...]]:
    """Flows by protocol and ends, those of one key together, in either direction."""
    out = folder / "flows.argus"
    out.unlink(missing_ok=True)
    subprocess.run(["argus", "-r", str(path), "-w", str(out)], capture_output=True, check=True)
    columns = ["proto", "saddr", "sport", "daddr", "dport", "pkts"]
    command = ["racluster", "-r", str(out), "-n", "-c,", "-s", *columns, "-", "tcp or udp"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.split(",") for line in done.stdout.splitlines()[1:]]
    return _summed((line[0], line[1:3], line[3:5], line[5]) for line in lines)


def ours(rows: list[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    return _summed(
        (
            row["proto"],
            [row["id.orig_h"], row["id.orig_p"]],
            [row["id.resp_h"], row["id.resp_p"]],
            str(int(row["orig_pkts"]) + int(row["resp_pkts"])),
        )
        for row in rows
        if row["shape"] == "net.flow" and row["proto"] in ("tcp", "udp")
    )


def _summed(flows: Any) -> Counter[tuple[str, ...]]:
    made: Counter[tuple[str, ...]] = Counter()
    for protocol, one, other, packets in flows:
        made[protocol, *sorted(map(":".join, (one, other)))] += int(packets)
    return made


@pytest.mark.shared
@needs_argus
def test_real_captures_have_the_flows_that_argus_finds(tmp_path: Path) -> None:
    archive = SHARED / "mta_pcaps_snap256.zip"
    if not archive.is_file():
        pytest.skip(f"{archive} is not there")
    with zipfile.ZipFile(archive) as opened:
        for info in sorted(opened.infolist(), key=lambda info: info.file_size)[::25]:
            path = tmp_path / "one.pcap"
            path.write_bytes(opened.read(info))
            assert argus(path, tmp_path) == ours(rows_of(path))

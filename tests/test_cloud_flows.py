"""Flow logs of a cloud from end to end: detectors of network behaviour find in them what they find
in captures, though each record goes one way and answers are records of their own."""

import csv
import gzip
import io
import random
from collections.abc import Iterator
from pathlib import Path

from command import labrys

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
    "end action log-status\n"
)
START = 1_772_409_600
DAY = 86_400


def record(
    at: float, src: str, dst: str, ports: tuple[int, int], size: int, packets: int, action: str
) -> tuple[int, str]:
    begun = int(START + at)
    line = (
        f"2 111122223333 eni-0a1b2c3d4e5f60718 {src} {dst} {ports[0]} {ports[1]} 6 {packets} {size}"
    )
    return begun, f"{line} {begun} {begun + 10} {action} OK\n"


def spoken(
    at: float, src: str, dst: str, ports: tuple[int, int], sizes: tuple[int, int] = (800, 3_000)
) -> Iterator[tuple[int, str]]:
    """What was sent, and what came back."""
    for end, other, way, size in (
        (src, dst, ports, sizes[0]),
        (dst, src, (ports[1], ports[0]), sizes[1]),
    ):
        yield record(at, end, other, way, size, 8 + size // 1_400, "ACCEPT")


def traffic() -> Iterator[tuple[int, str]]:
    """Four days of twelve hosts, and on the last of them: a beacon, an upload, three sweeps."""
    chance = random.Random(7)
    hosts = [f"10.0.1.{number}" for number in range(10, 22)]
    for day in range(4):
        for host in hosts:
            for _ in range(40):
                at = day * DAY + chance.uniform(28_800, 64_800)
                there = f"203.0.113.{chance.randrange(1, 60)}"
                sizes = (chance.randrange(500, 4_000), chance.randrange(1_000, 90_000))
                yield from spoken(at, host, there, (chance.randrange(32_768, 61_000), 443), sizes)
    last = 3.0 * DAY
    at = 2.0 * DAY
    while at < 4 * DAY:
        ports = (chance.randrange(32_768, 61_000), 443)
        yield from spoken(at, "10.0.1.11", "198.51.100.77", ports, (620, 700))
        at += 300 * chance.uniform(0.8, 1.2)
    for number in range(10):
        at = last + 7_200 + number * 60
        big = (80_000_000, 200_000)
        yield from spoken(at, "10.0.1.12", "198.51.100.88", (40_000 + number, 443), big)
    for number in range(200):
        away = f"10.0.2.{number + 1}"
        ports = (50_000 + number, 445)
        yield record(last + 20_000 + number, "10.0.1.13", away, ports, 40, 1, "REJECT")
    for number in range(120):  # let through by the network, and reset by the hosts
        away = f"10.0.4.{number + 1}"
        at, ports = last + 30_000 + number, (50_000 + number, 22)
        yield record(at, "10.0.1.15", away, ports, 60, 1, "ACCEPT")
        yield record(at, away, "10.0.1.15", (22, ports[0]), 40, 1, "ACCEPT")
    for number in range(8):
        at, away = last + 40_000 + number * 200, f"10.0.5.{number + 1}"
        yield from spoken(at, "10.0.1.14", away, (51_000 + number, 3_389), (90_000, 400_000))


def test_detectors_find_in_flow_logs_of_a_cloud(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    lines = [line for _, line in sorted(traffic())]
    (evidence / "flows.log.gz").write_bytes(gzip.compress((HEADER + "".join(lines)).encode()))
    report = tmp_path / "report.csv"
    done = labrys(
        *("scan", evidence, "--lake", tmp_path / "case", "--quiet"),
        *("--format", "csv", "--out", report),
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    rows = csv.DictReader(io.StringIO(report.read_text("utf-8")))
    found = {(row["detector"], row["addresses"].split("; ")[0]) for row in rows}
    wanted = {
        ("beacon", "10.0.1.11"),
        ("exfil", "10.0.1.12"),
        ("scan", "10.0.1.13"),
        ("lateral", "10.0.1.14"),
        ("scan", "10.0.1.15"),
    }
    assert wanted <= found, found
    # Nobody who only answers is accused.
    assert not {address for _, address in found if address.startswith(("10.0.2.", "10.0.4."))}

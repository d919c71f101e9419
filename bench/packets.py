"""Packet captures to flows and to protocol records: packets per CPU second, beside argus.

Real packets: the captures in ../shared/data/network (69 of infections, cut to 256 bytes a packet,
and those of two other collections, whole), one after the other, several times, each time later than
the last so that no flow goes on. Made ones: IPv4 and IPv6, fragments, VLANs and tunnels, drawn at
random. Three rounds, the middle one counts. Argus makes flows only, and does not look into VXLAN and
some other tunnels, where it counts the outer ends.
"""

import json
import random
import re
import struct
import subprocess
import zipfile
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.child import Laps
from bench.data import Skipped, peer, workspace
from bench.measure import REPO, child, command
from bench.table import LABRYS, Row

NETWORK: Final = REPO.parent / "shared" / "data" / "network"
ARCHIVES: Final = ("mta_pcaps_snap256", "slips_datasets", "pcap_attack")
PACKETS: Final = 1_200_000
ROUNDS: Final = 3
_HEADER: Final = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
_LATER: Final = 40_000_000
"""Seconds between copies: more than a year, no capture is that long."""


def run(*, quick: bool) -> list[Row]:
    """All rows."""
    wanted = PACKETS // 20 if quick else PACKETS
    with workspace() as folder:
        rows: list[Row] = []
        for name, make in (("real packets", real), ("made packets", made)):
            path = folder / f"{name.split()[0]}.pcap"
            try:
                packets = make(path, wanted)
            except Skipped as reason:
                rows.append(Row(name, LABRYS, note=f"skipped: {reason}"))
                continue
            rows += _measured(name, path, packets, folder)
        return rows


def _measured(name: str, path: Path, packets: int, folder: Path) -> Iterator[Row]:
    rounds: dict[str, list[float]] = {}
    said: dict[str, Any] = {}
    peaks: dict[str, float] = {}
    for _ in range(ROUNDS):
        for work in ("flows", "all"):
            cost, said[work] = child("packets.read", path=path, work=work)
            rounds.setdefault(work, []).append(said[work]["cpu"])
            peaks[work] = max(peaks.get(work, 0.0), cost.peak)
        rounds.setdefault("argus", []).append(_argus(path, folder))
    equal, note = _compared(said["flows"], folder)
    flows, everything = median(rounds["flows"]), median(rounds["all"])
    size = f"{path.stat().st_size / 1e6:,.0f} MB, {said['flows']['rows']['net.flow']:,} flows; "
    yield Row(
        f"{name}: to flows", LABRYS, flows, packets, 1.0, peaks["flows"], equal=equal,
        note=size + note + "; start-up of Python not counted",
    )  # fmt: skip
    shapes = sorted(said["all"]["rows"].items())
    counted = ", ".join(f"{count:,} {shape}" for shape, count in shapes)
    yield Row(
        f"{name}: to flows and records", LABRYS, everything, packets, None, peaks["all"],
        note=f"{counted}; payloads alone {everything - flows:.2f} CPU s",
    )  # fmt: skip
    if median(rounds["argus"]):
        argus = median(rounds["argus"])
        yield Row(f"{name}: to flows", "argus", argus, packets, argus / flows)


def _argus(path: Path, folder: Path) -> float:
    """CPU seconds of argus; 0 where it is not installed."""
    try:
        program = peer("LABRYS_BENCH_ARGUS", "argus")
    except Skipped:
        return 0.0
    out = folder / "flows.argus"
    out.unlink(missing_ok=True)
    return command([program, "-r", path, "-w", out]).cpu


def _compared(ours: dict[str, Any], folder: Path) -> tuple[str, str]:
    """Whether argus saw the same ends with as many packets, in TCP and UDP."""
    out = folder / "flows.argus"
    if not out.is_file():
        return "-", "argus is not installed"
    columns = ["proto", "saddr", "sport", "daddr", "dport", "pkts"]
    command = ["ra", "-r", str(out), "-n", "-c,", "-s", *columns, "-", "tcp or udp"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs: Counter[str] = Counter()
    for line in done.stdout.splitlines():
        protocol, *ends, packets = line.split(",")
        if re.fullmatch("tcp|udp", protocol) and packets.isdigit():
            theirs[" ".join((protocol, *sorted((":".join(ends[:2]), ":".join(ends[2:])))))] += int(
                packets
            )
    mine = Counter(ours["ends"])
    same = sum((mine & theirs).values())
    total = max(sum(mine.values()), sum(theirs.values()))
    note = f"of {total:,} packets of TCP and UDP argus has {same:,} with the same ends"
    return ("yes" if mine == theirs else f"{same / total:.2%}"), note


def real(path: Path, wanted: int) -> int:
    """All Ethernet packets of the captures beside the checkout, in copies; how many."""
    from labrys.evidence.pcap import capture
    from labrys.evidence.pcap.tally import Tally

    frames: list[tuple[int, int, bytes]] = []
    for name in ARCHIVES:
        archive = NETWORK / f"{name}.zip"
        if not archive.is_file():
            raise Skipped(f"{archive.name} is not in ../shared/data/network beside the checkout")
        with zipfile.ZipFile(archive) as opened:
            for info in sorted(opened.infolist(), key=lambda info: info.filename):
                data = opened.read(info)
                if not capture.is_capture(data[:32]):
                    continue
                for block in capture.packets(BytesIO(data), Tally()):
                    spots = (block.time, block.length, block.start, block.end, block.link)
                    for time, length, begin, end, link in zip(*map(list, spots), strict=True):
                        if link == 1:
                            frames.append((int(time), int(length), block.raw[begin:end]))
    copies = -(-wanted // len(frames))
    return _write(
        path,
        (
            (time + n * _LATER * 10**9, length, data)
            for n in range(copies)
            for time, length, data in frames
        ),
    )


def made(path: Path, wanted: int) -> int:
    """Packets of the reference test's generator, 20,000 different ones; how many."""
    from labrys.evidence.pcap.samples import make
    from labrys.evidence.pcap.test_reference import packet

    chance = random.Random(1)
    frames = [packet(chance) for _ in range(19_000)]
    for number in range(500):
        whole = make.udp(4_000 + number, 5_000, bytes(64))
        for piece, data in ((0x2000, whole[:32]), (4, whole[32:])):
            frames.append(
                make.ethernet(
                    make.ip(make.CLIENT, make.SERVER, 17, data, number=number, piece=piece)
                )
            )
    chance.shuffle(frames)
    drawn = (
        (make.BEGIN + n * 50_000, len(frame), frame)
        for n in range(wanted)
        for frame in (frames[n % len(frames)],)
    )
    return _write(path, drawn)


def _write(path: Path, packets: Iterator[tuple[int, int, bytes]]) -> int:
    count = 0
    with path.open("wb") as out:
        out.write(_HEADER)
        for time, length, data in packets:
            seconds, part = divmod(time, 10**9)
            out.write(
                struct.pack("<IIII", seconds & 0xFFFFFFFF, part // 1000, len(data), length) + data
            )
            count += 1
    return count


# What follows runs in a process of its own.


def read(path: str, work: str) -> dict[str, Any]:
    """Read a capture to flows alone, or to all there is; CPU seconds, rows, packets by ends."""
    from labrys.evidence.pcap.read import read as whole
    from labrys.evidence.records import Source

    file = Path(path)
    source = Source(file, file.name, "00" * 32, file.stat().st_size)
    rows: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    laps = Laps()
    batches = _flows(source) if work == "flows" else whole(source)
    while True:
        with laps.lap("read"):
            found = next(batches, None)
        if found is None:
            break
        shape, batch = found
        rows[shape] += batch.num_rows
        if work == "flows" and shape == "net.flow":
            _count(batch, ends)
    return {"cpu": laps.cpu["read"], "rows": rows, "ends": ends}


def _flows(source: Any) -> Iterator[tuple[str, Any]]:
    """What the reader does, but for payloads."""
    from labrys.evidence.pcap import capture, net_flow
    from labrys.evidence.pcap.flows import Flows
    from labrys.evidence.pcap.fragments import Fragments
    from labrys.evidence.pcap.network import decode
    from labrys.evidence.pcap.tally import Tally
    from labrys.evidence.records import Records

    records, tally, flows, fragments = Records(source), Tally(), Flows(0), Fragments()
    with source.open() as stream:
        for packets in capture.packets(stream, tally):
            head = decode(packets, tally)
            fragments.resolve(head, tally)
            flows.add(head)
            net_flow.add(records, flows.closed(), "C")
            if records.full:
                yield from records.drain()
    flows.close()
    net_flow.add(records, flows.closed(), "C")
    yield from records.drain()


def _count(batch: Any, ends: Counter[str]) -> None:
    names = ("proto", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "orig_pkts", "resp_pkts")
    for protocol, here, port, there, other, sent, back in zip(
        *(batch.column(name).to_pylist() for name in names), strict=True
    ):
        if protocol in ("tcp", "udp"):
            key = " ".join((protocol, *sorted((f"{here}:{port}", f"{there}:{other}"))))
            ends[key] += int(sent) + int(back)


if __name__ == "__main__":
    print(json.dumps([row.as_dict() for row in run(quick=False)], indent=1))

"""How long after evidence is written `labrys watch` tells of it, and has written down a block.

Logs of several made-up hosts grow at a steady rate while each attack of a known kind is written
once. A finding's time is from the return of the write to its line on the watch's standard output.
"""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import orjson

from bench.data import workspace
from bench.measure import Failed
from bench.scanning import environment, program
from bench.table import LABRYS, Row

TARGET: Final = 1.0
_ATTACKS: Final = 60
_FIRST: Final = 200
_HOSTS: Final = 10
_RULE: Final = """
title: A word to wait for
id: 3a3e5b0e-6a8f-4a4e-9d4e-0a6c3e1f7b21
author: labrys
logsource: {product: linux, service: sshd}
detection:
  seen: {message|contains: 'Accepted password for intruder'}
  condition: seen
level: high
"""
_QUIET: Final = "%s host%d sshd[%d]: Connection closed by 198.51.100.%d port %d\n"
_ATTACK: Final = (
    "%s host%d sshd[%d]: Accepted password for intruder from 203.0.113.%d port 4000 ssh2\n"
)


@dataclass
class Heard:
    """When the watch told of which attack, by its number, and of which block."""

    findings: dict[int, float] = field(default_factory=dict)
    blocks: dict[int, float] = field(default_factory=dict)


def run(*, quick: bool) -> list[Row]:
    """All rows: at rest, under load, and with blocks."""
    attacks = 10 if quick else _ATTACKS
    return [
        _row("watch: row findings, nothing else is written", attacks, rate=0),
        _row("watch: row findings, 1,000 other lines a second", attacks, rate=1_000),
        _row("watch: row findings and blocks, 200 lines a second", attacks, rate=200, block=True),
    ]


def _row(work: str, attacks: int, *, rate: int, block: bool = False) -> Row:
    with workspace() as folder:
        heard, written, cpu = _measured(folder, attacks, rate, block=block)
    missing = attacks - len(heard.findings)
    waits = [heard.findings[n] - written[n] for n in heard.findings]
    if len(waits) < 2:
        raise Failed(f"{work}: only {len(waits)} of {attacks} attacks were told of")
    said = f"target median {TARGET} s: {'met' if median(waits) <= TARGET else 'missed'}; "
    said += _spread(waits)
    if block:
        blocked = [heard.blocks[n] - written[n] for n in heard.blocks if n in written]
        missing += attacks - len(blocked)
        said += f"; until the block is in the ledger: {_spread(blocked)}"
    return Row(work, LABRYS, cpu=cpu, events=attacks, equal="no" if missing else "yes", note=said)


def _spread(waits: list[float]) -> str:
    last = quantiles(waits, n=20)[-1] if len(waits) > 1 else waits[0]
    return f"median {median(waits):.2f} s, 95th percentile {last:.2f} s, worst {max(waits):.2f} s"


def _measured(
    folder: Path, attacks: int, rate: int, *, block: bool
) -> tuple[Heard, dict[int, float], float]:
    logs = folder / "logs"
    logs.mkdir()
    (folder / "rules").mkdir()
    (folder / "rules" / "rule.yml").write_text(_RULE)
    for host in range(_HOSTS):
        (logs / f"host{host}.log").write_text(_QUIET % (_stamp(), host, 1, 1, 1))
    words: list[str | Path] = [program(), "watch", logs, "--lake", folder / "case"]
    words += ["-r", folder / "rules", "-f", "ndjson", *(["--respond", "block"] if block else [])]
    heard = Heard()
    with _watched(words, folder, heard) as process:
        _until_ready(logs, heard)
        written = _written(logs, attacks, rate)
        end = time.monotonic() + 10
        while time.monotonic() < end and len(heard.findings) < attacks:
            time.sleep(0.05)
        time.sleep(1)
        cpu = _cpu(process.pid)
    return heard, written, cpu


def _until_ready(logs: Path, heard: Heard) -> None:
    """Start-up is not what is measured: wait until a first attack has been told of."""
    with (logs / "host0.log").open("a") as stream:
        stream.write(_ATTACK % (_stamp(), 0, _FIRST, _FIRST + 1))
    end = time.monotonic() + 120
    while _FIRST not in heard.findings:
        if time.monotonic() > end:
            raise Failed("the watch told of nothing within two minutes")
        time.sleep(0.05)
    time.sleep(1)
    heard.findings.clear()


def _written(logs: Path, attacks: int, rate: int) -> dict[int, float]:
    """Write an attack about twice a second among other lines; when each was written."""
    written: dict[int, float] = {}
    next_attack = time.monotonic()
    number = line = 0
    while number < attacks:
        for _ in range(rate // 50):
            line += 1
            host = line % _HOSTS
            with (logs / f"host{host}.log").open("a") as stream:
                stream.write(_QUIET % (_stamp(), host, line, line % 250, 1024 + line % 60_000))
        if time.monotonic() >= next_attack:
            host = number % _HOSTS
            with (logs / f"host{host}.log").open("a") as stream:
                stream.write(_ATTACK % (_stamp(), host, number, number + 1))
            written[number] = time.monotonic()
            number += 1
            next_attack += 0.37 + 0.013 * (number % 17)  # in step with nothing
        time.sleep(0.02)
    return written


@contextmanager
def _watched(
    words: list[str | Path], folder: Path, heard: Heard
) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(
        list(map(str, words)),
        env={**os.environ, **environment(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        threads = [
            threading.Thread(target=listen, args=(process, heard), daemon=True)
            for listen in (_findings, _blocks)
        ]
        for thread in threads:
            thread.start()
        try:
            yield process
        finally:
            process.kill()


def _findings(process: "subprocess.Popen[bytes]", heard: Heard) -> None:
    for line in process.stdout or ():
        at = time.monotonic()
        made = orjson.loads(line)
        if made["finding_info"]["title"] == "A word to wait for":
            addresses = [o["value"] for o in made["observables"] if o["type_id"] == 2]
            heard.findings[int(addresses[0].rpartition(".")[2]) - 1] = at


def _blocks(process: "subprocess.Popen[bytes]", heard: Heard) -> None:
    for line in process.stderr or ():
        at = time.monotonic()
        if line.startswith(b"labrys: blocked ip 203.0.113."):
            heard.blocks[int(line.split()[3].rpartition(b".")[2]) - 1] = at


def _cpu(pid: int) -> float:
    """Processor seconds of the watch itself, without its readers."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _stamp() -> str:
    return time.strftime("%b %d %H:%M:%S", time.gmtime())

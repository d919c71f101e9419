"""One scan's detectors on DuckDB, on Sail and on a Spark standalone cluster: the same findings?

The cluster is a master, one worker and a Spark Connect server, each a process of its own on this
machine. `LABRYS_BENCH_SPARK` names a Python that has pyspark[connect], pysail and labrys's
requirements. CPU is that of the scan and of the engine's processes while it runs, less starting
them; on an input this small an engine's own work is mostly for each of the many views.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.data import ENDPOINT, Skipped, peer, process_rules, unpacked, windows_rules, workspace
from bench.measure import REPO, Cost, Failed, child, command
from bench.scanning import environment
from bench.table import Row, per_event

EVENTS: Final = 50_000
_MASTER: Final = "org.apache.spark.deploy.master.Master"
_WORKER: Final = "org.apache.spark.deploy.worker.Worker"
_CONNECT: Final = "org.apache.spark.sql.connect.service.SparkConnectServer"
_SAIL: Final = """
import sys
from pysail.spark import SparkConnectServer
SparkConnectServer(ip="127.0.0.1", port=int(sys.argv[1])).start(background=False)
"""
_LABRYS: Final = "from labrys.cli import main; main()"
_START_SECONDS: Final = 120.0


def run(*, quick: bool) -> list[Row]:
    """All rows."""
    python = peer("LABRYS_BENCH_SPARK")
    with workspace() as folder:
        rules = [windows_rules(folder)]
        evidence = _evidence(folder, quick)
        rows = []
        expected: Any = None
        for name, start in (("DuckDB", None), ("Sail", sail), ("Spark standalone", standalone)):
            try:
                row, found = _scanned(folder, python, evidence, rules, name, start)
            except (Failed, Skipped) as reason:
                rows.append(Row("scan", f"labrys on {name}", note=f"did not run: {reason}"))
                continue
            expected = expected or found
            equal = "yes" if found == expected else f"no ({_unlike(found, expected)})"
            rows.append(replace(row, equal="-" if name == "DuckDB" else equal))
        ours = rows[0]
        return [replace(row, ratio=per_event(row, ours)) for row in rows]


def _evidence(folder: Path, quick: bool) -> Path:
    """Process events as JSON lines, real sshd logs (for the window detectors), real EVTX."""
    into, env = folder / "evidence", environment(folder)
    into.mkdir()
    made, rules = folder / "made.arrow", process_rules(folder)
    count = EVENTS // 10 if quick else EVENTS
    child(
        "process_steps.generate", env=env, count=count, repetition="medium", rules=rules, out=made
    )
    lines = into / "processes.json"
    child("spark_standalone.as_sysmon", env=env, events=made, out=lines)
    for log in sorted((ENDPOINT / "linux").glob("*.log.gz")):
        shutil.copy(log, into)
    if not quick:
        unpacked("evtx_attack_samples", into)
    return into


def _scanned(
    folder: Path, python: Path, evidence: Path, rules: Sequence[Path], name: str, start: Any
) -> tuple[Row, Any]:
    lake = folder / f"{name}.labrys"
    with ExitStack() as stack:
        engine = stack.enter_context(start(folder, python)) if start else None
        before = engine.cpu() if engine else 0.0
        cost = _scan(folder, python, evidence, rules, lake, engine.url if engine else "duckdb")
        used = engine.cpu() - before if engine else 0.0
    _, said = child("scanning.counts", env=environment(folder), lake=lake)
    _, found = child("spark_standalone.findings", env=environment(folder), lake=lake)
    counted = ", ".join(f"{count:,} of {detector}" for detector, count in found["counts"].items())
    row = Row(
        "scan",
        f"labrys on {name}",
        cpu=cost.cpu + used,
        events=said["rows"],
        peak=cost.peak,
        note=f"{said['shapes']} shapes; findings: {counted}; {cost.wall:.0f} s wall, "
        f"{cost.cpu:.1f} CPU s of them here and {used:.1f} in the engine's processes",
    )
    return row, found["rows"]


def _scan(
    folder: Path, python: Path, evidence: Path, rules: Sequence[Path], lake: Path, engine: str
) -> Cost:
    chosen = [word for each in rules for word in ("--rules", each)]
    return command(
        [
            *(python, "-c", _LABRYS, "scan", evidence, "--lake", lake, "--engine", engine),
            *chosen,
            *("--quiet", "--format", "ndjson", "--out", folder / "report.ndjson"),
        ],
        env={**environment(folder), "PYTHONPATH": str(REPO / "src")},
        codes=(0, 1),
        limit=1800,
    )


def _unlike(one: dict[str, str], other: dict[str, str]) -> str:
    both = set(one) & set(other)
    changed = sum(one[uid] != other[uid] for uid in both)
    return f"{len(set(one) - both)} more, {len(set(other) - both)} fewer, {changed} otherwise"


@dataclass(frozen=True, slots=True)
class Server:
    """An engine that is up: its address and its processes."""

    url: str
    pids: tuple[int, ...]

    def cpu(self) -> float:
        """CPU seconds of all its processes so far, ended ones included."""
        import psutil

        total = 0.0
        for pid in self.pids:
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                try:
                    spent = process.cpu_times()
                except psutil.Error:
                    continue
                total += spent.user + spent.system + spent.children_user + spent.children_system
        return total


@contextmanager
def sail(folder: Path, python: Path) -> Iterator[Server]:
    """A Sail server in a process of its own."""
    port = _free_port()
    env = {"RUST_LOG": "off", "PYTHONPATH": str(REPO / "src")}
    with _process([python, "-c", _SAIL, port], folder / "sail.log", env) as pid:
        _answers(port, folder / "sail.log")
        yield Server(f"sc://127.0.0.1:{port}", (pid,))


@contextmanager
def standalone(folder: Path, python: Path) -> Iterator[Server]:
    """Master, worker and Connect server from pyspark's own folder."""
    found = command([python, "-c", "import pyspark; print(pyspark.__path__[0])"]).out.strip()
    home = Path(found)
    if not (home / "jars").is_dir():
        raise Skipped("that Python has only Spark's client: install pyspark[connect]")
    if shutil.which("java") is None:
        raise Skipped("no java on the PATH")
    env = {
        "SPARK_HOME": str(home),
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": str(python),
        "SPARK_LOCAL_DIRS": str(folder / "spark"),
        "SPARK_WORKER_DIR": str(folder / "spark-work"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": str(REPO / "src"),
    }
    master, connect = _free_port(), _free_port()
    java, submit = home / "bin" / "spark-class", home / "bin" / "spark-submit"
    at = f"spark://127.0.0.1:{master}"
    here = ("--host", "127.0.0.1", "--webui-port", "0")
    conf = {
        "spark.connect.grpc.binding.port": connect,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.executor.memory": "2g",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": 4,
        "spark.executorEnv.PYTHONPATH": REPO / "src",
    }
    settings = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    logs = [folder / f"{name}.log" for name in ("master", "worker", "connect")]
    with ExitStack() as stack:
        pids = [
            stack.enter_context(_process([java, _MASTER, *here, "--port", master], logs[0], env))
        ]
        _answers(master, logs[0])
        worker = [java, _WORKER, *here, "--cores", os.cpu_count() or 1, "--memory", "3g", at]
        pids.append(stack.enter_context(_process(worker, logs[1], env)))
        server = [submit, "--master", at, *settings, "--class", _CONNECT]
        pids.append(stack.enter_context(_process(server, logs[2], env)))
        _answers(connect, logs[2])
        yield Server(f"sc://127.0.0.1:{connect}", tuple(pids))


@contextmanager
def _process(words: Sequence[object], log: Path, env: dict[str, str]) -> Iterator[int]:
    """A process and all it starts, ended afterwards."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(20)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _answers(port: int, log: Path) -> None:
    """Wait until something listens."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.25)
    raise Failed(f"nothing listens: {log.read_text(errors='replace')[-1500:]}")


# What follows runs in processes of its own.


def as_sysmon(events: str, out: str) -> None:
    """Made-up events as JSON lines that the reader of Windows events knows."""
    from bench.memory import flat_lines
    from bench.process_steps import read

    Path(out).write_bytes(b"".join(flat_lines(read(events), nest=False)))


def findings(lake: str) -> dict[str, Any]:
    """Every finding's whole content by uid, and how many each detector has."""
    from collections import Counter

    from labrys.lake.case import Case
    from labrys.scan.run import reopened

    with Case.open(lake, create=False, write=False) as case:
        found = reopened(case).findings.to_pylist()
    return {
        "counts": dict(sorted(Counter(row["detector"] for row in found).items())),
        "rows": {row["uid"]: json.dumps(row, sort_keys=True) for row in found},
    }

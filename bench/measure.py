"""Runs a command and says what it cost: CPU seconds and memory of its whole process tree.

CPU is user + system time of the process and of every process it has waited for, as the kernel
counts it (`wait4`), so it does not depend on how busy the machine is as much as wall time does.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

REPO: Final = Path(__file__).resolve().parents[1]
BYTECODE: Final = Path(tempfile.gettempdir()) / f"labrys-bench-bytecode-{os.geteuid()}"
"""Where Python keeps compiled modules of all runs, as it would beside an installed package."""

_SAMPLE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost; `peak` is the largest process, `tree` all at once, in MB (10⁶ bytes).

    `tree` adds up resident sizes every 0.2 s: pages that processes share count once for each.
    """

    cpu: float
    wall: float
    peak: float
    tree: float
    code: int
    out: str
    err: str


class Failed(Exception):
    """A command ended badly; the text holds its last words."""


def command(
    arguments: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    stdout: Path | None = None,
    limit: float = 3600.0,
    codes: Sequence[int] = (0,),
) -> Cost:
    """Run a command to its end. Raises `Failed` on any other exit code than `codes`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        reading = stdin.open("rb") if stdin else subprocess.DEVNULL
        writing = stdout.open("wb") if stdout else out
        begun = time.monotonic()
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            cwd=REPO,
            env=_environment(env or {}),
            stdin=reading,
            stdout=writing,
            stderr=err,
            start_new_session=True,
        )
        watch = _Tree(process.pid)
        killer = threading.Timer(limit, os.killpg, (process.pid, 9))
        killer.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, 9)
            raise
        finally:
            killer.cancel()
            tree = watch.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        for stream in (reading, writing):
            if stream not in (subprocess.DEVNULL, out):
                stream.close()  # type: ignore[union-attr]
        said = [_text(stream) for stream in (out, err)]
        cost = Cost(
            cpu=used.ru_utime + used.ru_stime,
            wall=time.monotonic() - begun,
            peak=used.ru_maxrss * 1024 / 1e6,
            tree=max(tree, used.ru_maxrss * 1024) / 1e6,
            code=process.returncode,
            out=said[0],
            err=said[1],
        )
    if cost.code not in codes:
        words = (said[1] or said[0]).strip()[-2000:]
        raise Failed(f"{Path(str(arguments[0])).name} exit code {cost.code}: {words}")
    return cost


def child(
    function: str,
    *,
    python: str | Path = sys.executable,
    env: Mapping[str, str] | None = None,
    limit: float = 3600.0,
    **arguments: Any,
) -> tuple[Cost, Any]:
    """Call `bench.<module>.<function>` in a process of its own: what it cost, what it returned."""
    with tempfile.TemporaryDirectory(prefix="labrys-bench-") as folder:
        asked, answered = Path(folder, "asked.json"), Path(folder, "answered.json")
        asked.write_text(json.dumps(arguments, default=str))
        cost = command(
            [python, "-m", "bench.child", function, asked, answered], env=env, limit=limit
        )
        return cost, json.loads(answered.read_text())


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(BYTECODE), **more}


def _text(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read(1 << 24).decode("utf-8", "backslashreplace"))


class _Tree:
    """Samples the resident size of a process and all its descendants."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        import psutil

        while not self._ended.is_set():
            try:
                root = psutil.Process(self._pid)
                total = 0
                for process in (root, *root.children(recursive=True)):
                    try:
                        total += process.memory_info().rss
                    except psutil.Error:
                        continue
                self._most = max(self._most, total)
            except psutil.Error:
                return
            self._ended.wait(_SAMPLE_SECONDS)

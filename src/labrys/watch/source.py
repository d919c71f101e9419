"""Evidence that does not lie in files: standard input and a network interface become files.

What comes is written to a folder of the case, in parts, and watched there like everything else; a
part that has been read whole, and is no longer written to, is removed.
"""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from labrys.errors import LabrysError

_PART: Final = 64 << 20
_CAPTURE: Final = "capture"
_WAITING: Final = 256 << 20
"""When so many bytes wait to be read, standard input is not read further."""
_TOOLS: Final = ("dumpcap", "tcpdump")
_CAPTURE_SECONDS: Final = 5
_CAPTURE_MEGABYTES: Final = 16
_CAPTURE_FILES: Final = 200
"""The capture program itself keeps no more files than these: memory and disk stay bounded."""


class Fed:
    """The folder that evidence is fed into; `ended`: nothing more will come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.paths: tuple[Path, ...] = ()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._current: Path | None = None
        self.trouble = ""

    @property
    def ended(self) -> bool:
        """Whether there was something to come, and it has come."""
        fed = self._thread is not None or self._process is not None
        alive = self._thread is not None and self._thread.is_alive()
        return fed and not alive and (self._process is None or self._process.poll() is not None)

    def standard_input(self, stream: BinaryIO) -> None:
        """Take in a stream, in the background, once `begin` is called."""
        folder = self._made("stdin")
        self._thread = threading.Thread(target=self._copy, args=(stream, folder), daemon=True)

    def begin(self) -> None:
        """Start what runs in the background: after whoever forks has forked."""
        if self._thread is not None:
            self._thread.start()

    def interface(self, name: str) -> None:
        """Capture packets with whichever program is installed. Raises `LabrysError`."""
        folder = self._made(_CAPTURE)
        self._process = _capture(name, folder)
        self._check(name)

    def finished(self, path: Path) -> None:
        """A part has been read: it is removed unless it is still written to."""
        if path.parent.parent == self._folder and path != self._newest(path.parent):
            path.unlink(missing_ok=True)

    def writing(self, path: Path) -> bool:
        """Whether a part of a capture is still being written: it is read when it is complete."""
        mine = path.parent.parent == self._folder and path.parent.name == _CAPTURE
        return mine and path == self._newest(path.parent)

    def close(self) -> None:
        """Stop taking in."""
        self._closing.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            self._process.kill()
            self._process.wait()

    def _made(self, kind: str) -> Path:
        folder = self._folder / kind
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.paths = (*self.paths, folder)
        return folder

    def _newest(self, folder: Path) -> Path | None:
        """The part that may still be written to; None where nothing will be."""
        if self.ended:
            return None
        return max(folder.iterdir(), key=lambda each: each.stat().st_mtime_ns, default=None)

    def _copy(self, stream: BinaryIO, folder: Path) -> None:
        read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        try:
            while not self._closing.is_set() and (data := read(1 << 16)):
                self._part(folder, data)
                while _size(folder) > _WAITING and not self._closing.wait(0.05):
                    pass
        except OSError as error:
            self.trouble = f"standard input: {error.strerror or error}"

    def _part(self, folder: Path, data: bytes) -> None:
        """Append to the part that is written to; a new one begins where a line does."""
        if self._current is None:
            self._current = folder / f"{time.time_ns()}.log"
        with self._current.open("ab") as part:
            if part.tell() < _PART or b"\n" not in data:
                part.write(data)
                return
            head, _, rest = data.partition(b"\n")
            part.write(head + b"\n")
        self._current = folder / f"{time.time_ns()}.log"
        self._current.write_bytes(rest)

    def _check(self, name: str) -> None:
        """Give the program a moment to say what is wrong."""
        process = self._process
        if process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(0.7)
            said = process.stderr.read(2000).decode("utf-8", "replace") if process.stderr else ""
            lines = [line for line in said.splitlines() if line.strip()]
            raise LabrysError(
                f"{name}: cannot be captured from (exit code {code}): {' '.join(lines[-2:])[:300]}"
            )


def _capture(name: str, folder: Path) -> "subprocess.Popen[bytes]":
    if not name or name.startswith("-"):
        raise LabrysError(f"{name!r} is no network interface")
    found = {tool: path for tool in _TOOLS if (path := shutil.which(tool, path=_search()))}
    if "dumpcap" in found:
        command = [
            *(found["dumpcap"], "-q", "-i", name, "-P", "-w", str(folder / "capture.pcap")),
            *("-b", f"duration:{_CAPTURE_SECONDS}", "-b", f"filesize:{_CAPTURE_MEGABYTES * 1000}"),
            *("-b", f"files:{_CAPTURE_FILES}"),
        ]
    elif "tcpdump" in found:
        command = [
            *(found["tcpdump"], "-i", name, "-n", "-U", "-w", f"{folder}/capture-%s.pcap"),
            *("-G", str(_CAPTURE_SECONDS), "-C", str(_CAPTURE_MEGABYTES)),
        ]
        with suppress(AttributeError):  # it would give up the right to write to our folder
            command += ["-Z", "root"] if os.geteuid() == 0 else []
    else:
        raise LabrysError(
            "neither dumpcap nor tcpdump is installed here; install one, or capture elsewhere into"
            " a folder and watch that"
        )
    return subprocess.Popen(  # noqa: S603 a program of the system, and no shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def _search() -> str:
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"))


def _size(folder: Path) -> int:
    total = 0
    for each in folder.iterdir():
        with suppress(OSError):
            total += each.stat().st_size
    return total

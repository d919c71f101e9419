"""Network namespaces that a test makes for itself, so that a firewall can be tried for real."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PATH: Final = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def lacking(*programs: str) -> str:
    """Why namespaces cannot be used here; empty where they can."""
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "only root may make network namespaces"
    missing = [name for name in ("ip", *programs) if shutil.which(name, path=_PATH) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    name = f"lb{os.getpid()}x"
    made = _run(["ip", "netns", "add", name])
    if made.returncode:
        return f"this machine allows no namespaces: {made.stderr.strip()}"
    _run(["ip", "netns", "del", name])
    return ""


def inside(
    name: str, command: Sequence[str | Path], timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command in a namespace to its end."""
    return _run(["ip", "netns", "exec", name, *map(str, command)], timeout)


@contextmanager
def namespaces(count: int) -> Iterator[list[str]]:
    """So many new namespaces with nothing but a loopback in them, gone afterwards."""
    names = [f"lb{os.getpid()}n{number}" for number in range(count)]
    try:
        for name in names:
            must("ip", "netns", "add", name)
            must("ip", "-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in names:
            _run(["ip", "netns", "del", name])


def join(one: str, other: str, ours: Sequence[str], theirs: Sequence[str]) -> None:
    """A cable between two namespaces, with these addresses (CIDR) at its ends."""
    a, b = f"v{os.getpid()}a", f"v{os.getpid()}b"
    must("ip", "link", "add", a, "netns", one, "type", "veth", "peer", "name", b, "netns", other)
    for name, link, addresses in ((one, a, ours), (other, b, theirs)):
        for address in addresses:
            more = ["nodad"] if ":" in address else []
            must("ip", "-n", name, "addr", "add", address, "dev", link, *more)
        must("ip", "-n", name, "link", "set", link, "up")


def must(*command: str) -> None:
    """Run a command that has to succeed."""
    made = _run(command)
    assert made.returncode == 0, f"{' '.join(command)}: {made.stderr}"


def _run(command: Sequence[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": _PATH}
    return subprocess.run(
        command, capture_output=True, text=True, env=env, timeout=timeout, check=False
    )

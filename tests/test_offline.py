"""No command makes a request off the machine, and a guard proves that this would be seen."""

import subprocess
import sys
from pathlib import Path

import pytest

GUARD = """
import socket, sys, os

def refused(*given, **_):
    address = given[1] if len(given) > 1 else given[0] if given else None
    if isinstance(address, (str, bytes)) and not isinstance(given[0], str):
        return allowed(*given)  # a Unix socket
    os.write(2, b"NETWORK " + repr(address).encode() + b"\\n")
    raise OSError("no network here")

allowed = socket.socket.connect
socket.socket.connect = refused
socket.socket.connect_ex = refused
socket.getaddrinfo = refused
socket.create_connection = refused
"""


@pytest.fixture
def guarded(tmp_path: Path) -> dict[str, str]:
    """An environment in which every Python process, forked or spawned, has no network."""
    place = tmp_path / "guard"
    place.mkdir()
    (place / "sitecustomize.py").write_text(GUARD)
    return {
        "PYTHONPATH": str(place),
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LABRYS_CACHE": str(tmp_path / "cache"),
    }


def run(
    environment: dict[str, str], folder: Path, *command: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_the_guard_would_notice(guarded: dict[str, str], tmp_path: Path) -> None:
    asked = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/')"
    done = run(guarded, tmp_path, "-c", asked)
    assert "NETWORK" in done.stderr
    assert done.returncode != 0


def test_no_command_uses_the_network(guarded: dict[str, str], tmp_path: Path) -> None:
    labrys = str(Path(sys.executable).with_name("labrys"))
    rule = tmp_path / "rules"
    rule.mkdir()
    (rule / "one.yml").write_text(
        "title: One\nid: 3c1de5f6-0b1a-4f0e-9a54-2f5b0f6f7aff\nlogsource:\n  product: windows\n"
        "detection:\n  s:\n    EventID: 1\n  condition: s\nlevel: low\n"
    )
    for command in (
        ["demo"],
        [
            "scan",
            "labrys-demo/evidence",
            "--rules",
            str(rule),
            "--lake",
            "c",
            "-f",
            "html",
            "-o",
            "r.html",
        ],
        ["scan", "labrys-demo/evidence", "--lake", "c", "-f", "stix", "-o", "r.json"],
        ["hunt", "--lake", "c", "SELECT count(*) AS n FROM process_activity"],
        ["hunt", "--lake", "c", "--explain-schema"],
        ["incidents", "--lake", "c"],
        ["rules", "check", str(rule)],
        ["doctor"],
    ):
        done = run(guarded, tmp_path, labrys, *command)
        assert "NETWORK" not in done.stderr, (command, done.stderr)
        assert done.returncode == 0, (command, done.stderr)
    page = (tmp_path / "r.html").read_text()
    assert "default-src 'none'" in page
    for mark in ('src="http', "src='http", 'href="http', "url(http", "@import"):
        assert mark not in page

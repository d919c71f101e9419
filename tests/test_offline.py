"""No command and no page makes a request off the machine.

A guard tells of every attempt made through Python and, where the kernel can, kills the process
that opens an internet socket at all. Other tests prove that it would notice.
"""

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command import COMMAND, Ran, labrys

GUARD = """
import ctypes, os, platform, socket, struct, sys

def refused(*given, **_):
    address = given[1] if len(given) > 1 else given[0] if given else None
    if isinstance(address, (str, bytes)) and not isinstance(given[0], str):
        return allowed(*given)  # a Unix socket
    os.write(2, b"NETWORK " + repr(address).encode() + b"\\n")
    raise OSError("no network here")

allowed = socket.socket.connect
socket.socket.connect = socket.socket.connect_ex = refused
socket.getaddrinfo = socket.create_connection = refused

# The kernel kills this process, and all it starts, for asking for an internet socket.
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
KILL, ALLOW = 0x80000000, 0x7FFF0000
number = {"x86_64": 41, "aarch64": 198}.get(platform.machine())
code = [
    (LOAD, 0, 0, 0),  # the system call's number
    (EQUAL, 0, 4, number),  # socket(2), or allowed
    (LOAD, 0, 0, 16),  # its first argument: the address family
    (EQUAL, 1, 0, socket.AF_INET),
    (EQUAL, 0, 1, socket.AF_INET6),
    (RETURN, 0, 0, KILL),
    (RETURN, 0, 0, ALLOW),
]
if sys.platform == "linux" and number:
    filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(filters))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0)
"""
RULE = """
title: One
id: 3c1de5f6-0b1a-4f0e-9a54-2f5b0f6f7aff
logsource: {product: windows, category: process_creation}
detection: {s: {Image|endswith: 'a'}, condition: s}
level: low
"""
BAD_SYSTEM_CALL = -31
TCP = "import socket; socket.socket(socket.AF_INET)"
HTTP = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/')"


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What puts every Python process that is started, forked or spawned, under the guard."""
    place = tmp_path_factory.mktemp("guard")
    (place / "sitecustomize.py").write_text(GUARD)
    return {"PYTHONPATH": str(place)}


@pytest.fixture(scope="module")
def kernel(guard: dict[str, str]) -> dict[str, str]:
    """The same, where the kernel takes part."""
    if python(TCP, guard).returncode != BAD_SYSTEM_CALL:
        pytest.skip("the kernel allows no seccomp filter here, or it is not Linux")
    return guard


def python(code: str, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    "code",
    [
        TCP,
        "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        "import ctypes; ctypes.CDLL(None).socket(2, 1, 0)",
        "import os, sys; p = os.fork(); p or __import__('socket').socket()\n"
        "s = os.waitpid(p, 0)[1]; os.kill(os.getpid(), s & 127)",
    ],
    ids=["tcp", "udp", "below Python", "in a child"],
)
def test_the_kernel_kills_whoever_asks(code: str, kernel: dict[str, str]) -> None:
    assert python(code, kernel).returncode == BAD_SYSTEM_CALL


def test_the_guard_would_notice(guard: dict[str, str]) -> None:
    asked = python(HTTP, guard)
    assert asked.returncode != 0
    assert b"NETWORK" in asked.stderr
    assert python("import socket; socket.socketpair()", guard).returncode == 0


@pytest.fixture(scope="module")
def demo(guard: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "rules").mkdir()
    (folder / "rules" / "one.yml").write_text(RULE)
    return labrys("demo", cwd=folder, env=guard), folder


def test_the_demo_asks_for_no_socket(demo: tuple[Ran, Path]) -> None:
    ran, folder = demo
    assert (ran.code, "NETWORK" in ran.err) == (0, False), ran.err
    page = (folder / "labrys-demo" / "report.html").read_text()
    assert "default-src 'none'" in page
    for mark in ('src="http', "src='http", 'href="http', "url(http", "@import"):
        assert mark not in page


EVIDENCE = "labrys-demo/evidence"
LAKE = ("--lake", "labrys-demo/case.labrys")


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", EVIDENCE, "-r", "rules", "-q", "--lake", "fresh.labrys"),
        ("scan", EVIDENCE, "-f", "html", *LAKE),
        ("scan", EVIDENCE, "-f", "stix", *LAKE),
        ("hunt", "SELECT count(*) FROM process_activity", *LAKE),
        ("hunt", "--explain-schema", *LAKE),
        ("incidents", *LAKE),
        ("rules", "check", "rules"),
        ("doctor",),
        ("--help",),
        ("--show-completion", "bash"),
    ],
    ids=lambda arguments: "-".join(arguments[:4]),
)
def test_no_command_asks_for_a_socket(
    arguments: tuple[str, ...], demo: tuple[Ran, Path], guard: dict[str, str]
) -> None:
    ran = labrys(*arguments, cwd=demo[1], env=guard)
    assert (ran.code, "NETWORK" in ran.err) == (0, False), ran.err
    assert ran.out


def test_a_hunt_cannot_be_made_to_ask_for_one(
    demo: tuple[Ran, Path], guard: dict[str, str]
) -> None:
    for sql in (
        "SELECT * FROM 'https://192.0.2.1/x.parquet'",
        "SELECT * FROM read_csv('http://192.0.2.1/x.csv')",
        "INSTALL httpfs",
    ):
        ran = labrys("hunt", sql, *LAKE, cwd=demo[1], env=guard)
        assert (ran.code, ran.out) == (2, b""), (ran.code, ran.err)


def test_everything_works_where_there_is_no_network(demo: tuple[Ran, Path]) -> None:
    namespace = ["unshare", "-rn"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("no network namespace may be made here")
    probe = "import socket; print(socket.socket(2, 2).connect_ex(('192.0.2.1', 9)))"
    said = subprocess.check_output([*namespace, sys.executable, "-c", probe], text=True)
    assert int(said) == errno.ENETUNREACH, "the namespace is empty"
    ran = labrys(
        *("scan", EVIDENCE, "-q", "--lake", "alone.labrys", "-f", "ndjson"),
        cwd=demo[1],
        command=[*namespace, *COMMAND],
    )
    again = labrys("incidents", "--json", *LAKE, cwd=demo[1])
    assert (ran.code, sorted(ran.out.splitlines())) == (0, sorted(again.out.splitlines()))

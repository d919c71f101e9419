"""Applies blocks to this machine through the `nft` program: the whole table at once, or not at all.

Source: nft(8). Touches nothing but its own table; whoever removes that has everything as before.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any, Final

import orjson

from labrys.errors import LabrysError
from labrys.respond.guards import Names
from labrys.respond.here import needed
from labrys.respond.ledger import Block
from labrys.respond.lists import files
from labrys.respond.lists.nftables import TABLE

_SECONDS: Final = 20
_PLACES: Final = os.pathsep.join(("/usr/sbin", "/sbin", "/usr/local/sbin"))


def droppable(
    blocks: Sequence[Block], allow: Names, at: int
) -> tuple[list[Block], list[tuple[Block, str]]]:
    """The blocks of addresses to be dropped here, and those that are not, each with the reason."""
    ours = needed()
    active = [each for each in blocks if each.kind == "ip" and each.active(at)]
    reasons = [
        (each, ours.get(each.value, "on the allow list" if allow.holds("ip", each.value) else ""))
        for each in active
    ]
    return [each for each, why in reasons if not why], [pair for pair in reasons if pair[1]]


def wanted(blocks: Sequence[Block], allow: Names, at: int) -> str:
    """The script that makes the table hold the blocks; that takes it away where there are none."""
    good, _ = droppable(blocks, allow, at)
    made = files("nftables", good, allow, at)
    return made["labrys.nft" if good else "labrys-undo.nft"]


def held() -> frozenset[str]:
    """The addresses that the table drops now; none where there is no table."""
    done = _run(["-j", "list", "table", "inet", TABLE])
    if done.returncode:
        if "No such file" in done.stderr:
            return frozenset()
        raise LabrysError(f"nft cannot list its tables: {_said(done)}")
    return frozenset(_addresses(orjson.loads(done.stdout)))


def apply(script: str) -> None:
    """Load a script in one transaction. Raises `LabrysError`, and then nothing has changed."""
    done = _run(["-f", "-"], script)
    if done.returncode:
        raise LabrysError(f"nft refused, nothing was changed: {_said(done)}")


def check(script: str) -> None:
    """Ask nft whether it would take a script. Raises `LabrysError` where not."""
    done = _run(["-c", "-f", "-"], script)
    if done.returncode:
        raise LabrysError(f"nft would refuse this: {_said(done)}")


def _run(arguments: Sequence[str], script: str = "") -> subprocess.CompletedProcess[str]:
    program = shutil.which("nft") or shutil.which("nft", path=_PLACES)
    if program is None:
        raise LabrysError(
            "there is no program `nft` here; install nftables, or load the file that"
            " `labrys respond block --format nftables --out DIR` writes elsewhere"
        )
    try:
        return subprocess.run(  # noqa: S603 a program of the system, and no shell
            [program, *arguments],
            input=script,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise LabrysError(f"nft cannot be run: {reason}") from reason


def _addresses(listing: Any) -> list[str]:
    found = []
    for item in listing.get("nftables", ()):
        for element in item.get("set", {}).get("elem", ()):
            inner = element.get("elem", element) if isinstance(element, dict) else element
            found.append(str(inner.get("val") if isinstance(inner, dict) else inner))
    return found


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[0][:300] if lines else f"exit code {done.returncode}"

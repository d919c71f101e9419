"""Runs `labrys` the way a user does: as a process, with a cache and settings of its own."""

import io
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pytest

_HOME: Final = tempfile.TemporaryDirectory(prefix="labrys-tests-")
SCRIPT: Final = Path(sys.executable).with_name("labrys")
COMMAND: Final = (
    [str(SCRIPT)]
    if SCRIPT.is_file()
    else [sys.executable, "-c", "from labrys.cli import main; main()"]
)
FORMATS: Final = ("table", "ndjson", "csv", "html", "stix", "navigator", "timesketch")
STORY: Final = {
    "Password guessed: a logon succeeded after many failures",
    "Root shell, account or key change through sudo",
    "CloudTrail stopped, deleted or narrowed",
    "Office program starts a script interpreter",
    "PowerShell with an encoded command",
    "Burst of discovery commands",
    "LSASS memory dumped through comsvcs.dll",
    "Service with a shell or an executable in a share or temporary folder",
    "Copy of the Active Directory database",
    "Shadow copies or backups deleted",
    "Large upload to one outside address",
    "Event log cleared",
}
"""What the intruder of the demo does, as our own rules and detectors call it."""
CONTROL: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
"""What text for a terminal must not hold: everything that acts on it, but not the end of a line."""


@dataclass(frozen=True)
class Ran:
    """What became of a command."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The output as JSON, one object a line."""
        return [orjson.loads(line) for line in self.out.splitlines()]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's, without what would set labrys up otherwise; wide, so that lines stay whole."""
    kept = {key: text for key, text in os.environ.items() if not key.startswith("LABRYS_")}
    own = {"XDG_CACHE_HOME": _HOME.name, "XDG_CONFIG_HOME": _HOME.name, "COLUMNS": "1000"}
    return {**kept, **own, "NO_COLOR": "1", **(more or {})}


def labrys(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
    timeout: float = 120,
) -> Ran:
    """Run one command to its end."""
    done = subprocess.run(
        [*command, *map(str, arguments)],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


def here(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Ran:
    """Run one command that reads no new evidence in this process, which is much quicker."""
    from labrys import cli

    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(environment(env)):
            patch.delenv(name)
        for name, text in environment(env).items():
            patch.setenv(name, text)
        if cwd is not None:
            patch.chdir(cwd)
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as done:
            cli.main([str(each) for each in arguments])
    out.flush()
    return Ran(int(done.value.code or 0), out.buffer.getvalue(), err.getvalue())


def sources(case: Path) -> dict[str, dict[str, Any]]:
    """What the case knows of every source of evidence, by name."""
    from dataclasses import asdict

    from labrys.lake.case import Case

    found: dict[str, dict[str, Any]] = {}
    with Case.open(case, create=False, write=False) as opened:
        for row in opened.sources():
            problems = (*found.get(row.name, {}).get("problems", ()), *row.problems)
            found[row.name] = {**asdict(row), "problems": problems}
    return found


def shapes(case: Path) -> dict[str, int]:
    """How many records a case holds of each shape."""
    from labrys.lake.case import Case

    with Case.open(case, create=False, write=False) as opened:
        return {shape: held.rows for shape, held in opened.shapes().items()}


def rows(case: Path) -> dict[str, list[dict[str, Any]]]:
    """Every record of a case by shape, in the order of ids, without empty cells."""
    from labrys.lake.case import Case

    found: dict[str, list[dict[str, Any]]] = {}
    with Case.open(case, create=False, write=False) as opened:
        for segment in opened.segments():
            for shape, table in opened.tables(segment):
                found.setdefault(shape, []).extend(_records(table))
    return {shape: sorted(found[shape], key=lambda row: row["_id"]) for shape in sorted(found)}


def _records(table: pa.Table) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in row.items() if value is not None}
        for row in table.to_pylist()
    ]


def count(case: Path, table: str) -> int:
    """How many rows a table of the case's ledger has; 0 while there is none."""
    with sqlite3.connect(f"file:{case / 'ledger.sqlite'}?mode=ro", uri=True) as ledger:
        try:
            return int(ledger.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


RULE = """
title: {title}
id: 8f3d1b52-0f2e-4c58-9a57-1f6a3f2f0a0{number}
author: tester
logsource: {{product: linux, service: sshd}}
detection:
  wrong: {{message|contains: 'Failed password'}}
  condition: {condition}
level: low
"""
"""A rule that the demo's sshd matches; `title`, `number` and `condition` are to be filled in."""


def write_rules(folder: Path, **rules: str) -> Path:
    """A folder with a file for each rule."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in rules.items():
        (folder / f"{name}.yml").write_text(text)
    return folder

"""Help, completion and settings of the command line, and that they start quickly."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from command import environment, here, labrys
from labrys.cli.app import app


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command there is, groups too, with its words."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        yield words, command
        for name, below in getattr(command, "commands", {}).items():
            waiting.append(((*words, name), below))


@pytest.mark.parametrize(
    ("words", "command"),
    list(commands()),
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_help_tells_every_option(words: tuple[str, ...], command: Any) -> None:
    ran = here(*words, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert here(*words, "-h").out == ran.out
    assert command.help
    for parameter in command.params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            if option.startswith("-"):
                assert re.search(rf"(?<![\w-]){option}(?![\w-])", ran.text), option
        assert parameter.help, f"{parameter.name} of {words} is not explained"
    for name in getattr(command, "commands", {}):
        line = re.search(rf"^  {name} +\S.*$", ran.text, re.MULTILINE)
        assert line, name
        assert not line[0].endswith("..."), "its first sentence is too long for the list"


def test_every_command_of_the_contract_is_there() -> None:
    names = {words for words, _ in commands()}
    assert {
        ("scan",),
        ("hunt",),
        ("incidents",),
        ("rules", "check"),
        ("doctor",),
        ("demo",),
    } <= names


@pytest.mark.parametrize("arguments", ["['--help']", "['scan', '--help']", "['--version']"])
def test_help_imports_nothing_heavy(arguments: str) -> None:
    code = (
        "import sys\nfrom labrys.cli import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit:\n    pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    heavy = {
        *("pyarrow", "duckdb", "ibis", "numpy", "pandas", "hyperscan", "re2", "sigma", "yaml"),
        *("rich", "evtx", "py7zr", "sqlglot", "pyspark", "sklearn", "lightgbm", "orjson"),
        *("multiprocessing", "sqlite3", "asyncio", "requests", "urllib3", "http.client"),
    }
    assert done.stdout
    assert not heavy & set(done.stderr.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(shell: str) -> None:
    script = labrys("--show-completion", shell, cwd=Path.cwd())
    assert script.code == 0
    assert "_LABRYS_COMPLETE" in script.text
    asked = {
        "_LABRYS_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "labrys inc",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "labrys inc",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    assert "incidents" in labrys(cwd=Path.cwd(), env=asked).text


def test_the_version_is_that_of_the_package() -> None:
    from labrys import __version__

    assert here("--version").text == f"labrys {__version__}\n"


def test_settings_come_from_the_environment_but_never_from_the_evidence(
    tmp_path: Path,
) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "a.log").write_text("Nov 17 10:00:00 web sshd[1]: hello\n")
    (tmp_path / "evidence" / "labrys.toml").write_text('lake = "stolen"\nengine = "sc://evil:1"\n')
    ran = labrys(
        "scan", ".", "-q", cwd=tmp_path / "evidence", env={"LABRYS_LAKE": str(tmp_path / "mine")}
    )
    assert ran.code == 0, ran.err
    assert (tmp_path / "mine" / "ledger.sqlite").is_file()
    assert not (tmp_path / "evidence" / "stolen").exists()
    ran = labrys("scan", ".", "-q", cwd=tmp_path, env={"LABRYS_JOBS": "many"})
    assert (ran.code, "settings from the environment" in ran.err) == (2, True)

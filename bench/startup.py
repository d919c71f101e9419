"""What it costs to ask for help, to scan nothing, and to install."""

import shutil
import sys
from pathlib import Path
from statistics import median
from typing import Final

from bench.data import workspace
from bench.measure import REPO, Cost, Failed, command
from bench.scanning import environment, program
from bench.table import LABRYS, Row

TARGET: Final = 0.3
_RUNS: Final = 7


def run(*, quick: bool) -> list[Row]:
    """All rows."""
    with workspace() as folder:
        runs = 3 if quick else _RUNS
        empty = folder / "empty"
        empty.mkdir()
        commands: dict[str, list[str | Path]] = {
            "labrys --help": [program(), "--help"],
            "labrys scan --help": [program(), "scan", "--help"],
            "labrys rules check (nothing)": [program(), "rules", "check", empty],
            "python -c pass": [sys.executable, "-c", "pass"],
        }
        rows = [
            _row(work, [command(words, env=environment(folder)) for _ in range(runs + 1)])
            for work, words in commands.items()
        ]
        scans = [_scan(folder, empty, number) for number in range(runs + 1)]
        rows.append(_row("labrys scan of an empty folder, own rules", scans))
        if not quick:
            rows.append(_installed(folder))
        return rows


def _scan(folder: Path, empty: Path, number: int) -> Cost:
    lake = folder / f"{number}.labrys"
    return command(
        [program(), "scan", empty, "--lake", lake, "--quiet"], env=environment(folder), codes=(0, 1)
    )


def _row(work: str, costs: list[Cost]) -> Row:
    """The middle one; the first run, which compiles modules, does not count."""
    spent = median(cost.cpu for cost in costs[1:])
    met = "" if work != "labrys --help" else "met; " if spent <= TARGET else "missed; "
    target = f"target {TARGET} s: {met}" if met else ""
    return Row(
        work,
        LABRYS if work.startswith(LABRYS) else "python",
        cpu=spent,
        peak=max(cost.peak for cost in costs[1:]),
        note=f"{target}median of {len(costs) - 1} runs with compiled modules there"
        + (f" (without: {costs[0].cpu:.2f} s)" if met else ""),
    )


def _installed(folder: Path) -> Row:
    """Install the pinned core set into a new environment and weigh it."""
    work, home = "install the core set", folder / "venv"
    wheel = Path(sys.executable).with_name("uv")
    try:
        command([sys.executable, "-m", "venv", home])
        python = home / "bin" / "python"
        bare = _bytes(home)
        asked: list[str | Path] = ["--require-hashes", "-r", REPO / "requirements" / "core.txt"]
        if wheel.exists():
            how = "uv"
            cost = command([wheel, "pip", "install", "-q", "--python", python, *asked])
        else:
            how = "pip"
            cost = command([python, "-m", "pip", "install", "-q", "--no-compile", *asked])
    except Failed as reason:
        return Row(work, LABRYS, note=str(reason))
    pinned = _bytes(home) - bare
    ours = _bytes(REPO / "src", suffixes=(".py", ".toml", ".json"))
    biggest = sorted(
        (path for path in next(home.glob("lib/*/site-packages")).iterdir() if path.is_dir()),
        key=_bytes,
        reverse=True,
    )[:6]
    names = ", ".join(f"{path.name} {_bytes(path) / 1e6:.0f}" for path in biggest)
    shutil.rmtree(home)
    return Row(
        work,
        LABRYS,
        cpu=cost.cpu,
        peak=cost.peak,
        note=f"{how}, {cost.wall:.0f} s wall; {pinned / 1e6:.0f} MB of packages without compiled "
        f"modules ({names} MB) and {ours / 1e6:.1f} MB of ours",
    )


def _bytes(folder: Path, suffixes: tuple[str, ...] = ()) -> int:
    """What the files below a folder take on disk."""
    return sum(
        path.stat().st_blocks * 512
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix != ".pyc"
        if not suffixes or path.suffix in suffixes
    )

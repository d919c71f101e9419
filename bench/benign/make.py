"""Writes the office's logs: `python -m bench.benign.make FOLDER [--days 7] [--seed 1]`."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from bench.benign import aws, linux, tenant, windows
from bench.benign.scene import LINUX, WINDOWS, Calendar


def write(folder: Path, *, days: int = 7, seed: int = 1) -> None:
    """The same seed and days give the same bytes."""
    for name, text in _files(Calendar(days), seed):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def hosts() -> int:
    """How many machines there are."""
    return len(WINDOWS) + len(LINUX)


def _files(calendar: Calendar, seed: int) -> Iterator[tuple[str, str]]:
    yield from windows.each(seed, calendar, WINDOWS)
    yield from linux.each(seed, calendar)
    yield from aws.each(seed, calendar)
    yield from tenant.each(seed, calendar)


def main() -> None:
    """Write the logs of so many days."""
    parser = argparse.ArgumentParser(prog="python -m bench.benign.make", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    write(asked.folder, days=asked.days, seed=asked.seed)


if __name__ == "__main__":
    main()

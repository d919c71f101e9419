"""Writes the office's logs: `python -m bench.benign.make FOLDER [--days 7] [--seed 1]`."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from bench.benign import aws, intrusion, linux, tenant, windows
from bench.benign.intrusion import Days
from bench.benign.scene import LINUX, WINDOWS, Calendar


def write(
    folder: Path, *, days: int = 7, seed: int = 1, attacked: Days | None = None
) -> dict[str, dict[int, str]]:
    """The same seed and days give the same bytes. Where the office is `attacked` (step by step on
    these days): the step of each event of the attack, by file and offset."""
    made: dict[str, dict[int, str]] = {}
    for name, text, marks in _files(Calendar(days), seed, attacked):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if marks:
            made[name] = marks
    return made


def hosts() -> int:
    """How many machines there are."""
    return len(WINDOWS) + len(LINUX)


def _files(
    calendar: Calendar, seed: int, attacked: Days | None
) -> Iterator[tuple[str, str, dict[int, str]]]:
    yield from windows.each(
        seed, calendar, WINDOWS, intrusion.plays(attacked) if attacked else None
    )
    for part in (linux, aws, tenant):
        for name, text in part.each(seed, calendar):
            yield name, text, {}


def main() -> None:
    """Write the logs of so many days."""
    parser = argparse.ArgumentParser(prog="python -m bench.benign.make", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--attacked", action="store_true", help="with an intrusion on day 5")
    parser.add_argument("--over", type=int, default=1, help="so many days, step by step")
    asked = parser.parse_args()
    attacked = intrusion.spread(asked.over, asked.seed) if asked.attacked else None
    write(asked.folder, days=asked.days, seed=asked.seed, attacked=attacked)


if __name__ == "__main__":
    main()

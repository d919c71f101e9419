"""How a benchmark of names shows what it found: shares with intervals, tables in Markdown."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.data import Skipped
from bench.measure import REPO

SHARED: Final = REPO.parent / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of a table."""

    what: str
    cells: tuple[str, ...]


def interval(hits: int, count: int) -> str:
    """A share with its 95 % interval (Wilson 1927)."""
    if not count:
        return "-"
    z, share = 1.96, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    return f"{100 * share:.2f} % ({hits:,}/{count:,}; {100 * max(0, middle - half):.2f}-{100 * min(1, middle + half):.2f})"


def table(title: str, columns: Sequence[str], rows: Sequence[Shown]) -> None:
    """Print a table in Markdown."""
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {row.what} | {' | '.join(row.cells)} |")
    sys.stdout.flush()


def found(name: str) -> Path:
    """A file of the shared data; Skipped where it is not there."""
    path = SHARED / name
    if not path.is_file():
        raise Skipped(f"{name} is not in ../shared/data beside the checkout")
    return path

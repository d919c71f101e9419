"""Which case a command is about, when the user does not say."""

import os
from collections.abc import Sequence
from pathlib import Path

from labrys.errors import LabrysError

SUFFIX = ".labrys"


class NoCase(LabrysError):
    """No case was named and none can be guessed."""


def for_scan(named: Path | None, paths: Sequence[Path]) -> Path:
    """Where a scan keeps its case: as named, or beside the user under the evidence's name."""
    chosen = named or _from_environment()
    if chosen is not None:
        return chosen
    first = paths[0].resolve().name or "evidence"
    return Path(f"{first.lstrip('.') or 'evidence'}{SUFFIX}")


def existing(named: Path | None) -> Path:
    """The case to look into: as named, or the one scanned last in this folder."""
    chosen = named or _from_environment()
    if chosen is not None:
        return chosen
    ledgers = sorted(Path().glob(f"*{SUFFIX}/ledger.sqlite"), key=lambda path: path.stat().st_mtime)
    if not ledgers:
        raise NoCase(
            f"no case here (a folder *{SUFFIX}); run `labrys scan PATH` first, or give --lake DIR"
        )
    return ledgers[-1].parent


def _from_environment() -> Path | None:
    value = os.environ.get("LABRYS_LAKE")
    return Path(value) if value else None

"""Which case a command is about, when the user does not say."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer

from labrys.errors import LabrysError

SUFFIX: Final = ".labrys"
_LEDGER: Final = "ledger.sqlite"


class NoCase(LabrysError):
    """No case was named and none can be guessed."""


def evidence(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The paths, all of which there must be; a case of ours is not evidence."""
    for path in paths:
        if not os.path.lexists(path):
            raise typer.BadParameter(f"no such file or folder: {path}")
        if (path / _LEDGER).is_file() and (path / "lake").is_dir():
            raise typer.BadParameter(
                f"{path} is a case, not evidence: `labrys incidents --lake {path}` shows it"
            )
    return tuple(paths)


def for_scan(named: str, paths: Sequence[Path]) -> Path:
    """Where a scan keeps its case: as named, or beside the user under the evidence's name."""
    if named:
        return Path(named)
    first = paths[0].resolve().name or "evidence"
    return Path(f"{first.lstrip('.') or 'evidence'}{SUFFIX}")


def existing(named: Path | None) -> Path:
    """The case to look into: as named, or the one scanned last in this folder."""
    from labrys.settings import load

    settings = load({"lake": str(named) if named else None})
    if settings.lake:
        folder = Path(settings.lake)
        if not (folder / _LEDGER).exists():
            raise NoCase(f"{folder}: no labrys case here; `labrys scan` makes one")
        return folder
    ledgers = sorted(Path().glob(f"*{SUFFIX}/{_LEDGER}"), key=lambda path: path.stat().st_mtime)
    if not ledgers:
        raise NoCase(
            f"no case here (a folder *{SUFFIX}); run `labrys scan PATH` first, or give --lake DIR"
        )
    return ledgers[-1].parent

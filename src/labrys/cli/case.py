"""Which case a command is about, when the user does not say."""

from collections.abc import Sequence
from pathlib import Path

from labrys.errors import LabrysError

SUFFIX = ".labrys"


class NoCase(LabrysError):
    """No case was named and none can be guessed."""


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
        return Path(settings.lake)
    ledgers = sorted(Path().glob(f"*{SUFFIX}/ledger.sqlite"), key=lambda path: path.stat().st_mtime)
    if not ledgers:
        raise NoCase(
            f"no case here (a folder *{SUFFIX}); run `labrys scan PATH` first, or give --lake DIR"
        )
    return ledgers[-1].parent

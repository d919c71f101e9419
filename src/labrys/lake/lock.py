"""The right to write to a case: one process at a time has it."""

import fcntl
from pathlib import Path
from typing import IO

from labrys.lake.ledger import CaseError

_held: set[Path] = set()
"""Cases that this process writes to: a file lock does not hold against its own process."""


def take(path: Path) -> IO[bytes]:
    """The right to write; CaseError where another has it or the folder cannot be written.

    A record lock, unlike flock, dies with its process, not with its forks.
    """
    busy = f"{path}: another labrys is writing to this case; wait for it, or use another --lake"
    resolved = path.resolve()
    if resolved in _held:
        raise CaseError(busy)
    try:
        stream = (path / "lock").open("ab")
    except OSError as error:
        raise CaseError(f"{path}: cannot be written ({error.strerror}); copy the case") from error
    try:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as reason:
        stream.close()
        raise CaseError(busy) from reason
    _held.add(resolved)
    return stream


def release(path: Path, lock: IO[bytes]) -> None:
    """Let others write."""
    _held.discard(path.resolve())
    lock.close()

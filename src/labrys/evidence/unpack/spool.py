"""Writes what is unpacked to a scratch folder, hashing it on the way, until a limit or the end."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from labrys.evidence.unpack.limits import Account, Broken, Chunk, Stop

_CHECK_DISK_EVERY: Final = 64 << 20
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Kept:
    """An unpacked file; `trouble` says why it ends where it does, when that is not its end."""

    path: Path
    digest: str
    size: int
    trouble: str | None
    last: bool


class DiskFull(Stop):
    """No room is left to unpack to; nothing half-written stays."""


def keep(chunks: Iterator[Chunk], spool: Path, account: Account) -> Kept:
    """Write `chunks` to a new file in `spool`; what comes before damage or a limit is kept.

    Raises `DiskFull`, and leaves no file, when the disk is full or nearly so.
    """
    try:
        handle, name = tempfile.mkstemp(prefix="unpacked-", dir=spool)
    except OSError as error:
        raise _full(error, spool) from error
    digest = sha256()
    try:
        trouble, last = _copy(chunks, handle, digest.update, spool, account)
        size = os.fstat(handle).st_size
    except BaseException:
        Path(name).unlink()
        raise
    finally:
        os.close(handle)
    return Kept(Path(name), digest.hexdigest(), size, trouble, last)


def _copy(
    chunks: Iterator[Chunk],
    handle: int,
    hashed: Callable[[bytes], None],
    spool: Path,
    account: Account,
) -> tuple[str | None, bool]:
    """Why the copy ends before the end, and whether nothing more at all may be unpacked."""

    def write(data: bytes) -> int:
        hashed(data)
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(handle, left) :]
        except OSError as error:
            raise _full(error, spool) from error
        return len(data)

    size = checked = 0
    try:
        for data, consumed in chunks:
            if size >= checked:
                _check_disk(spool, account)
                checked = size + _CHECK_DISK_EVERY
            account.chunk(len(data), size + len(data), consumed)
            size += write(data)
    except Broken as broken:
        write(broken.rest)
        return broken.reason, False
    except DiskFull:
        raise
    except Stop as stop:
        return stop.reason, True
    return None, False


def _full(error: OSError, spool: Path) -> Stop:
    if error.errno in _FULL:
        return DiskFull(f"the disk of {spool} is full")
    return DiskFull(f"cannot write to {spool}: {error.strerror}")


def _check_disk(spool: Path, account: Account) -> None:
    free = shutil.disk_usage(spool).free
    if free < account.limits.min_free_disk_bytes:
        raise DiskFull(f"the disk of {spool} is nearly full: {free} bytes are left")

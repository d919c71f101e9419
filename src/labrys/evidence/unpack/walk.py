"""Finds every regular file below the paths a user named, in an order that never changes."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from labrys.evidence.unpack.limits import Problem

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


def discover(paths: Sequence[Path]) -> Iterator[Path | Problem]:
    """Every regular file at or below `paths`, each once, folders in the order of their names.

    A symbolic link is followed when the user named it, never when it lies inside a folder: what
    it points to inside `paths` is read at its own place, anything else becomes a `Problem`. So
    loops cannot happen, and evidence cannot make us read files that are none. Paths come out as
    the user gave them, with the rest of the way appended.
    """
    roots = [_real(path) for path in paths]
    done: set[Path] = set()
    for path, root in zip(paths, roots, strict=True):
        if root.exists() and (root in done or any(parent in done for parent in root.parents)):
            continue
        yield from _below(path, root, roots, done)
        done.add(root)


def _below(path: Path, root: Path, roots: list[Path], done: set[Path]) -> Iterator[Path | Problem]:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        yield _problem(path, error)
        return
    if not stat.S_ISDIR(mode):
        yield _file(path, mode)
        return
    pending: list[tuple[Path, Path]] = [(path, root)]
    while pending:
        folder, real = pending.pop()
        try:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            yield _problem(folder, error)
            continue
        below: list[tuple[Path, Path]] = []
        for name in names:
            child, real_child = folder / name, real / name
            if real_child in done:
                continue
            found = _look(child, roots)
            if found is child and child.is_dir():
                below.append((child, real_child))
            elif found is not None:
                yield found
        pending.extend(reversed(below))


def _real(path: Path) -> Path:
    try:
        return Path(os.path.realpath(path))
    except ValueError:  # a null character: there is no such file, which is said later
        return path


def _look(child: Path, roots: list[Path]) -> Path | Problem | None:
    """What a folder's entry is: itself, a problem, or nothing when it is read elsewhere."""
    try:
        mode = child.lstat().st_mode
        if not stat.S_ISLNK(mode):
            return child if stat.S_ISDIR(mode) else _file(child, mode)
        target = Path(os.path.realpath(child))
        if not target.exists():
            return Problem(text(str(child)), 0, "a symbolic link to nothing")
    except OSError as error:
        return _problem(child, error)
    if any(target == root or root in target.parents for root in roots):
        return None
    return Problem(
        text(str(child)), 0, "a symbolic link out of the given paths: name its target to read it"
    )


def _file(path: Path, mode: int) -> Path | Problem:
    if stat.S_ISREG(mode):
        return path
    kind = next((kind for test, kind in _KINDS if test(mode)), "not a regular file")
    return Problem(text(str(path)), 0, f"{kind}: copy its content into a file to read it")


def _problem(path: Path, error: OSError | ValueError) -> Problem:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Problem(text(str(path)), 0, f"cannot be opened: {reason}")


def text(name: str) -> str:
    """A file name as text that can be stored anywhere: bytes that are no UTF-8 are shown in hex."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

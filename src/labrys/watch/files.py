"""Which files are there, which have grown, and what of them is to be read next.

A file is known by its device and inode, so that a renamed one (log rotation) is read to its end
under the name it had. One that became shorter, or whose last bytes are others than those that were
read, is a new content. Whether it can be read in pieces, its reader says (`evidence.growth`); one
that cannot is read when it has rested for a while.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labrys.evidence.growth import MOST, Known, Piece
from labrys.evidence.unpack.limits import Problem
from labrys.evidence.unpack.walk import discover, text

_CHECKED: Final = 64
"""So many of the last bytes that were read are compared before reading on."""
_OPEN: Final = 256
"""So many files are kept open, so that a removed one can still be read to its end."""


@dataclass(slots=True)
class File:
    """One file that is watched; `read` bytes of it are in the case, or will be with what is asked.

    `way`: how it is read, `pieces`, `whole` or "" while that is not known.
    """

    path: Path
    name: str
    size: int
    mtime_ns: int
    inode: int
    way: str = ""
    read: int = 0
    number: int = 0
    link: bytes = b""
    head: tuple[int, int] = (0, 0)
    format: str = ""
    asked: bool = False
    tried: tuple[int, str] = (-1, "")
    """Up to which size, and in which way (`Piece.last`), a piece was asked for last."""
    doubt: bool = False
    """It has changed while a piece was being read: whether it is still the same must be seen."""
    gone: bool = False
    moved: bool = False
    tail: bytes = b""
    grew: float = 0.0
    handle: int = -1

    @property
    def rest(self) -> int:
        """How many bytes are still to be read."""
        return self.size - self.read

    def opened(self) -> str:
        """A path by which another process reads this very file, whatever it is called now."""
        if self.handle >= 0 and sys.platform == "linux":
            return f"/proc/{os.getpid()}/fd/{self.handle}"
        return str(self.path)

    def again(self) -> None:
        """It has a new content: nothing of it has been read."""
        self.read = self.number = 0
        self.link, self.head, self.format, self.way, self.tail = b"", (0, 0), "", "", b""
        self.tried = (-1, "")


class Files:
    """The files below some paths, as they were when last looked at.

    `writing` says of a file that is read as a whole whether it must wait, although it rests.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        settle: float,
        own: tuple[str, ...],
        writing: Callable[[Path], bool] = lambda _: False,
    ) -> None:
        self._paths, self._settle, self._own = tuple(paths), settle, own
        self._writing = writing
        self._known: dict[tuple[int, int], File] = {}
        self._said: set[str] = set()
        self.look_seconds = 0.0
        self._begun = time.monotonic()

    def look(self) -> Iterator[File | Problem]:
        """New files (to be compared with the case by the caller), and what cannot be read."""
        begun = time.monotonic()
        seen: set[tuple[int, int]] = set()
        for item in discover(self._paths):
            name = text(str(item)) if isinstance(item, Path) else item.name
            if name.startswith(self._own):
                continue
            if isinstance(item, Problem):
                if name not in self._said:
                    self._said.add(name)
                    yield item
                continue
            try:
                stat = item.stat()
            except OSError:  # it has just gone: its content is perhaps elsewhere
                continue
            key = (stat.st_dev, stat.st_ino)
            seen.add(key)
            file = self._known.get(key)
            if file is None:
                file = File(item, name, stat.st_size, stat.st_mtime_ns, stat.st_ino)
                file.grew = begun
                self._known[key] = file
                yield file
            else:
                self._changed(file, item, name, stat, begun)
        self._missing(seen)
        self.look_seconds = time.monotonic() - begun

    def due(self, *, ending: bool = False) -> Iterator[File]:
        """Files of which something is to be read now; `ending`: nothing will be written any more."""
        for file in self._known.values():
            if file.asked or file.rest <= 0:
                continue
            last = self._last(file, ending=ending)
            if file.way != "whole":
                if file.tried != (file.size, last):
                    yield file
            elif last and (ending or not self._writing(file.path)):
                yield file

    def piece(self, file: File, known: tuple[Known, ...], *, ending: bool = False) -> Piece:
        """What to read of a file next."""
        last = self._last(file, ending=ending)
        more = file.rest > MOST  # then the next piece is asked for at once
        file.asked, file.tried = True, (-1, "") if more else (file.size, last)
        self._open(file)
        return Piece(
            start=file.read,
            end=file.size,
            number=file.number,
            link=file.link,
            head=file.head,
            format=file.format,
            last=last,
            known=known if file.read == 0 else (),
        )

    def _last(self, file: File, *, ending: bool) -> str:
        """How surely what is there now is complete (`Piece.last`)."""
        rests = time.monotonic() - file.grew >= self._settle
        over = rests and (file.moved or file.gone)
        return "end" if ending or over else "line" if rests else ""

    def was_read(self, file: File, end: int) -> None:
        """Everything up to `end` is read."""
        file.read = end
        if file.handle >= 0:
            begin = max(0, end - _CHECKED)
            with suppress(OSError):
                file.tail = os.pread(file.handle, end - begin, begin)

    def close(self) -> None:
        """Let all files go."""
        for file in self._known.values():
            self._let_go(file)

    @property
    def quiet(self) -> float:
        """For how many seconds nothing has grown."""
        latest = max((file.grew for file in self._known.values()), default=self._begun)
        return time.monotonic() - max(latest, self._begun)

    def _changed(self, file: File, path: Path, name: str, stat: os.stat_result, now: float) -> None:
        file.path, file.moved = path, name != file.name
        if (stat.st_size, stat.st_mtime_ns) != (file.size, file.mtime_ns):
            file.grew, file.doubt = now, True
            file.size, file.mtime_ns = stat.st_size, stat.st_mtime_ns
        if not file.doubt or file.asked:
            return
        file.doubt = False
        if file.way == "whole":
            file.read = 0
        elif file.size < file.read or not self._same(file):
            file.again()

    def _same(self, file: File) -> bool:
        """Whether what was read last is still there: a log may be emptied and grow past it."""
        if not file.tail or file.handle < 0:
            return True
        try:
            return os.pread(file.handle, len(file.tail), file.read - len(file.tail)) == file.tail
        except OSError:
            return True

    def _missing(self, seen: set[tuple[int, int]]) -> None:
        for key in [key for key in self._known if key not in seen]:
            file = self._known[key]
            file.gone = True
            if file.asked:
                continue
            waits = file.way == "pieces" and file.rest > 0 and file.tried[1] != "end"
            if file.handle >= 0 and waits:
                continue  # its rest is read through what is open
            self._let_go(file)
            del self._known[key]

    def _open(self, file: File) -> None:
        if file.handle >= 0:
            return
        with suppress(OSError):
            handle = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
            if os.fstat(handle).st_ino == file.inode:
                file.handle = handle
            else:
                os.close(handle)
        opened = [each for each in self._known.values() if each.handle >= 0 and not each.asked]
        if len(opened) > _OPEN:
            self._let_go(min(opened, key=lambda each: each.grew))

    def _let_go(self, file: File) -> None:
        if file.handle >= 0:
            os.close(file.handle)
            file.handle = -1

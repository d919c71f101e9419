"""Opens one file of the user's: itself when it is plain, all that is in it when it is packed.

What a file is shows in its first bytes; its name is never believed. Names inside archives are
only ever names: everything is unpacked to files of our own naming in one scratch folder.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Final

from labrys.evidence.records import Source
from labrys.evidence.unpack import decode, sevenzips, tars, zips
from labrys.evidence.unpack.limits import (
    Account,
    Broken,
    Chunk,
    Limits,
    Member,
    Problem,
    Stop,
)
from labrys.evidence.unpack.spool import keep
from labrys.evidence.unpack.walk import text

_MAGICS: Final = {
    decode.GZIP: "gzip",
    decode.XZ: "xz",
    decode.ZSTD: "zstd",
    decode.LZ4: "lz4",
    zips.LOCAL: "zip",
    zips.EMPTY: "zip",
    sevenzips.MAGIC: "7z",
}
_BZIP2_BLOCKS: Final = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
_FOREIGN: Final = {
    b"Rar!\x1a\x07": "a RAR archive",
    b"MSCF\x00\x00\x00\x00": "a Windows cabinet",
    b"\x1f\x9d": "a compress (.Z) file",
}
_MAILBOX: Final = b"!BDN"
_NO_READER: Final = (
    "is an Outlook mailbox (.pst, .ost): install labrys[pst], or export it to mbox "
    "(`readpst -o DIR FILE`) and scan that"
)
_UNPACK: Final = "unpack it and scan what was in it"
_EXTENSIONS: Final = {
    "gzip": {".gz": "", ".tgz": ".tar", ".gzip": ""},
    "bzip2": {".bz2": "", ".tbz2": ".tar", ".tbz": ".tar"},
    "xz": {".xz": "", ".txz": ".tar"},
    "zstd": {".zst": "", ".zstd": "", ".tzst": ".tar"},
    "lz4": {".lz4": ""},
}
_HEAD: Final = 512
_MAX_NAME: Final = 4_096


def open_sources(
    path: Path,
    name: str,
    spool: Path,
    limits: Limits | None = None,
    account: Account | None = None,
) -> Iterator[Source | Problem]:
    """The evidence in the file at `path`, which the user calls `name`, and what is unreadable.

    A plain file is one `Source`, empty ones too. Of a compressed file or an archive everything
    inside is one, however deeply nested, called `name!/inner/path`; it lies in `spool` and is the
    caller's to `discard` once read. Part of a damaged file is yielded as far as it could be read,
    followed by the `Problem`. Never raises for what the file holds. `account` counts what is
    unpacked, where something else is to be counted with it.
    """
    try:
        info = path.stat()
        account = account or Account(limits or Limits(), info.st_size)
        item = _Item(path, text(name), None, info.st_size, info.st_mtime_ns // 1_000_000)
        yield from _open(item, spool, account, 0)
    except Stop as stop:
        yield Problem(text(name), 0, stop.reason)
    except OSError as error:
        yield Problem(text(name), 0, f"cannot be read: {error.strerror or error}")


def discard(source: Source, spool: Path) -> None:
    """Delete what `open_sources` unpacked to `spool` for this source; the user's files stay."""
    if source.path.parent == spool:
        source.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Item:
    """A file to look into; `digest` is known for what was unpacked."""

    path: Path
    name: str
    digest: str | None
    size: int
    modified: int | None
    enclosed: bool = False


def _open(item: _Item, spool: Path, account: Account, depth: int) -> Iterator[Source | Problem]:
    """Yields what is in an item; one unpacked only to be opened is deleted afterwards."""
    is_evidence = False
    try:
        with item.path.open("rb") as file:
            head = file.read(_HEAD)
            kind = _kind(head)
            if kind in _FOREIGN.values():
                yield Problem(item.name, 0, f"is {kind}: {_UNPACK}")
                return
            if head.startswith(_MAILBOX) and find_spec("pypff") is None:
                # Said here and not by the reader, so that the next scan tries again.
                yield Problem(item.name, 0, _NO_READER)
                return
            file.seek(0)
            try:
                members = _members(file, kind, item, account.limits)
            except Broken as broken:
                yield Problem(item.name, 0, broken.reason)
                return
            if members is not None:
                if depth >= (most := account.limits.max_depth):
                    yield Problem(item.name, 0, f"packed more than {most} times over: not opened")
                else:
                    yield from _inside(item, members, spool, account, depth)
                return
            file.seek(0)
            digest = item.digest or file_digest(file, "sha256").hexdigest()
        is_evidence = True
        yield Source(
            item.path, item.name, digest, item.size, item.modified, False, depth, item.enclosed
        )
    finally:
        if item.digest is not None and not is_evidence:
            item.path.unlink(missing_ok=True)


def _inside(
    item: _Item, members: Iterator[Member], spool: Path, account: Account, depth: int
) -> Iterator[Source | Problem]:
    names: dict[str, int] = {}
    try:
        for member in members:
            account.member()
            name = _name(item.name, member.name, names)
            kept = keep(member.chunks, spool, account)
            if kept.trouble is not None and not kept.size:
                kept.path.unlink()  # not a byte of it could be read, so it is not an empty file
            else:
                modified = item.modified if member.modified is None else member.modified
                inner = _Item(kept.path, name, kept.digest, kept.size, modified, item.enclosed)
                yield from _open(inner, spool, account, depth + 1)
            if kept.last:
                raise Stop(f"{kept.trouble} (in {name})")
            if kept.trouble is not None:
                yield Problem(name, kept.size, kept.trouble)
    except Broken as broken:
        yield Problem(item.name, 0, broken.reason)


class Enclosed:
    """Takes files that a reader found in `source`, within the limits; afterwards `sources` has them.

    `account` is that of the file of the user's in which all of it lies.
    """

    def __init__(self, source: Source, spool: Path, account: Account) -> None:
        self._source, self._spool, self._account = source, spool, account
        self._names: dict[str, int] = {}
        self._left: list[_Item] = []
        self._problems: list[Problem] = []
        self._full = False

    def leave(self, name: str, pieces: Iterable[bytes]) -> None:
        """Keep one file; never raises for what it holds or for want of room."""
        if self._full:
            return
        try:
            self._account.member()
            name = _name(self._source.name, name, self._names)
            kept = keep(_counted(pieces), self._spool, self._account)
        except Stop as stop:
            self._stop(self._source.name, stop.reason)
            return
        modified = self._source.modified
        self._left.append(_Item(kept.path, name, kept.digest, kept.size, modified, enclosed=True))
        if kept.trouble is not None:
            self._problems.append(Problem(name, kept.size, kept.trouble))
        self._full = kept.last

    def sources(self) -> Iterator[Source | Problem]:
        """The evidence in the files that were left, as `open_sources` has it."""
        yield from self._problems
        try:
            while self._left:
                yield from _open(
                    self._left.pop(0), self._spool, self._account, self._source.depth + 1
                )
        except Stop as stop:
            yield Problem(self._source.name, 0, stop.reason)
        finally:
            for item in self._left:
                item.path.unlink(missing_ok=True)

    def _stop(self, name: str, reason: str) -> None:
        self._full = True
        self._problems.append(Problem(name, 0, reason))


def _counted(pieces: Iterable[bytes]) -> Iterator[Chunk]:
    read = 0
    for piece in pieces:
        read += len(piece)
        yield Chunk(piece, read)


def _name(outer: str, inner: str, names: dict[str, int]) -> str:
    """What to call a file inside another; the second of one name gets `#2` behind it."""
    inner = text(inner)
    if len(inner) > _MAX_NAME:
        inner = inner[:_MAX_NAME] + "…"
    names[inner] = count = names.get(inner, 0) + 1
    return f"{outer}!/{inner}" if count == 1 else f"{outer}!/{inner}#{count}"


def _kind(head: bytes) -> str | None:
    """What a file that has to be unpacked is; None for everything else."""
    for magic, kind in (*_MAGICS.items(), *_FOREIGN.items()):
        if head.startswith(magic):
            return kind
    if head.startswith(decode.BZIP2) and head[4:10] in _BZIP2_BLOCKS:
        return "bzip2"
    if head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F:
        return "zstd"
    return "tar" if tars.is_tar(head) else None


def _members(
    file: BinaryIO, kind: str | None, item: _Item, limits: Limits
) -> Iterator[Member] | None:
    """The files in an opened file of that kind; None when it is to be read as it is."""
    if kind is None:
        return None
    if kind == "zip":
        return zips.members(file, limits)
    if kind == "tar":
        return tars.members(file)
    if kind == "7z":
        return sevenzips.members(file, limits)
    chunks = decode.compressed(file, kind, limits.max_dictionary_bytes)
    return iter((Member(_stem(item.name, kind), item.modified, chunks),))


def _stem(name: str, kind: str) -> str:
    """What a compressed file's content is called: its name without what compressing added."""
    last = name.replace("\\", "/").rpartition("/")[2]
    stem, dot, extension = last.rpartition(".")
    becomes = _EXTENSIONS[kind].get(dot + extension.lower())
    return last if becomes is None or not stem else stem + becomes

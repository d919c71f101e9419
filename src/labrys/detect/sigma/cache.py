"""Keeps compiled rules between runs: parsing thousands of rules takes seconds, loading them none.

The cache is a folder of the user's own, private to them: `LABRYS_CACHE`, else `labrys` in the XDG
cache folder. A listing (path, size and times of every rule file) tells without reading them that
rules are unchanged; the compiled form itself is named by the digest of their content. What is
damaged, foreign or of another version is rebuilt; where nothing can be written, nothing is kept.
"""

import contextlib
import gc
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec

from labrys import __version__
from labrys.detect.sigma.ir import FORM, RuleSet
from labrys.detect.sigma.listing import RuleFile, digest_of, printable, rule_files, texts_of

Seen = tuple[tuple[str, int, int, int], ...]

_MAGIC: Final = b"labrys cache 1\n"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_LARGEST: Final = 1 << 30
_MOST_FILES: Final = 60
_MOST_BYTES: Final = 2 << 30
_HOUR: Final = 3600
_UNSETTLED_NS: Final = 100_000_000
"""A file changed this recently could change again without its times telling."""


class _Listing(msgspec.Struct, array_like=True):
    """What the rule files looked like, and the digest of what they hold."""

    files: Seen
    digest: str


def load(
    paths: Iterable[str | os.PathLike[str]], placeholders: Mapping[str, Sequence[str]] | None = None
) -> RuleSet:
    """The compiled rules of these files and folders, from the cache where they are unchanged.

    `placeholders` gives the user's list for each `%name%`. Raises `RuleError` where a path cannot
    be read.
    """
    tops = [os.fspath(path) for path in paths]
    lists = {name: list(values) for name, values in (placeholders or {}).items()}
    found = rule_files(tops)
    seen = tuple((printable(one.path), one.size, one.modified_ns, one.changed_ns) for one in found)
    asked = msgspec.json.encode([list(map(printable, tops)), sorted(lists.items()), _code()])
    name = f"{hashlib.sha256(asked).hexdigest()[:40]}.listing"
    listing = _decoded(_Listing, blob(name))
    if listing is not None and listing.files == seen:
        rules = _kept(listing.digest)
        if rules is not None:
            return rules
    rules = _from_content(found, lists)
    if all(one.changed_ns < time.time_ns() - _UNSETTLED_NS for one in found):
        put_blob(name, msgspec.msgpack.encode(_Listing(seen, rules.digest)))
    return rules


def blob(name: str) -> bytes | None:
    """What `put_blob` kept under this name, unharmed; None where there is nothing such."""
    path = _path(name)
    if path is None:
        return None
    try:
        with path.open("rb") as stream:
            if not _ours(os.fstat(stream.fileno())):
                return None
            head = stream.read(len(_MAGIC) + hashlib.sha256().digest_size)
            content = stream.read(_LARGEST)
        if time.time() - path.stat().st_mtime > _HOUR:
            os.utime(path)
    except OSError:
        return None
    intact = head == _MAGIC + hashlib.sha256(content).digest()
    return content if intact else None


def put_blob(name: str, content: bytes) -> bool:
    """Keep bytes under a name (letters, digits, `.`, `_`, `-`); whether that was possible.

    Readers see the old content or the new, never a part. The least recently used make room.
    """
    path = _path(name)
    if path is None:
        return False
    try:
        handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(_MAGIC + hashlib.sha256(content).digest())
            stream.write(content)
        Path(temporary).replace(path)
        _make_room(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        return False
    return True


def folder() -> Path:
    """Where the cache is, whether it exists or not."""
    chosen = os.environ.get("LABRYS_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "labrys"


def _from_content(found: Sequence[RuleFile], lists: Mapping[str, Sequence[str]]) -> RuleSet:
    """The rules by what their files hold: compiled, unless the very same were before."""
    texts = texts_of(found)
    digest = digest_of(texts, lists)
    rules = _kept(digest)
    if rules is None:
        from labrys.detect.sigma.parse import compile_texts  # half a second: only when needed

        rules = compile_texts(texts, lists)
        put_blob(_rules_name(digest), msgspec.msgpack.encode(rules))
    return rules


def _kept(digest: str) -> RuleSet | None:
    rules = _decoded(RuleSet, blob(_rules_name(digest)))
    return rules if rules is not None and rules.digest == digest else None


def _rules_name(digest: str) -> str:
    return f"{digest[:40]}-{_code()[:8]}.rules"


def _decoded(kind: type[Any], content: bytes | None) -> Any:
    """A value as msgpack holds it; None where it holds something else."""
    if content is None:
        return None
    with _without_collector():
        try:
            return msgspec.msgpack.decode(content, type=kind)
        except (msgspec.DecodeError, RecursionError):
            return None


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Hundreds of thousands of small objects are made and none is garbage."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _path(name: str) -> Path | None:
    """Where a blob of this name lies; None where the folder cannot be made or is not private."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a cached blob: {name!r}")
    place = folder()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place / name if _ours(place.stat()) else None
    except (OSError, RuntimeError):
        return None


def _ours(stat: os.stat_result) -> bool:
    """Whether only the user could have written this: a planted cache would be run as their own."""
    if not hasattr(os, "geteuid"):
        return True
    return stat.st_uid == os.geteuid() and not stat.st_mode & 0o022


def _make_room(place: Path) -> None:
    """Remove what an interrupted run left, and the least recently used above the limits."""
    now = time.time()
    kept: list[tuple[float, int, Path]] = []
    for path in place.iterdir():
        stat = path.stat()
        if path.name.startswith("."):
            if now - stat.st_mtime > _HOUR:
                path.unlink(missing_ok=True)
        elif _NAME.fullmatch(path.name) and path.is_file():
            kept.append((stat.st_mtime, stat.st_size, path))
    kept.sort(reverse=True)
    total = 0
    for number, (_, size, path) in enumerate(kept):
        total += size
        if number and (number >= _MOST_FILES or total > _MOST_BYTES):
            path.unlink(missing_ok=True)


@cache
def _code() -> str:
    """What compiles: another version of it may compile otherwise."""
    here = files("labrys.detect.sigma")
    modules = [*here.joinpath("parse").iterdir(), here.joinpath("ir.py")]
    stamps = []
    for module in modules:
        if isinstance(module, Path) and module.suffix == ".py":
            stat = module.stat()
            stamps.append((module.name, stat.st_size, stat.st_mtime_ns))
    said = msgspec.json.encode([FORM, __version__, sorted(stamps)])
    return hashlib.sha256(said).hexdigest()

"""Finds and reads rule files, and names their content by a digest, without parsing them."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from labrys.detect.sigma.ir import FORM
from labrys.errors import RuleError

SUFFIXES: Final = (".yml", ".yaml")
LARGEST: Final = 16 << 20
"""Bytes a rule file may have."""

Text = tuple[str, bytes]
"""A rule file: its path as the user's path leads to it, and its content."""


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A rule file, and what tells that it has changed."""

    path: str
    size: int
    modified_ns: int
    changed_ns: int


def rule_files(paths: Iterable[str | os.PathLike[str]]) -> list[RuleFile]:
    """Every rule file under the paths, each once, in a stable order; hidden ones are left out.

    Raises `RuleError` for a path that does not exist or a folder that cannot be listed.
    """
    found: dict[str, RuleFile] = {}
    for path in paths:
        top = os.fspath(path)
        try:
            listed = list(_below(top, set())) if os.path.isdir(top) else [_file(top, os.stat(top))]
        except OSError as error:
            raise RuleError(top, f"cannot be read: {error.strerror}") from error
        for file in listed:
            found.setdefault(os.path.abspath(file.path), file)
    return list(found.values())


def texts_of(files: Iterable[RuleFile]) -> list[Text]:
    """The files' contents, of one too large to be a rule its beginning; raises `RuleError`."""
    return [(printable(file.path), _content(file.path)) for file in files]


def printable(path: str) -> str:
    """A path as text that can be written anywhere: bytes that are no UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def digest_of(texts: Iterable[Text], placeholders: Mapping[str, Sequence[str]]) -> str:
    """What the compiled form of these files depends on, as a SHA-256 in hex."""
    lists = {name: list(values) for name, values in placeholders.items()}
    digest = hashlib.sha256(FORM.encode() + orjson.dumps(lists, option=orjson.OPT_SORT_KEYS))
    for path, content in texts:
        digest.update(path.encode() + b"\0")
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _below(top: str, visited: set[str]) -> Iterator[RuleFile]:
    real = os.path.realpath(top)
    if real in visited:  # a link back to where we came from
        return
    visited.add(real)
    folders: list[str] = []
    files: list[RuleFile] = []
    with os.scandir(top) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.name.lower().endswith(SUFFIXES) and not entry.is_dir():
                files.append(_file(entry.path, entry.stat()))
            elif entry.is_dir():
                folders.append(entry.path)
    yield from sorted(files, key=lambda file: file.path)
    for folder in sorted(folders):
        yield from _below(folder, visited)


def _file(path: str, stat: os.stat_result) -> RuleFile:
    return RuleFile(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _content(path: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(LARGEST + 1)
    except OSError as error:
        raise RuleError(path, f"cannot be read: {error.strerror}") from error

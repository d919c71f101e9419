"""Finds the detectors: every folder here with a `detector.toml`, and plug-ins' (`labrys.detect`).

A detector's folder holds `detector.toml` (what it is, read without importing code) and, when
`kind = "window"`, `features.py` with `features(events)` and `score.py` with `score(rows)`, or, when
`kind = "row"`, `detect.py` with `detect(shape, batch)`.
"""

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

import pyarrow as pa

from labrys.errors import LabrysError
from labrys.guard import own


@dataclass(frozen=True, slots=True)
class RowFolder:
    """A row detector that is a folder (`labrys.detect.contract.RowDetector`)."""

    id: str
    title: str
    version: str
    digest: str
    reads: tuple[str, ...]
    techniques: tuple[str, ...]
    emits: tuple[str, ...]
    module: str
    kind: Literal["row"] = "row"

    def detect(self, shape: str, batch: pa.Table) -> pa.Table:
        """The findings in a table of one shape."""
        return import_module(f"{self.module}.detect").detect(shape, batch)


@dataclass(frozen=True, slots=True)
class WindowFolder:
    """A window detector that is a folder (`labrys.detect.contract.WindowDetector`)."""

    id: str
    title: str
    version: str
    digest: str
    reads: str
    techniques: tuple[str, ...]
    module: str
    kind: Literal["window"] = "window"

    def features(self, events: Any) -> Any:
        """Ibis table of the view → Ibis table of features."""
        return import_module(f"{self.module}.features").features(events)

    def score(self, rows: pa.Table) -> pa.Table:
        """The feature rows → findings."""
        return import_module(f"{self.module}.score").score(rows)


Folder = RowFolder | WindowFolder


@cache
def detectors() -> tuple[Folder, ...]:
    """Every detector there is, each once, in the order of their ids; ours cannot be replaced."""
    found = {made.id: made for made in _plugged_in()}
    for folder in files("labrys.detect").iterdir():
        if (made := load(folder, f"labrys.detect.{folder.name}")) is not None:
            found[made.id] = made
    return tuple(found[key] for key in sorted(found))


def load(folder: Traversable, package: str) -> Folder | None:
    """The detector in a folder, None where it has no `detector.toml`; LabrysError if it is bad."""
    path = folder / "detector.toml"
    if not path.is_file():
        return None
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        shared: dict[str, Any] = {
            "id": _text(table["id"]),
            "title": _text(table["title"]),
            "version": _text(table["version"]),
            "digest": _with_own(
                table,
                _digest(folder, *(files("labrys.detect") / name for name in table.get("uses", ()))),
            ),
            "techniques": tuple(table.get("techniques", ())),
            "module": package,
        }
        if table["kind"] == "window":
            return WindowFolder(**shared, reads=_text(table["reads"]))
        if table["kind"] == "row":
            emits = tuple(table.get("emits", (table["id"],)))
            return RowFolder(**shared, reads=tuple(table["reads"]), emits=emits)
    except (KeyError, TypeError, ValueError) as error:
        raise LabrysError(f"{path}: not a detector description ({error!r})") from error
    raise LabrysError(f"{path}: kind is {table['kind']!r}; it must be row or window")


def _plugged_in() -> Iterator[Folder]:
    for entry in entry_points(group="labrys.detect"):
        if (made := load(files(entry.value), entry.value)) is not None:
            yield made


def _with_own(table: dict[str, Any], digest: str) -> str:
    """The digest with the user's own models that it may use (`own_model = true`, or those of others
    in `own_models_of`): where there is none, as it is."""
    names = [table["id"]] if table.get("own_model") else table.get("own_models_of", [])
    marks = b"".join(own.mark(name) for name in names)
    return hashlib.sha256(digest.encode() + marks).hexdigest() if marks else digest


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no text")
    return value


def _digest(*folders: Traversable) -> str:
    """Covers all that decides what is found: the description, the code, and the model's files; of
    the detector's folder and of those whose code it shares."""
    total = hashlib.sha256()
    for folder in folders:
        for name, content in sorted(_content(folder, "")):
            total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _content(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir() and entry.name == "model":
            yield from _content(entry, name + "/")
        elif entry.is_file() and _decides(name):
            yield name, entry.read_bytes()


def _decides(name: str) -> bool:
    """Tests, documents and training do not change what an installed detector finds."""
    if name.startswith(("test_", "train", "threat", "README")):
        return False
    return name.startswith("model/") or name.endswith((".py", ".toml"))

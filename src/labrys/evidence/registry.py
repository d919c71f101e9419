"""Finds the formats: every folder here with a `format.toml`, and plug-ins' (`labrys.evidence`).

A format folder holds `format.toml` (what it is, read without importing code), `read.py` with
`sniff(head, name) -> float` and `read(source) -> Iterator[(shape, RecordBatch)]`, and `ocsf.toml`
(which column of its shapes is which OCSF attribute).
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable

from labrys.evidence.records import Shaped, Source

SNIFF_BYTES = 64 << 10
"""How much of a file's beginning `sniff` is shown."""
SURE = 0.95
"""From this answer on no other format is asked."""
UNSURE = 0.5


@dataclass(frozen=True, slots=True)
class Format:
    """One evidence format, as its `format.toml` describes it.

    `unit` says what `_offset` counts (`byte` or `record`); `shapes` the shapes of its own events,
    with `*` where a part comes from the evidence; `version` changes when what it yields changes.
    """

    id: str
    title: str
    version: int
    unit: str
    shapes: tuple[str, ...]
    spec: tuple[str, ...]
    module: str
    magic: bytes = b""
    """What every file of the format begins with, and no other; it decides without `sniff`."""
    named: str = ""
    """An expression for the whole names of sources that nothing in them tells, e.g. raw numbers in
    an archive of a known kind; asked where no format knows the content."""
    mixed: bool = False
    """Whether a file of it may hold events of all other formats that say so, and of none."""
    generic: bool = False
    """Whether it is for what no other knows: it never answers more than `UNSURE`."""
    grows: str = ""
    """How files of it grow: `lines`, `objects` (of JSON, one a line); empty: they do not."""
    replays: str = ""
    """What a reader of a later piece must see again: the `head` of the file, the `last` lines."""

    def sniff(self, head: bytes, name: str) -> float:
        """How surely `head`, the first bytes of a file called `name`, is this format: 0 to 1."""
        return float(import_module(self.module).sniff(head, name))

    def read(self, source: Source) -> Iterator[Shaped]:
        """The source's events in bounded memory; a bad record becomes an `unparsed` row."""
        reader: Callable[[Source], Iterator[Shaped]] = import_module(self.module).read
        return reader(source)

    def whole(self, data: bytes) -> int:
        """How many of the bytes, which begin a record, are whole records: those up to a newline.

        A format of which that is not true says it itself, as `whole` in its `read.py`.
        """
        own: Callable[[bytes], int] | None = getattr(import_module(self.module), "whole", None)
        return own(data) if own is not None else data.rfind(b"\n") + 1


@cache
def formats() -> tuple[Format, ...]:
    """Every format there is, ours first, each once, in the order of their ids."""
    found = {made.id: made for made in _plugged_in()}
    for folder in files("labrys.evidence").iterdir():
        if (made := _load(folder, f"labrys.evidence.{folder.name}")) is not None:
            found[made.id] = made
    return tuple(found[key] for key in sorted(found))


def enclosed() -> Format:
    """The format of a file that came enclosed in a mail and that no other knows."""
    return next(made for made in formats() if made.id == "enclosed_file")


def choose(head: bytes, name: str, *, generic: bool = True) -> Format | None:
    """The format that claims `head` most surely; None when none claims it at all.

    Without `generic`, those for anything are not asked: they look longest.
    """
    for made in formats():
        if made.magic and head.startswith(made.magic):
            return made
    best, best_score = None, 0.0
    # Those for anything come last: they need not look when another is surer.
    for made in sorted(formats(), key=lambda made: made.generic):
        if best_score >= (UNSURE if made.generic else SURE) or (made.generic and not generic):
            break
        score = made.sniff(head, name)
        if score > best_score:
            best, best_score = made, score
    if best is None:
        named = (made for made in formats() if made.named and re.fullmatch(made.named, name))
        best = next(named, None)
    return best


def _plugged_in() -> Iterator[Format]:
    for entry in entry_points(group="labrys.evidence"):
        if (made := _load(files(entry.value), entry.value)) is not None:
            yield made


def _load(folder: Traversable, package: str) -> Format | None:
    path = folder / "format.toml"
    if not path.is_file():
        return None
    table = tomllib.loads(path.read_text("utf-8"))
    return Format(
        id=table["id"],
        title=table["title"],
        version=table["version"],
        unit=table["unit"],
        shapes=tuple(table["shapes"]),
        spec=tuple(table.get("spec", ())),
        module=f"{package}.read",
        magic=table.get("magic", "").encode("latin-1"),
        named=table.get("named", ""),
        mixed=table.get("mixed", False),
        generic=table.get("generic", False),
        grows=table.get("grows", ""),
        replays=table.get("replays", ""),
    )

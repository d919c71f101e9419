"""What can be queried in a case: a view for each shape and each OCSF class, in either dialect.

A shape's view is its name with underscores (`windows_sysmon_1`) and has the source's own columns;
a class's view is called as OCSF calls the class. Nothing here runs a query.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from labrys.lake.case import Case
from labrys.lake.ledger import Segment
from labrys.lake.segment import LEADING, SHAPE, Place
from labrys.ocsf.maps import mapping_for, maps
from labrys.ocsf.sql import Dialect, Relation, class_columns, class_sql, identifier, literal
from labrys.ocsf.vocabulary import BIGINT, TEXT, classes

Scan = Callable[[Sequence[Path], Sequence[str]], str]
"""(files, stored columns) → what an engine reads them by, after FROM."""
_NUMBERS: Final = ("_time", "_offset")


@dataclass(frozen=True, slots=True)
class View:
    """A view: `columns` name → type (`text`, `bigint`, `double`); `shapes` are where its rows are.

    `rows` is exact for a shape, and at most that many for a class. `uid` is 0 for a shape.
    """

    name: str
    uid: int
    columns: Mapping[str, str]
    shapes: tuple[str, ...]
    rows: int


@dataclass(slots=True)
class _Part:
    """Segments in which a shape's columns are stored under the same names."""

    files: list[Path] = field(default_factory=list)
    stored: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def takes(self, place: Place) -> bool:
        """Whether the place stores no column otherwise than the segments here do."""
        return all(
            self.stored.get(name, kept) == kept and self.sources.get(kept, name) == name
            for name, kept in place.columns
        )

    def add(self, file: Path, place: Place) -> None:
        """Take one more segment in."""
        self.files.append(file)
        self.stored.update(place.columns)
        self.sources.update((kept, name) for name, kept in place.columns)


class Views:
    """The views of a case as it is now."""

    def __init__(self, case: Case) -> None:
        segments = case.segments()
        shapes = case.shapes()
        self._parts = {shape: _parts(shape, segments) for shape in shapes}
        self._names = {shape: _column_names(made.columns) for shape, made in shapes.items()}
        self.by_name: dict[str, View] = {}
        for made in classes().values():
            if any(one.class_uid == made.uid for one in maps()):
                feeding = tuple(s for s in shapes if _has_class(s, made.uid))
                count = sum(shapes[shape].rows for shape in feeding)
                columns = class_columns(made.uid)
                self.by_name[made.name] = View(made.name, made.uid, columns, feeding, count)
        for shape, has in shapes.items():
            name = _free(re.sub(r"[^a-z0-9]+", "_", shape.lower()).strip("_"), self.by_name)
            columns = {column: _type(column) for column in (*LEADING.names, SHAPE)}
            columns |= {
                column: TEXT for column in self._names[shape].values() if column not in columns
            }
            self.by_name[name] = View(name, 0, columns, (shape,), has.rows)

    def find(self, name: str) -> View | None:
        """A view by its name, or a shape's by the shape's own name, in any case."""
        view = self.by_name.get(name.lower())
        if view is None:
            named = (v for v in self.by_name.values() if not v.uid and v.shapes[0] == name)
            view = next(named, None)
        return view

    def sql(self, view: View, dialect: Dialect, scan: Scan) -> str:
        """The SELECT behind a view."""
        if view.uid:
            relations = {
                shape: Relation(f"({self._shape_sql(shape, dialect, scan)}) AS s", names)
                for shape in view.shapes
                for names in [self._names[shape]]
            }
            return class_sql(view.uid, relations, dialect)
        return self._shape_sql(view.shapes[0], dialect, scan)

    def like(self, name: str) -> str:
        """A sentence that names the views that `name` may have meant."""
        close = get_close_matches(name.lower(), self.by_name, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        return f"there is no view {name!r} in this case; {hint}`labrys hunt --explain-schema` lists them"

    def _shape_sql(self, shape: str, dialect: Dialect, scan: Scan) -> str:
        names = self._names[shape]
        selects = []
        for part in self._parts[shape]:
            columns = [identifier(name, dialect) for name in (*LEADING.names, SHAPE)]
            for source, view_name in names.items():
                if source in LEADING.names:
                    continue
                stored = part.stored.get(source)
                text_type = "VARCHAR" if dialect == "duckdb" else "STRING"
                value = identifier(stored, dialect) if stored else f"CAST(NULL AS {text_type})"
                columns.append(f"{value} AS {identifier(view_name, dialect)}")
            rows = scan(part.files, [*LEADING.names, SHAPE, *part.stored.values()])
            where = f"{identifier(SHAPE, dialect)} = {literal(shape, dialect)}"
            selects.append(f"SELECT {', '.join(columns)} FROM {rows} WHERE {where}")  # noqa: S608 quoted above
        return " UNION ALL ".join(selects)


def _has_class(shape: str, class_uid: int) -> bool:
    return any(made.class_uid == class_uid for made in mapping_for(shape))


def _type(column: str) -> str:
    return BIGINT if column in _NUMBERS else TEXT


def _parts(shape: str, segments: Sequence[Segment]) -> list[_Part]:
    """Nearly always one part; two when names that differ in case only clash in some segments."""
    parts: list[_Part] = []
    for segment in segments:
        place = segment.places.get(shape)
        if place is None:
            continue
        part = next((part for part in parts if part.takes(place)), None)
        if part is None:
            part = _Part()
            parts.append(part)
        part.add(segment.file, place)
    return parts


def _column_names(columns: Sequence[str]) -> dict[str, str]:
    """The view's name of each source column: engines ignore case, so `data` beside `Data` differs."""
    taken = dict.fromkeys((*LEADING.names, SHAPE), "")
    names = {}
    for column in columns:
        name = _free(column or "unnamed", taken)
        taken[name.lower()] = name
        names[column] = name
    return {**{name: name for name in LEADING.names}, **names}


def _free(name: str, taken: Mapping[str, object]) -> str:
    """`name`, or `name_2` and so on when it is taken."""
    number, free = 1, name
    while free.lower() in taken:
        number += 1
        free = f"{name}_{number}"
    return free

"""Which columns of a shape are read, and what is said of where a text stands (`places.toml`)."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import pyarrow as pa

_MOST_COLUMNS: Final = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Columns of a shape and what each is; `any`: all others too. `tasks`: where people write to
    people, so that a request for an assistant is odd. `lines`: so many rows in a row
    may hold one order."""

    columns: Mapping[str, str]
    any: bool
    tasks: bool
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    lines: int

    def of(self, batch: pa.Table) -> Iterator[tuple[str, str]]:
        """The columns of a table to be read, and what each is."""
        names = batch.column_names[:_MOST_COLUMNS] if self.any else self.columns
        for name in names:
            if name in batch.column_names and not name.startswith("_"):
                kind = batch.schema.field(name).type
                text = kind.value_type if pa.types.is_dictionary(kind) else kind
                if pa.types.is_string(text) or pa.types.is_large_string(text):
                    yield name, self.columns.get(name, f"field {name} of a record")


@cache
def places() -> Mapping[str, Place]:
    """By shape."""
    text = (files("labrys.detect.prompt_injection") / "places.toml").read_text("utf-8")
    return {
        shape: Place(
            said.get("columns", {}),
            bool(said.get("any")),
            bool(said.get("tasks")),
            tuple(said.get("techniques", ())),
            tuple(said.get("tactics", ("execution",))),
            int(said.get("lines", 1)),
        )
        for shape, said in tomllib.loads(text)["shape"].items()
    }

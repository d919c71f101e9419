"""The OCSF 1.8 classes and attribute types that maps and views are written in, as data.

Source: OCSF schema 1.8, https://schema.ocsf.io; kept in `classes.toml` and `attributes.toml`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

TEXT: Final = "text"
BIGINT: Final = "bigint"
DOUBLE: Final = "double"


@dataclass(frozen=True, slots=True)
class OcsfClass:
    """One event class; `name` is also the name of its view."""

    uid: int
    name: str
    category: str


@cache
def classes() -> Mapping[int, OcsfClass]:
    """Every known class by its uid."""
    return {
        int(uid): OcsfClass(int(uid), name, category)
        for category, members in data("classes.toml").items()
        for uid, name in members.items()
    }


@cache
def class_named(name: str) -> OcsfClass | None:
    """The class whose view is called `name`."""
    return next((made for made in classes().values() if made.name == name), None)


@cache
def attribute_type(path: str) -> str:
    """`text`, `bigint` or `double`: the type of an attribute, by its path or its last name."""
    types = _types()
    return types.get(path) or types.get(path.rpartition(".")[2]) or TEXT


def column_name(path: str) -> str:
    """The view's column of an attribute: `process.cmd_line` → `process_cmd_line`."""
    return path.replace(".", "_")


@cache
def _types() -> Mapping[str, str]:
    return {path: kind for kind, paths in data("attributes.toml").items() for path in paths}


def data(name: str) -> dict[str, Any]:
    """A table of this package."""
    return tomllib.loads(files("labrys.ocsf").joinpath(name).read_text("utf-8"))

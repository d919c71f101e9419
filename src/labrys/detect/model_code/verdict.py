"""Decides of one name, and what is done with it, whether a model has any business with it.

By a list of what is allowed, never by a list of what is bad alone: those never end. Classes of known
packages may be made without their constructor; to be called, a name must be known to do no harm.
"""

import sys
import tomllib
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import Final

_MAKERS: Final = frozenset(
    ("cloudpickle.cloudpickle._make_function", "cloudpickle.cloudpickle._make_skeleton_class",
     "dill._dill._create_function", "dill._dill._create_type", "types.FunctionType")
)  # fmt: skip


class Verdict(IntEnum):
    """How a name stands, from harmless to harmful."""

    ALLOWED = 0
    OWN_CODE = 1
    UNKNOWN = 2
    DANGEROUS = 3


@dataclass(frozen=True, slots=True)
class _Table:
    allowed: frozenset[str]
    storages: tuple[str, ...]
    torch_types: frozenset[str]
    types: frozenset[str]
    made: tuple[str, ...]
    called: tuple[str, ...]
    constructed: frozenset[str]
    never: tuple[str, ...]
    numpy: frozenset[str]
    named: tuple[str, ...]
    dangerous: tuple[str, ...]
    dangerous_names: frozenset[str]
    words: frozenset[str]


def verdict(name: str, how: frozenset[str], *, carries_code: bool) -> Verdict:
    """How `name` (module and dotted name) stands, given how it is used (`evidence.pickle.facts.Use.how`).

    `carries_code`: whether the stream makes code objects, of which functions are then made.
    """
    table = _table()
    if name in _MAKERS:
        return Verdict.OWN_CODE if carries_code else Verdict.UNKNOWN
    if _harmful(name, table):
        return Verdict.DANGEROUS
    if name in table.allowed or _of_torch(name, table) or _method(name, table):
        return Verdict.ALLOWED
    if _class_allowed(name, how, table) or (how <= {"named"} and _function_allowed(name, table)):
        return Verdict.ALLOWED
    root = name.partition(".")[0]
    return Verdict.DANGEROUS if root in _STANDARD and root != "__main__" else Verdict.UNKNOWN


def telling(words: list[str]) -> list[str]:
    """Those of the names that carried code uses which say that it does more than compute."""
    known = _table().words
    return [word for word in dict.fromkeys(words) if word in known]


_STANDARD: Final = frozenset((*sys.stdlib_module_names, "__builtin__", "commands", "exceptions"))


def _harmful(name: str, table: _Table) -> bool:
    if name in table.dangerous_names or _below(name, table.dangerous):
        return name not in table.allowed
    parts = name.split(".")[1:]
    return any(
        part.startswith("__") and part.endswith("__") and name not in table.allowed
        for part in parts
    )


def _class_allowed(name: str, how: frozenset[str], table: _Table) -> bool:
    last = name.rpartition(".")[2]
    if _below(name, table.never):
        return False
    if last.startswith("__pyx_unpickle_"):
        return _below(name, table.made)
    if not last.lstrip("_")[:1].isupper():
        return False
    if name in table.constructed:
        return True
    return _below(name, table.called if "called" in how else table.made)


def _function_allowed(name: str, table: _Table) -> bool:
    package, _, last = name.rpartition(".")
    if package == "numpy":
        return last in table.numpy
    return _below(name, table.named) and last.isidentifier() and not _below(name, table.never)


def _of_torch(name: str, table: _Table) -> bool:
    root, _, last = name.partition(".")
    if root != "torch" or "." in last:
        return name.startswith(("torch.storage.", "torch.cuda.")) and last.endswith(table.storages)
    return last.endswith(table.storages) or last in table.torch_types


def _method(name: str, table: _Table) -> bool:
    parts = name.split(".")
    return (
        len(parts) == 3
        and parts[0] in ("builtins", "__builtin__")
        and parts[1] in table.types
        and not parts[2].startswith("_")
    )


def _below(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in packages)


@cache
def _table() -> _Table:
    text = (files("labrys.detect.model_code") / "names.toml").read_text("utf-8")
    read = tomllib.loads(text)
    allowed, classes, dangerous = read["allowed"], read["classes"], read["dangerous"]
    return _Table(
        allowed=frozenset(allowed["names"]),
        storages=tuple(allowed["torch_storages"]),
        torch_types=frozenset(allowed["torch_types"]),
        types=frozenset(allowed["types"]),
        made=tuple(classes["made"]),
        called=tuple(classes["called"]),
        constructed=frozenset(classes["constructed"]),
        never=tuple(classes["never"]),
        numpy=frozenset(read["named"]["numpy"]),
        named=tuple(read["named"]["modules"]),
        dangerous=tuple(dangerous["modules"]),
        dangerous_names=frozenset(dangerous["names"]),
        words=frozenset(dangerous["words"]),
    )

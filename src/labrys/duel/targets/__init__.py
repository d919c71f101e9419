"""Labrys' own models as targets: a module each, found by its name; `target(attacks, seed)`."""

from importlib import import_module
from importlib.resources import files

from labrys.duel.target import Target
from labrys.errors import LabrysError


def names() -> list[str]:
    """Those there are."""
    found = (each.name for each in files(__name__).iterdir())
    return sorted(
        name.removesuffix(".py")
        for name in found
        if name.endswith(".py") and not name.startswith(("_", "test_"))
    )


def target(name: str, *, attacks: int, seed: int) -> Target:
    """One of them, with so many attacks to begin with; LabrysError where there is none."""
    if name not in names():
        raise LabrysError(f"no model {name!r} to attack; there are {', '.join(names())}")
    made: Target = import_module(f"{__name__}.{name}").target(attacks, seed)
    return made

"""The lists of names in `lists.toml`: data, so that what mail is told by can be read in one place."""

import tomllib
from functools import cache
from importlib.resources import files


def words(name: str) -> frozenset[str]:
    """The list of that name."""
    return frozenset(_lists()[name])


@cache
def _lists() -> dict[str, list[str]]:
    return tomllib.loads(files("labrys.evidence.mail").joinpath("lists.toml").read_text("utf-8"))

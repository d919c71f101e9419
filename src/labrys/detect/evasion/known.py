"""What the shells themselves know (`known.toml`), read once."""

import tomllib
from importlib.resources import files
from typing import Any, Final

KNOWN: Final[dict[str, Any]] = tomllib.loads(
    (files("labrys.detect.evasion") / "known.toml").read_text("utf-8")
)
VARIABLES: Final[dict[str, str]] = KNOWN["variables"]
PROGRAMS: Final = frozenset(KNOWN["programs"]["windows"])
PATHS: Final[tuple[str, ...]] = tuple(KNOWN["programs"]["posix"])
GRAMMAR: Final[dict[str, str]] = KNOWN["grammar"]

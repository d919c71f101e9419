"""What the detector knows without a model: names and words, as data (`known.toml`)."""

import tomllib
from importlib.resources import files
from typing import Any, Final

KNOWN: Final[dict[str, Any]] = tomllib.loads(
    (files("labrys.detect.mail") / "known.toml").read_text("utf-8")
)

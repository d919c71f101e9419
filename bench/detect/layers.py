"""The layers of detection that can be taken away one at a time, and how a scan goes without them."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from bench.data import Skipped

_DETECTORS: Final = {"evasion": ("evasion*",), "rarity": ("rare*", "rarity*")}
LAYERS: Final = ("public", "ours", *_DETECTORS, "graph", "names")
"""Public rules (SigmaHQ's), our own rules, evasion-proof matching, rarity, the joining, and the files,
hashes, links and domains that it joins by."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """All layers but one (or all of them): its name is the column's in the table."""

    without: str = ""

    @property
    def name(self) -> str:
        """The heading of its column."""
        return f"without {self.without}" if self.without else "all layers"

    @property
    def joined(self) -> bool:
        """Whether incidents are what triage made; else each finding stands alone."""
        return self.without != "graph"

    @property
    def scan(self) -> "Configuration":
        """The configuration whose scan gives the findings of this one."""
        return Configuration() if self.without in ("graph", "names") else self

    def arguments(self, public: Path) -> list[str]:
        """What `labrys scan` is told; Skipped where there is no such layer."""
        made = [] if self.without == "public" else ["--rules", str(public)]
        if self.without == "ours":
            made.append("--no-own-rules")
        patterns = _DETECTORS.get(self.without, ())
        if not patterns:
            return made
        kept = [name for name in _installed() if not _any(name, patterns)]
        if len(kept) == len(_installed()):
            raise Skipped(f"no detector of the layer {self.without} is installed")
        return [*made, *(word for name in ("sigma", *kept) for word in ("--only", name))]


def rarity(detector: str) -> bool:
    """Whether a finding only says how unusual something is."""
    return _any(detector, _DETECTORS["rarity"])


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _installed() -> list[str]:
    from labrys.detect.registry import detectors

    return [made.id for made in detectors()]

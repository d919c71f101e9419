"""Finds evidence files and opens compressed files and archives, safely and in bounded space."""

from labrys.evidence.unpack.archive import Enclosed, discard, open_sources
from labrys.evidence.unpack.limits import Limits, Problem
from labrys.evidence.unpack.walk import discover

__all__ = ["Enclosed", "Limits", "Problem", "discard", "discover", "open_sources"]

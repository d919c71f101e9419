"""Findings → incidents: entity graph, correlation, ranking, explanation."""

from labrys.triage.folded import FOLDED
from labrys.triage.join import Triage, incidents

__all__ = ["FOLDED", "Triage", "incidents"]

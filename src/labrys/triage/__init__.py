"""Findings → incidents: entity graph, correlation, ranking, explanation."""

from labrys.triage.join import FOLDED, Triage, incidents

__all__ = ["FOLDED", "Triage", "incidents"]

"""What people decide about findings and incidents: exceptions, verdicts, what belongs together."""

from labrys.decisions.exclusion import Exclusion, hidden
from labrys.decisions.lessons import Lessons, lessons
from labrys.decisions.store import Decisions, Regrouping, Verdict, kept, opened

__all__ = [
    "Decisions",
    "Exclusion",
    "Lessons",
    "Regrouping",
    "Verdict",
    "hidden",
    "kept",
    "lessons",
    "opened",
]

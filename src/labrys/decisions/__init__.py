"""What people decide about findings and incidents: exceptions and verdicts, kept with the case."""

from labrys.decisions.exclusion import Exclusion, hidden
from labrys.decisions.store import Decisions, Verdict, kept, opened

__all__ = ["Decisions", "Exclusion", "Verdict", "hidden", "kept", "opened"]

"""Where records rest and are queried: Parquet segments, a ledger, and the engines over them."""

from labrys.lake.case import Case
from labrys.lake.ledger import CaseError, Found, Segment, SourceRow

__all__ = ["Case", "CaseError", "Found", "Segment", "SourceRow"]

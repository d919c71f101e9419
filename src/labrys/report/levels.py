"""How severity and confidence are called."""

from typing import Final

SEVERITY: Final = {
    1: "Informational",
    2: "Low",
    3: "Medium",
    4: "High",
    5: "Critical",
}
PRIORITY: Final = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4}
"""OCSF `priority_id` of a severity."""


def confidence(score: int) -> tuple[int, str]:
    """OCSF `confidence_id` and its caption for a score from 0 to 100."""
    if score < 34:
        return 1, "Low"
    return (2, "Medium") if score < 67 else (3, "High")

"""Counts what was skipped, by reason, so that a million bad packets are one row each kind."""

from labrys.evidence.records import Records


class Tally:
    """How often something happened, and where it did first."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, int]] = {}

    def note(self, reason: str, offset: int, count: int = 1) -> None:
        """Something was not read, `count` times from byte `offset` of the file on."""
        if count:
            before, first = self._kinds.get(reason, (0, offset))
            self._kinds[reason] = (before + count, first)

    def count(self, reason: str) -> int:
        """How often it has happened so far."""
        return self._kinds.get(reason, (0, 0))[0]

    def into(self, records: Records) -> None:
        """One `unparsed` row for each reason, its number in front."""
        for reason, (count, first) in self._kinds.items():
            records.unparsed(first, f"{count} × {reason}" if count > 1 else reason)
        self._kinds = {}

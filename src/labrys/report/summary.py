"""What a scan read, could not read and ran: the part of a report that says how far to trust it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SourceRead:
    """One piece of evidence: its name as given, its format (empty: none knew it), what it gave."""

    name: str
    format: str = ""
    size: int = 0
    records: int = 0
    unparsed: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read or done, `count` times; `offset` -1 where it has none."""

    source: str
    reason: str
    offset: int = -1
    count: int = 1


@dataclass(frozen=True, slots=True)
class DetectorRun:
    """A detector that ran: with how many rules or models, on how many records, with what result."""

    id: str
    version: str = ""
    rules: int = 0
    records: int = 0
    findings: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RuleRejected:
    """A rule that was not loaded; `waiting` when it only needs a list that the user must give."""

    path: str
    title: str
    reason: str
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything a report says beside findings and incidents. Times in epoch milliseconds, UTC.

    `shapes` counts records by shape; `seconds` is the CPU time of each stage; `omitted` says in
    sentences what was deliberately left out (a format switched off, an exception that hid hits);
    `copies` names, for a source that was read, others with the same content.
    """

    version: str = ""
    case: str = ""
    time_start: int | None = None
    time_end: int | None = None
    sources: tuple[SourceRead, ...] = ()
    shapes: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    detectors: tuple[DetectorRun, ...] = ()
    rejected: tuple[RuleRejected, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    omitted: tuple[str, ...] = ()
    copies: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """How many records were read, unreadable ones not counted."""
        return sum(count for shape, count in self.shapes.items() if shape != "unparsed")

    @property
    def unparsed(self) -> int:
        """How many records could not be understood."""
        return max(self.shapes.get("unparsed", 0), sum(each.unparsed for each in self.sources))

    @property
    def inconclusive(self) -> bool:
        """Whether something was unreadable, so that silence about it means nothing."""
        return (
            bool(self.problems)
            or self.unparsed > 0
            or any(not each.format for each in self.sources)
        )


def verdict(summary: Summary, incidents: int) -> str:
    """The honest line above every report: what was found, and what that does not prove."""
    found = f"{counted(incidents, 'incident')} found" if incidents else "No incident found"
    if not summary.inconclusive:
        proof = " with the rules and detectors that ran; that is no proof of absence"
        return f"{found}{'' if incidents else proof}."
    parts = []
    if summary.unparsed:
        parts.append(f"{counted(summary.unparsed, 'record')} could not be read")
    unknown = sum(not each.format for each in summary.sources)
    if unknown:
        parts.append(f"{counted(unknown, 'file')} of no known format")
    if summary.problems:
        parts.append(f"{counted(sum(each.count for each in summary.problems), 'problem')} met")
    unread = "; ".join(parts)
    return f"{found}, but the result is inconclusive: {unread}. That part is unknown, not clean."


def counted(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"

"""Rows of results, and how they are printed."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

LABRYS: Final = "labrys"


@dataclass(frozen=True, slots=True)
class Row:
    """One measured piece of work; what does not apply is None.

    `ratio`: how many times labrys's CPU per event (per run where there are no events) this took.
    `equal`: `yes`, `no` or `-`, and `note` says what was compared.
    """

    work: str
    tool: str
    cpu: float | None = None
    events: int | None = None
    ratio: float | None = None
    peak: float | None = None
    tree: float | None = None
    equal: str = "-"
    note: str = ""

    @property
    def wrong(self) -> bool:
        """Whether labrys itself gave an answer that differs from the reference."""
        return self.tool.startswith(LABRYS) and self.equal.startswith("no")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


_HEADS: Final = (
    "work",
    "tool",
    "CPU s",
    "events/CPU s",
    "ratio",
    "peak MB",
    "tree MB",
    "answers equal",
)


def printed(rows: Iterable[Row]) -> str:
    """The table as text, its notes below it."""
    rows = list(rows)
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    cells = [_HEADS, *(_cells(row, notes) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEADS))]
    lines = [_line(line, widths) for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    lines.extend(f"  [{number}] {note}" for number, note in enumerate(notes, 1))
    return "\n".join(lines)


def per_event(row: Row, ours: Row) -> float | None:
    """CPU of `row` per event by that of `ours`."""
    if row.cpu is None or not ours.cpu or not row.events or not ours.events:
        return None
    return (row.cpu / row.events) / (ours.cpu / ours.events)


def _cells(row: Row, notes: Sequence[str]) -> tuple[str, ...]:
    rate = row.events / row.cpu if row.events and row.cpu else None
    mark = f" [{notes.index(row.note) + 1}]" if row.note else ""
    return (
        row.work,
        row.tool,
        _number(row.cpu),
        "-" if rate is None else f"{rate:,.0f}",
        "-"
        if row.ratio is None
        else f"{row.ratio:,.2f}×"
        if row.ratio < 10
        else f"{row.ratio:,.0f}×",
        "-" if row.peak is None else f"{row.peak:,.0f}",
        "-" if row.tree is None else f"{row.tree:,.0f}",
        row.equal + mark,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if value < 10 else f"{value:,.1f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = [cells[i].ljust(widths[i]) for i in (0, 1)]
    right = [cells[i].rjust(widths[i]) for i in range(2, len(cells) - 1)]
    return "  ".join([*left, *right, cells[-1]]).rstrip()

"""A measured figure, and how figures of several configurations are printed side by side."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table.

    `value` counts among `of` independent units where `of` is given; `unit` says what they are.
    `target` is what the row must reach, in words; `against` names the units that speak against us
    (missed files, flagged benign events), for whoever wants to mend that.
    """

    measure: str
    value: float | None
    of: int | None = None
    unit: str = ""
    target: str = ""
    against: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The value as people read it."""
        if self.value is None:
            return "-"
        number = f"{self.value:,.0f}" if float(self.value).is_integer() else f"{self.value:,.2f}"
        if self.of is None:
            return number
        return f"{number}/{self.of:,}" + (f" {self.value / self.of:.1%}" if self.of else "")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def table(columns: Mapping[str, Sequence[Figure]]) -> str:
    """Figures of each configuration as columns, one line for each measure."""
    measures: dict[str, Figure] = {}
    for figures in columns.values():
        for figure in figures:
            measures.setdefault(figure.measure, figure)
    by_name = {
        name: {figure.measure: figure for figure in figures} for name, figures in columns.items()
    }
    lines = [("measure", *columns, "target", "unit")]
    for name, first in measures.items():
        cells = [found[name].shown if name in found else "-" for found in by_name.values()]
        lines.append((name, *cells, first.target, first.unit))
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    printed = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    printed.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(printed)


def details(figures: Iterable[Figure]) -> str:
    """The units that speak against us, under each measure that has some."""
    lines: list[str] = []
    for figure in figures:
        if figure.against:
            lines.append(f"  {figure.measure}:")
            lines.extend(f"    {name}" for name in figure.against)
    return "\n".join(lines)

"""`labrys duel … --harden`: a model that withstands what the duel showed, and what that costs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from labrys.cli import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from labrys.duel.evasion.fight import Asked
    from labrys.duel.outcome import Outcome


def run(
    names: list[str], model: str, data: Path | None, threat: Path | None, out: Path | None,
    asked: "Asked", attacks: int, *, quiet: bool,
) -> None:  # fmt: skip
    """Harden one model and tell the price; `out` is where a model of the user's own is written."""

    def say(step: str) -> None:
        if not quiet:
            sys.stderr.write(shown(f"labrys: {step}\n"))

    typer.echo(shown(as_text(_hardened(names, model, data, threat, out, asked, attacks, say))))


def _hardened(
    names: list[str], model: str, data: Path | None, threat: Path | None, out: Path | None,
    asked: "Asked", attacks: int, say: "Callable[[str], None]",
) -> "Outcome":  # fmt: skip
    from labrys.duel import harden, harden_table, tabular

    if model:
        if data is None or threat is None or out is None or names:
            raise typer.BadParameter("--harden takes --data, --threat and --out with --model")
        return harden_table.harden(model, data, tabular.threat(threat), out, say)
    if len(names) != 1:
        raise typer.BadParameter(f"--harden takes one of {', '.join(harden.NAMES_OF)}")
    return harden.harden(names[0], asked, attacks, say)


def as_text(made: "Outcome") -> str:
    """What hardening came to, for a terminal."""
    lines = [f"{made.attack} of {made.target}", f"  {made.rules}"]
    for table in made.tables:
        lines += ["", f"  {table.title}"]
        every = [table.columns, *table.rows]
        widths = [max(len(row[at]) for row in every) for at in range(len(table.columns))]
        for row in every:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(f"    {'  '.join(cells)}".rstrip())
    lines += ["", *(f"  {note}" for note in made.notes)]
    if made.sure:
        lines.append(f"  sure: {made.sure}")
    return "\n".join(lines)

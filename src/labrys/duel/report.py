"""Duels as a person reads them: on a terminal, or as JSON; `page.py` makes one page for those who
decide. What an attack shows may be hostile: it is escaped."""

from collections.abc import Iterator, Sequence

import msgspec

from labrys.duel import taxonomy
from labrys.duel.history import compared
from labrys.duel.outcome import Outcome, Table

Pairs = Sequence[tuple[Outcome, Outcome | None]]
"""Outcomes, each with the last one of its kind."""


def as_json(done: Pairs) -> bytes:
    """One JSON document: a list of outcomes, each with what changed since the one before, and what
    its techniques, risks and mitigations mean."""
    rows = []
    for one, before in done:
        names = (*one.techniques, *one.risks, *mitigations(one))
        rows.append(
            {
                **msgspec.to_builtins(one),
                "since": compared(before, one) if before else [],
                "mitigations": mitigations(one),
                "meaning": {uid: taxonomy.meaning(uid) for uid in names},
            }
        )
    return msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n"


def as_text(done: Pairs) -> str:
    """For a terminal."""
    return "\n".join("\n".join(_lines(one, before)) for one, before in done) + "\n"


def mitigations(one: Outcome) -> list[str]:
    """The ATLAS mitigations that answer an attack."""
    return sorted({uid for _, entry in taxonomy.of(one.attack) for uid in entry.mitigations})


def share(one: Outcome) -> str:
    """How often the attack wins, with bounds, as a summary says it."""
    if not one.chief:
        return "nothing was played"
    bounds = one.bounds.get(one.chief)
    within = f" ({bounds[0]:.0%} to {bounds[1]:.0%})" if bounds else ""
    return f"{one.figures[one.chief]:.0%}{within}, {one.chief}"


def _lines(one: Outcome, before: Outcome | None) -> Iterator[str]:
    yield f"{one.attack} of {one.target} {one.version}".rstrip()
    yield f"  {one.rules}"
    if one.who:
        yield f"  who can: {one.who}"
    yield from (f"  {note}" for note in one.notes)
    if one.chief:
        yield f"  it comes to: {share(one)}" + (f"; {one.cost}" if one.cost else "")
    for table in one.tables:
        yield f"  {table.title}"
        yield from (f"    {line}" for line in _columns(table))
    for example in one.examples[:1]:
        yield f"  before: {example.before}"
        yield f"  after:  {example.after}"
        yield f"          ({example.title})"
    if one.sure:
        yield f"  sure: {one.sure}"
    if before is not None:
        yield from (f"  since the last duel: {each}" for each in compared(before, one))
    yield f"  known as: {', '.join((*one.techniques, *one.risks))}"
    if not one.complete:
        yield "  interrupted: this is what was played until then"


def _columns(table: Table) -> Iterator[str]:
    rows = (table.columns, *table.rows)
    widths = [max(len(row[at]) for row in rows) for at in range(len(table.columns))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

"""`labrys guard drift`: whether what a model sees in a case is like what it was made for."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labrys.cli import shown
from labrys.cli.options import AsJson
from labrys.cli.stream import say

if TYPE_CHECKING:
    from labrys.guard.drift import Drift, Reference
    from labrys.lake.case import Case

_SHOWN = 8
_MOST_SOURCES = 200
_MOST_ROWS = 100_000
"""Things of one source that are looked at; more tell nothing more."""
_WIDE = 20
_FULL = 0.5
"""A PSI of which the bar is full."""
_REST = "(all smaller sources)"


def command(
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="As `list` names it.")],
    case: Annotated[
        Path | None, typer.Argument(metavar="CASE", help="The case; by default the last one.")
    ] = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Compare with this case from now on, as what is usual here."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare what a model sees in a case with what it was made for.

    Exit code 1: what it sees has drifted, so that its scores say less than its card promises.
    """
    from labrys.guard.drift import compared

    columns = _columns(detector, case)
    if keep:
        _keep(detector, columns)
        return
    known = _reference(detector)
    found = [compared(known, made, source) for source, made in columns.items()]
    if as_json:
        import msgspec

        held = {"detector": detector, "reference": _about(known), "sources": found}
        say(msgspec.json.format(msgspec.json.encode(held)).decode() + "\n")
    else:
        say(shown("".join(_lines(detector, known, found))))
    if any(each.alarm for each in found):
        raise typer.Exit(1)


def _about(known: "Reference") -> dict[str, Any]:
    return {"source": known.source, "rows": known.rows}


def _lines(detector: str, known: "Reference", found: "list[Drift]") -> Iterator[str]:
    yield f"{detector}: made for {known.rows} things ({known.source})\n"
    if not found:
        yield "nothing of what it reads is in the case\n"
    for each in found:
        state = "ALARM: it drifted" if each.alarm else "no alarm"
        yield f"\n{each.source}: {each.rows} things, {state}\n"
        for one in each.numbers[:_SHOWN]:
            bar = "█" * min(round(_WIDE * one.psi / _FULL), _WIDE)
            yield f"  {one.name:<18} {bar:<{_WIDE}} PSI {one.psi:6.3f}  KS {one.ks:.3f}  {one.state}\n"
        rest = len(each.numbers) - _SHOWN
        if rest > 0:
            yield f"  and {rest} numbers that moved less\n"


def _columns(detector: str, case: Path | None) -> "dict[str, dict[str, Any]]":
    """For each source what the model sees of it; sources with few things are put together."""
    from labrys.cli.case import existing
    from labrys.lake.case import Case

    with Case.open(existing(case), create=False, write=False) as held:
        return _gathered(detector, held)


def _gathered(detector: str, case: "Case") -> "dict[str, dict[str, Any]]":
    import numpy as np

    from labrys.guard.drift import LEAST

    parts: dict[str, list[dict[str, Any]]] = {}
    counts: dict[str, int] = {}
    for table in _watched(detector, case):
        source = np.array(table["_source"].to_pylist(), object)
        made = {
            name: table[name].to_numpy() for name in table.column_names if name != "_source"
        }  # fmt: skip
        for one in dict.fromkeys(source.tolist()):
            if counts.get(one, 0) < _MOST_ROWS:
                mine = source == one
                parts.setdefault(one, []).append({n: c[mine] for n, c in made.items()})
                counts[one] = counts.get(one, 0) + int(mine.sum())
    most = sorted(counts, key=lambda one: -counts[one])[:_MOST_SOURCES]
    large = [one for one in most if counts[one] >= LEAST]
    grouped = {case.named(one) or one: parts[one] for one in large}
    small = [each for one, some in parts.items() if one not in large for each in some]
    if small:
        grouped[_REST] = small
    return {
        source: {name: np.concatenate([each[name] for each in some]) for name in some[0]}
        for source, some in grouped.items()
    }


def _watched(detector: str, case: "Case") -> "Iterator[Any]":
    from importlib import import_module

    from labrys.errors import ModelError

    try:
        held = import_module(f"labrys.detect.{_name(detector)}.watched")
    except ModuleNotFoundError as error:
        raise ModelError(f"{detector!r} has no model that can be watched") from error
    for segment in case.segments():
        for shape in segment.places:
            if held.reads(shape):
                table = held.watched(shape, case.read(segment, shape))
                if table.num_rows:
                    yield table


def _name(detector: str) -> str:
    from labrys.errors import ModelError

    if not detector.replace("_", "").isalnum():
        raise ModelError(f"{detector!r} is no detector")
    return detector


def _place(detector: str) -> Path:
    from labrys.guard.keys import home

    return home() / "references" / f"{_name(detector)}.json"


def _keep(detector: str, columns: "dict[str, dict[str, Any]]") -> None:
    """Keep what is in the case as what is usual here."""
    import msgspec
    import numpy as np

    from labrys.errors import LabrysError
    from labrys.guard.drift import LEAST, reference

    every = list(columns.values())
    made = (
        {name: np.concatenate([each[name] for each in every]) for name in every[0]} if every else {}
    )
    held = reference(made, "your own, kept earlier")
    if held.rows < LEAST:
        raise LabrysError(f"{held.rows} things are too few to say what is usual; at least {LEAST}")
    path = _place(detector)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(held))
    draft.replace(path)
    say(shown(f"{detector}: {held.rows} things are what is usual here from now on ({path})\n"))


def _reference(detector: str) -> "Reference":
    """The user's own reference where he kept one, else that of the card of the model in use."""
    import json

    from labrys.guard.drift import of_card
    from labrys.guard.in_use import card_of

    path = _place(detector)
    if path.is_file():
        try:
            return of_card({"reference": json.loads(path.read_bytes())}, str(path))
        except ValueError as error:
            from labrys.errors import ModelError

            raise ModelError(f"{path}: not a reference; remove it ({error})") from error
    return of_card(card_of(detector), detector)

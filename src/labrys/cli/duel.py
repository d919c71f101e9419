"""`labrys duel`: attack a model as an adversary with a budget would, and tell how often that works."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labrys.cli import shown
from labrys.cli.stream import opened

if TYPE_CHECKING:
    from labrys.duel.evasion.fight import Duel
    from labrys.duel.target import Target


class Access(StrEnum):
    """What the attacker is told."""

    SCORE = "score"
    LABEL = "label"


class Form(StrEnum):
    """How the result is written."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL…", help="Which of labrys' own models; `all` of them."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="A model of your own: LightGBM text, ONNX, or http://127.0.0.1:…")
    ] = "",
    data: Annotated[
        Path | None, typer.Option(help="Its data: Parquet, columns of numbers and a label.")
    ] = None,
    threat: Annotated[
        Path | None, typer.Option(help="TOML: what an attacker can do to each column.")
    ] = None,
    budget: Annotated[
        int, typer.Option(min=10, max=10_000, help="Questions that each attack may ask the model.")
    ] = 300,
    attacks: Annotated[
        int, typer.Option(min=1, max=1000, help="How many attacks to begin with.")
    ] = 30,
    access: Annotated[Access, typer.Option(help="What the attacker is told.")] = Access.SCORE,
    most_cost: Annotated[
        int, typer.Option("--cost", min=0, max=2, help="Only changes of at most this cost.")
    ] = 2,
    search: Annotated[
        list[str] | None, typer.Option("--search", help="Only this search; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same duel.")] = 1,
    form: Annotated[Form, typer.Option("--format", "-f", help="How to write it.")] = Form.TABLE,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Attack a model within a budget; report how often that wins, at what cost, with examples.

    Nothing leaves this machine, and nothing that is changed is ever run. Exit code 1: interrupted,
    the report is of what was played until then.
    """
    from functools import partial

    from labrys.duel import history, report
    from labrys.duel.evasion.fight import Asked, fight
    from labrys.duel.evasion.search import SEARCHES, Rules

    unknown = [each for each in search or () if each not in SEARCHES]
    if unknown:
        raise typer.BadParameter(f"no search {unknown[0]!r}; there are {', '.join(SEARCHES)}")
    asked = Asked(
        tuple(search or SEARCHES), Rules(budget, access.value, most_cost), seed
    )  # fmt: skip
    done: list[tuple[Duel, Duel | None]] = []
    for made in _targets(names or [], model, data, threat, attacks, seed):
        duel = fight(made, asked, partial(_note, made.name, quiet))
        done.append((duel, history.last(duel.target)))
        if duel.complete:
            history.keep(duel)
        else:
            break
    with opened(out) as stream:
        if form is Form.JSON:
            stream.write(report.as_json(done))
        else:
            stream.write(report.as_html(done) if form is Form.HTML else shown(report.as_text(done)))
    if not all(duel.complete for duel, _ in done):
        raise typer.Exit(1)


def _targets(
    names: list[str], model: str, data: Path | None, threat: Path | None, attacks: int, seed: int
) -> "list[Target]":
    from labrys.duel import tabular, targets

    if model:
        if data is None or threat is None or names:
            raise typer.BadParameter("a model of your own takes --data and --threat, and no names")
        return [tabular.target(model, data, tabular.threat(threat), attacks=attacks, seed=seed)]
    if not names:
        raise typer.BadParameter(f"which model? There are {', '.join(targets.names())}, and all")
    wanted = targets.names() if names == ["all"] else names
    return [targets.target(name, attacks=attacks, seed=seed) for name in wanted]


def _note(target: str, quiet: bool, search: str) -> None:
    if not quiet:
        sys.stderr.write(shown(f"labrys: {target}: {search}\n"))

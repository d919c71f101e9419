"""`labrys duel`: attack a model as an adversary with a budget would, and tell how often that works."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labrys.cli import shown
from labrys.cli.options import Out, Quiet
from labrys.cli.stream import opened

if TYPE_CHECKING:
    from labrys.duel.attacks import Order
    from labrys.duel.outcome import Outcome

_ALL = "all"


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
        typer.Argument(metavar="MODEL", help="Which of labrys' own models; `all` of them."),
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(
            "--attack", "-a", help="evasion, extraction, inference, poisoning, or all; repeatable."
        ),
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
        int | None,
        typer.Option(
            min=10,
            max=10_000,
            help="Questions: for each attack in evasion (300), in all in extraction (10,000).",
        ),
    ] = None,
    attacks: Annotated[
        int,
        typer.Option(
            min=1, max=1000, metavar="NUMBER", help="How many attacks evasion begins with."
        ),
    ] = 30,
    access: Annotated[Access, typer.Option(help="What the attacker is told.")] = Access.SCORE,
    most_cost: Annotated[
        int,
        typer.Option(
            "--cost", min=0, max=2, metavar="NUMBER", help="Only changes of at most this cost."
        ),
    ] = 2,
    share: Annotated[
        float,
        typer.Option(
            min=0.0001,
            max=0.5,
            metavar="NUMBER",
            help="Of what is learnt from, what poisoning may give.",
        ),
    ] = 0.05,
    search: Annotated[
        list[str] | None,
        typer.Option("--search", metavar="SEARCH", help="Only this search; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same duel.")] = 1,
    form: Annotated[Form, typer.Option("--format", "-f", help="How to write it.")] = Form.TABLE,
    out: Out = None,
    quiet: Quiet = False,
    harden: Annotated[
        bool, typer.Option(help="Harden it; tell the price, and what still wins.")
    ] = False,
) -> None:
    """Attack a model within a budget. Says how often that wins, at what cost, with examples.

    Nothing leaves this machine, and nothing that is changed is ever run. Exit code 1: interrupted,
    the report is of what was played until then.
    """
    from labrys.duel.attacks import ATTACKS, Order
    from labrys.duel.evasion.search import SEARCHES

    unknown = [each for each in search or () if each not in SEARCHES]
    if unknown:
        raise typer.BadParameter(f"no search {unknown[0]!r}; there are {', '.join(SEARCHES)}")
    if harden:
        from labrys.cli.harden import run
        from labrys.duel.evasion.fight import Asked
        from labrys.duel.evasion.search import Rules

        rules = Rules(budget or 300, access.value, most_cost)
        asked = Asked(tuple(search or SEARCHES), rules, seed)
        run(names or [], model, data, threat, out, asked, attacks, quiet=quiet)
        return
    kinds = list(ATTACKS) if _ALL in (attack or ()) else list(dict.fromkeys(attack or ["evasion"]))
    wrong = [each for each in kinds if each not in ATTACKS]
    if wrong:
        raise typer.BadParameter(f"no attack {wrong[0]!r}; there are {', '.join(ATTACKS)}, and all")
    if model and (data is None or names):
        raise typer.BadParameter("a model of your own takes --data, and no names")
    orders = [
        Order(
            name, model, data, threat, budget, attacks, access.value, most_cost,
            tuple(search or ()), seed, share,
        )
        for name in ([""] if model else _names(names or []))
    ]  # fmt: skip
    done = _played(kinds, orders, quiet=quiet)
    _written(done, form, out)
    if not all(each.complete for each, _ in done):
        raise typer.Exit(1)


def _names(given: list[str]) -> list[str]:
    from labrys.duel import targets

    if not given:
        raise typer.BadParameter(f"which model? There are {', '.join(targets.names())}, and all")
    return targets.names() if given == [_ALL] else given


def _played(
    kinds: list[str], orders: "list[Order]", *, quiet: bool
) -> "list[tuple[Outcome, Outcome | None]]":
    """What was played, each with the last of its kind; what cannot be played is said."""
    from dataclasses import replace
    from functools import partial

    from labrys.duel import history
    from labrys.duel.attacks import NotPlayed, play

    done: list[tuple[Outcome, Outcome | None]] = []
    last: NotPlayed | None = None
    for order in orders:
        for kind in kinds:
            told = partial(_note, f"{order.name or order.model}: {kind}", quiet)
            try:
                made = play(kind, replace(order, note=told))
            except NotPlayed as why:
                sys.stderr.write(shown(f"labrys: not played: {why}\n"))
                last = why
                continue
            done.append((made, history.last(made.attack, made.target)))
            if not made.complete:
                return done
            history.keep(made)
    if not done and last is not None:
        raise last
    return done


def _written(done: "list[tuple[Outcome, Outcome | None]]", form: Form, out: Path | None) -> None:
    from labrys.duel import page, report

    with opened(out) as stream:
        if form is Form.JSON:
            stream.write(report.as_json(done))
        else:
            stream.write(page.as_html(done) if form is Form.HTML else shown(report.as_text(done)))


def _note(target: str, quiet: bool, step: str) -> None:
    if not quiet:
        sys.stderr.write(shown(f"labrys: {target}: {step}\n"))

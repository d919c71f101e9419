"""`labrys train`: lets a detector learn from the user's own data."""

from pathlib import Path
from typing import Annotated

import typer

from labrys.cli import shown


def command(
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="Its id, e.g. mail.")],
    data: Annotated[
        Path,
        typer.Option("--with", metavar="DIR", help="Your labelled data, e.g. DIR/ham, DIR/spam."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where the model goes; by default yours."),
    ] = None,
) -> None:
    """Let a detector learn from your own data; what it learnt is used from the next scan on.

    Needs the extra [ml]. To go back to the model that came with labrys, delete the folder that is
    named at the end.
    """
    from importlib import import_module
    from importlib.util import find_spec

    from labrys.detect.registry import detectors
    from labrys.errors import LabrysError
    from labrys.model.own import place

    made = {one.id: one for one in detectors()}.get(detector)
    if made is None:
        raise LabrysError(f"there is no detector {detector!r}; `labrys doctor` names all")
    if find_spec(f"{made.module}.train_own") is None:
        raise LabrysError(f"{detector} has nothing to learn from data of your own")
    if find_spec("sklearn") is None or find_spec("lightgbm") is None:
        raise LabrysError("training needs more packages: pip install 'labrys[ml]'")
    target = out or place(detector)
    learn = import_module(f"{made.module}.train_own").learn
    learn(data, target, lambda line: typer.echo(shown(line), err=True))
    typer.echo(shown(f"the model is in {target}"))

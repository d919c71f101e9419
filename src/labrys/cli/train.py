"""`labrys train`: lets a detector learn from the user's own data."""

from pathlib import Path
from typing import Annotated, Final

import typer

from labrys.cli import shown

_KEY: Final = "own"


def command(
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="Its id, e.g. mail.")],
    data: Annotated[
        Path,
        typer.Option("--with", metavar="DIR", help="Your labelled data, e.g. DIR/ham, DIR/spam."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write it there, unsigned, and do not use it."),
    ] = None,
    review: Annotated[
        Path | None,
        typer.Option(
            "--review",
            metavar="FILE",
            help="What looks wrong, for you to decide about; DIR/review.csv if not named.",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Learn from what looks wrong, too, as it is.")
    ] = False,
) -> None:
    """Let a detector learn from your own data. The next scan uses it.

    What looks mislabelled is set aside and told. Write keep, drop or turn beside it in the file and
    train again. A model that finds fewer known attacks than before is not used.

    Needs the extra [ml]. The model is signed with your key `own`, which is made if there is none.
    `labrys guard back DETECTOR` uses the model before it again.
    """
    from importlib import import_module
    from importlib.util import find_spec
    from tempfile import TemporaryDirectory

    from labrys.detect.registry import detectors
    from labrys.errors import LabrysError
    from labrys.guard import keys, own

    made = {one.id: one for one in detectors()}.get(detector)
    if made is None:
        raise LabrysError(f"there is no detector {detector!r}; `labrys doctor` names all")
    if find_spec(f"{made.module}.train_own") is None:
        raise LabrysError(f"{detector} has nothing to learn from data of your own")
    if find_spec("sklearn") is None or find_spec("lightgbm") is None:
        raise LabrysError("training needs more packages: pip install 'labrys[ml]'")
    train_own = import_module(f"{made.module}.train_own")

    def learn(into: Path) -> None:
        train_own.learn(data, into, _note, review=review, keep=keep)

    if out is not None:
        learn(out)
        typer.echo(shown(f"the model is in {out}; nothing uses it"))
        return
    with TemporaryDirectory(prefix="labrys-model-") as folder:
        target = Path(folder) / "model"
        learn(target)
        if not any(each.name == _KEY for each in keys.trusted()):
            keys.make(_KEY)
            _note(f"made the key {_KEY}, which signs your models")
        kept = own.add(detector, target, _KEY)
    typer.echo(shown(f"{detector} uses your model {kept.number} from now on ({kept.place})"))


def _note(line: str) -> None:
    typer.echo(shown(line), err=True)

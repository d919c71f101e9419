"""`labrys guard`: which models are in use, whether they are what was signed, and the way back."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from labrys.cli import shown
from labrys.cli.guard_drift import command as drift
from labrys.cli.options import AsJson, Out
from labrys.cli.stream import opened, say

app = typer.Typer(help="Models: cards, signatures, the way back.", no_args_is_help=True)

Detector = Annotated[str, typer.Argument(metavar="DETECTOR", help="As `list` names it.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the key.")]
KEY = "own"


@app.callback()
def group() -> None:
    """Models: cards, signatures, the way back."""


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every model, ours and yours, and whether it may be used. Exit code 1: one may not."""
    rows = list(_rows())
    if as_json:
        import msgspec

        say(msgspec.json.format(msgspec.json.encode(rows)).decode() + "\n")
    else:
        for row in rows:
            state = row["refused"] or ("in use" if row["in_use"] else "kept")
            say(shown(f"{row['detector']}  {row['whose']}  version {row['version']}  {state}\n"))
    if any(row["refused"] for row in rows):
        raise typer.Exit(1)


app.command("drift")(drift)


class Form(StrEnum):
    """How a card is written."""

    JSON = "json"
    HTML = "html"


@app.command("card")
def card(
    detector: Detector,
    form: Annotated[Form, typer.Option("--format", "-f", help="How to write it.")] = Form.JSON,
    out: Out = None,
) -> None:
    """Show a model's card. Data, licences, figures, how it is fooled."""
    import json

    from labrys.guard.in_use import card_of
    from labrys.guard.page import as_html

    found = card_of(detector)
    with opened(out) as stream:
        if form is Form.HTML:
            stream.write(as_html(detector, found))
        else:
            text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)
            stream.write(shown(text) + "\n")


@app.command("key")
def key(name: Name = KEY) -> None:
    """Make a key that signs your models, and trust it."""
    from labrys.guard.keys import make

    made = make(name)
    say(f"{made.raw.hex()}\n")
    sys.stderr.write(f"labrys: key {name} is made and trusted; keep its private half to yourself\n")


@app.command("trust")
def trust(
    name: Name,
    public: Annotated[str, typer.Argument(metavar="KEY", help="64 hexadecimal digits.")],
) -> None:
    """Trust somebody's public key: models that it signed may be used."""
    from labrys.guard.keys import trust as believe

    believe(name, public)


@app.command("distrust")
def distrust(name: Name) -> None:
    """Trust a key no longer: what it signed is refused from now on."""
    from labrys.guard.keys import distrust as doubt

    doubt(name)


@app.command("sign")
def sign(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A model: a folder with a card.")
    ],
    name: Annotated[str, typer.Option("--key", help="Which of your keys signs.")] = KEY,
) -> None:
    """Sign a model with your key."""
    from labrys.guard.seal import seal

    seal(folder, name)


@app.command("verify")
def verify(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A model: a folder with a card.")
    ],
) -> None:
    """Say who signed a model. Exit code 2 and the reason where it would be refused."""
    from labrys.guard.seal import signer

    say(shown(f"signed by {signer(folder)}, and unchanged\n"))


@app.command("back")
def back(detector: Detector) -> None:
    """Go back to the model before. That is your last, or the one that comes with labrys."""
    from labrys.guard.own import back as earlier

    number = earlier(detector)
    which = f"your model {number}" if number else "the model that comes with labrys"
    sys.stderr.write(shown(f"labrys: {detector} uses {which} from now on\n"))


def _rows() -> "list[dict[str, Any]]":
    from labrys.guard import own
    from labrys.guard.shipped import shipped

    rows = []
    for each in shipped():
        mine = own.every(each.detector)
        used = any(kept.in_use for kept in mine)
        version = str(each.card.get("version", "?"))
        rows.append(_row(each.detector, "labrys", version, not used, each.why))
        rows += [
            _row(each.detector, "yours", str(kept.number), kept.in_use, kept.why) for kept in mine
        ]
    return rows


def _row(detector: str, whose: str, version: str, used: bool, why: str) -> dict[str, Any]:
    return {
        "detector": detector, "whose": whose, "version": version, "in_use": used, "refused": why,
    }  # fmt: skip

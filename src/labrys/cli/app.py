"""Puts the commands together; nothing heavy is imported until one of them runs."""

from typing import Annotated

import typer

import labrys
from labrys.cli import exceptions, guard, judge, mail, respond, rules
from labrys.cli.bots import command as bots
from labrys.cli.demo import command as demo
from labrys.cli.doctor import command as doctor
from labrys.cli.duel import command as duel
from labrys.cli.hunt import command as hunt
from labrys.cli.incidents import command as incidents
from labrys.cli.scan import command as scan
from labrys.cli.train import command as train
from labrys.cli.watch import command as watch

app = typer.Typer(
    name="labrys",
    help="Offline: turns a folder of security evidence into a few explained incidents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"labrys {labrys.__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version_flag: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
    _debug: Annotated[bool, typer.Option("--debug", help="Show where an error happened.")] = False,
) -> None:
    """Offline: turns a folder of security evidence into a few explained incidents."""


app.command("scan")(scan)
app.command("watch")(watch)
app.command("hunt")(hunt)
app.command("incidents")(incidents)
app.command("bots")(bots)
app.add_typer(exceptions.app, name="exceptions")
app.add_typer(guard.app, name="guard")
app.add_typer(judge.app, name="judge")
app.add_typer(respond.app, name="respond")
app.add_typer(rules.app, name="rules")
app.add_typer(mail.app, name="mail")
app.command("train")(train)
app.command("demo")(demo)
app.command("duel")(duel)
app.command("doctor")(doctor)

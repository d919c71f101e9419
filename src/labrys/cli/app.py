"""Puts the commands together; nothing heavy is imported until one of them runs."""

from typing import Annotated

import typer

import labrys
from labrys.cli import demo, doctor, hunt, incidents, rules, scan

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


app.command("scan")(scan.command)
app.command("hunt")(hunt.command)
app.command("incidents")(incidents.command)
app.add_typer(rules.app, name="rules")
app.command("demo")(demo.command)
app.command("doctor")(doctor.command)

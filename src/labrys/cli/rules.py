"""`labrys rules`: what is loaded, what is not, and exactly why."""

from pathlib import Path
from typing import Annotated

import typer

from labrys.cli import shown
from labrys.cli.options import Lists, some_rules
from labrys.cli.stream import say

app = typer.Typer(help="Sigma rules: check them before you rely on them.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Sigma rules: check them before you rely on them."""


@app.command("check")
def check(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR", callback=some_rules, help="Rule files or folders."),
    ],
    lists: Lists = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Say of every rule whether it is loaded, or exactly why not. Exit code 1 if some are not."""
    from labrys.detect.sigma.check import as_dict
    from labrys.detect.sigma.check import check as verdicts_on
    from labrys.scan.lists import read_lists

    made = verdicts_on(folders, read_lists(lists))
    counted = as_dict(made)
    if as_json:
        import orjson

        say(orjson.dumps(counted, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        lines = []
        for one in made:
            for reason in (*([one.reason] if one.reason else []), *one.warnings):
                state = one.state if one.reason else "warning"
                lines.append(f"{state:9} {one.path}: {one.title}: {reason}\n")
        lines.append(
            f"{counted['loaded']} loaded, {counted['waiting']} waiting for a list, "
            f"{counted['rejected']} rejected, {counted['warned']} with a warning, "
            f"{counted['backtracking']} with an expression that may be slow\n"
        )
        say(shown("".join(lines)))
    if counted["rejected"]:
        raise typer.Exit(1)

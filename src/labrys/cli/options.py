"""What several commands ask for in the same words."""

from pathlib import Path
from typing import Annotated

import typer

from labrys.errors import LabrysError, RuleError


def some_rules(folders: list[Path] | None) -> list[Path] | None:
    """The folders of rules. Raises RuleError for one without any: it was probably mistyped."""
    if folders:
        from labrys.detect.sigma.listing import rule_files

        for folder in folders:
            if not rule_files([folder]):
                raise RuleError(str(folder), "no rules in it (*.yml)")
    return folders


def _writable(out: Path | None) -> Path | None:
    """A place for results, before hours of work rather than after."""
    if out is not None and not out.parent.is_dir():
        raise LabrysError(f"{out}: cannot be written: there is no folder {out.parent}")
    return out


Lake = Annotated[
    Path | None,
    typer.Option("--lake", metavar="DIR", help="The case; by default the one scanned last here."),
]
NewLake = Annotated[
    Path | None,
    typer.Option("--lake", metavar="DIR", help="The case folder; default NAME.labrys here."),
]
Rules = Annotated[
    list[Path] | None,
    typer.Option(
        "--rules", "-r", metavar="PATH", callback=some_rules, help="Your Sigma rules; repeatable."
    ),
]
OwnRules = Annotated[bool, typer.Option(help="Use the rules that come with labrys as well.")]
Lists = Annotated[
    Path | None,
    typer.Option("--lists", metavar="FILE", help="YAML file with your values for %placeholders%."),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="DETECTOR", help="Run only this detector; repeatable."),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=0, metavar="NUMBER", help="Reading processes; 0: one a core."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", callback=_writable, help="Write to this file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]

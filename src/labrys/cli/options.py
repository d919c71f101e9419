"""What several commands ask for in the same words."""

from pathlib import Path
from typing import Annotated

import typer

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
    typer.Option("--rules", "-r", metavar="PATH", help="Your Sigma rules; repeatable."),
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
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write to this file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]

"""`labrys demo`: makes a small case and scans it, so that the first minute convinces."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[Path, typer.Argument(help="A new folder for the made-up evidence.")] = Path(
        "labrys-demo"
    ),
) -> None:
    """Make up a small case, scan it, and write a page.

    It is a working day with an intrusion in it.

    Everything in it is invented; the scan is the same as for real evidence.
    """
    from labrys.cli.output import Form
    from labrys.cli.scan import perform, reading
    from labrys.demo.make import make
    from labrys.scan.rules import builtin_rules
    from labrys.scan.run import Options
    from labrys.settings import load

    evidence = folder / "evidence"
    if count := make(evidence):
        sys.stderr.write(f"labrys: wrote {count} files of invented evidence to {evidence}\n")
    page = folder / "report.html"
    options = Options((evidence,), rules=(builtin_rules(),), reading=reading(load()))
    outputs = [(Form.TABLE, None), (Form.HTML, page)]
    perform(folder / "case.labrys", options, outputs, quiet=False)
    sys.stderr.write(f"labrys: the same as a page to hand on: {page}\n")

"""`labrys incidents`: the incidents of a case again, all or one."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    incident: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One incident, by rank or id.")
    ] = None,
    lake: Annotated[
        Path | None, typer.Option("--lake", help="The case; by default the one scanned last here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="OCSF objects, one a line.")] = False,
) -> None:
    """Show the incidents of a case without reading the evidence again."""
    from labrys.cli.case import existing
    from labrys.cli.output import write_incidents
    from labrys.lake.case import Case
    from labrys.scan.run import reopened

    with Case.open(existing(lake), create=False, write=False) as case:
        found = reopened(case)
        write_incidents(case, found, incident, as_json, sys.stdout)

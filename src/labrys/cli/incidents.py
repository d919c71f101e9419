"""`labrys incidents`: the incidents of a case again, all or one."""

from typing import Annotated

import typer

from labrys.cli.options import Lake


def command(
    incident: Annotated[
        str | None, typer.Argument(metavar="ID", help="One incident, by rank or id.")
    ] = None,
    lake: Lake = None,
    as_json: Annotated[bool, typer.Option("--json", help="OCSF objects, one a line.")] = False,
) -> None:
    """Show the incidents of a case again. The evidence is not read."""
    from labrys.cli.case import existing
    from labrys.cli.output import Form, narrowed, report_of, write
    from labrys.lake.case import Case
    from labrys.lake.places import opened
    from labrys.scan.run import reopened
    from labrys.settings import load

    form = Form.NDJSON if as_json else Form.TABLE
    settings = load()
    places = opened(settings.network.places)
    with Case.open(existing(lake), create=False, write=False) as case:
        found = reopened(case, settings.decisions, settings.assets, places)
        report = report_of(case, found, form)
        write(narrowed(report, incident) if incident else report, form, None)

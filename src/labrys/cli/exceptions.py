"""`labrys exceptions`: say once what is normal here, see what that hides, take it back."""

import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labrys.cli import shown
from labrys.cli.options import AsJson, Lake
from labrys.cli.stream import say

if TYPE_CHECKING:
    from labrys.decisions import Exclusion
    from labrys.scan.effect import Effect
    from labrys.scan.run import Scan

app = typer.Typer(
    help="Hide findings that are normal here, earlier ones as well.",
    no_args_is_help=True,
)

Rule = Annotated[str, typer.Option("--rule", help="A rule's id or its title.")]
Entities = Annotated[
    list[str] | None,
    typer.Option(
        "--entity",
        "-e",
        metavar="TYPE=PATTERN",
        help="host=build-*, user=*\\svc_*, ip=10.0.0.0/8; repeatable.",
    ),
]
Values = Annotated[
    list[str] | None,
    typer.Option(
        "--value",
        metavar="FIELD=PATTERN",
        help="What the rule matched: CommandLine=*\\deploy.ps1*; repeatable.",
    ),
]
Finding = Annotated[
    str, typer.Option("--finding", metavar="UID", help="The rule of this finding, on its host.")
]
Incident = Annotated[
    str, typer.Option("--incident", metavar="ID", help="Every rule of this incident, on its hosts.")
]
Since = Annotated[str, typer.Option("--since", metavar="DATE", help="Only what happened since.")]
Until = Annotated[str, typer.Option("--until", metavar="DATE", help="Only what happens until.")]


@app.callback()
def group() -> None:
    """Hide findings that are normal here, earlier ones as well."""


@app.command("add")
def add(
    why: Annotated[str, typer.Option("--why", help="The reason, for whoever comes after you.")],
    lake: Lake = None,
    rule: Rule = "",
    entity: Entities = None,
    value: Values = None,
    finding: Finding = "",
    incident: Incident = "",
    since: Since = "",
    until: Until = "",
    who: Annotated[str, typer.Option("--who", help="Who decides; by default you.")] = "",
    as_json: AsJson = False,
) -> None:
    """Hide what fits, also in what was found before. All that is named must hold."""
    from dataclasses import replace

    from labrys.decisions import opened
    from labrys.lake.case import Case
    from labrys.settings import load

    folder = _case(lake)
    with Case.open(folder, create=False, write=False) as case:
        scan = _visible(case)
        wanted = _wanted(scan, rule, entity, value, finding, incident, since, until)
        wanted = [replace(each, why=why, who=who or getpass.getuser()) for each in wanted]
        for each in wanted:
            each.check()
        made = _effect(folder, scan, wanted)
    with opened(folder, load().decisions) as store:
        wanted = [store.add(each) for each in wanted]
    _say_effect(made, wanted, as_json=as_json)


@app.command("preview")
def preview(
    lake: Lake = None,
    rule: Rule = "",
    entity: Entities = None,
    value: Values = None,
    finding: Finding = "",
    incident: Incident = "",
    since: Since = "",
    until: Until = "",
    as_json: AsJson = False,
) -> None:
    """Show what an exception would hide. Changes nothing."""
    from dataclasses import replace

    from labrys.lake.case import Case

    folder = _case(lake)
    with Case.open(folder, create=False, write=False) as case:
        scan = _visible(case)
        wanted = _wanted(scan, rule, entity, value, finding, incident, since, until)
        for each in wanted:
            replace(each, why="a preview").check()
        _say_effect(_effect(folder, scan, wanted), wanted, as_json=as_json)


@app.command("list")
def list_all(lake: Lake = None, as_json: AsJson = False) -> None:
    """Show all exceptions. What they hide here, who made them, why and until when."""
    from labrys.decisions import hidden, kept
    from labrys.lake.case import Case
    from labrys.scan.run import found_in
    from labrys.settings import load

    folder = _case(lake)
    exclusions = kept(folder, load().decisions).exclusions
    with Case.open(folder, create=False, write=False) as case:
        counts = [int(mask.sum()) for mask in hidden(found_in(case), exclusions)]
    if as_json:
        pairs = zip(exclusions, counts, strict=True)
        _say_json([{**_as_dict(each), "hides": count} for each, count in pairs])
        return
    lines = [
        f"{each.id}  hides {count:,}: {_said(each)}\n"
        f"          {each.who or 'somebody'}, {day(each.made)}: {each.why}\n"
        for each, count in zip(exclusions, counts, strict=True)
    ]
    say(shown("".join(lines) or "no exceptions\n"))


@app.command("remove")
def remove(
    exception: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    lake: Lake = None,
) -> None:
    """Take an exception back: what it hid is seen again."""
    from labrys.decisions import Exclusion, opened
    from labrys.settings import load

    with opened(_case(lake), load().decisions) as store:
        gone = store.remove(exception)
    said = _said(gone) if isinstance(gone, Exclusion) else gone.why
    say(shown(f"removed {gone.id}: {said}\n"))


def _case(lake: Path | None) -> Path:
    from labrys.cli.case import existing
    from labrys.errors import LabrysError

    folder = existing(lake)
    if not (folder / "ledger.sqlite").is_file():
        raise LabrysError(f"{folder}: no labrys case here; `labrys scan` makes one")
    return folder


def _visible(case: Any) -> "Scan":
    """The case with the findings that no exception hides yet."""
    from labrys.scan.run import reopened
    from labrys.settings import load

    settings = load()
    return reopened(case, settings.decisions, settings.assets)


def _effect(folder: Path, scan: "Scan", wanted: "list[Exclusion]") -> "Effect":
    from labrys.decisions import kept, lessons
    from labrys.scan.effect import effect
    from labrys.settings import load

    taught = lessons(kept(folder, load().decisions))
    return effect(scan.findings, scan.triage, wanted, taught)


def _wanted(
    scan: "Scan",
    rule: str,
    entity: list[str] | None,
    value: list[str] | None,
    finding: str,
    incident: str,
    since: str,
    until: str,
) -> "list[Exclusion]":
    """The exceptions that the options ask for; several where an incident has several rules."""
    from labrys.decisions.exclusion import Exclusion, pairs

    entities, values = pairs(entity or (), "--entity"), pairs(value or (), "--value")
    begin, end = _moment(since), _moment(until, end=True)
    if not finding and not incident:
        return [Exclusion(rule, entities, values, begin, end)]
    if rule:
        raise typer.BadParameter("--rule beside --finding or --incident: they say the rule")
    return [
        Exclusion(uid, (*entities, *hosts), values, begin, end)
        for uid, hosts in _rules_on_hosts(scan, finding, incident)
    ]


def _rules_on_hosts(
    scan: "Scan", finding: str, incident: str
) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """The rules of a finding or an incident, each with the hosts where it fired there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from labrys.errors import LabrysError
    from labrys.triage.named import incident as named

    uids = [finding]
    if incident:
        uids = named(scan.triage.incidents, incident)["findings"]
    chosen = scan.findings.filter(pc.is_in(scan.findings["uid"], value_set=pa.array(uids)))
    if not chosen.num_rows:
        raise LabrysError(f"no finding {finding!r} in this case")
    hosts: dict[str, dict[tuple[str, str], None]] = {}
    for uid, entities in zip(
        chosen["rule_uid"].to_pylist(), chosen["entities"].to_pylist(), strict=True
    ):
        mine = hosts.setdefault(uid, {})
        for each in entities:
            if each["type"] == "host" and each["role"] == "device":
                mine["host", each["value"]] = None
    return [(uid, tuple(mine)) for uid, mine in hosts.items()]


def _moment(text: str, *, end: bool = False) -> int | None:
    """A date or time as epoch milliseconds UTC; the end of a day where only that is given."""
    if not text:
        return None
    try:
        made = datetime.fromisoformat(text)
    except ValueError as reason:
        raise typer.BadParameter(f"{text!r} is no date: write 2026-12-31") from reason
    if made.tzinfo is None:
        made = made.replace(tzinfo=UTC)
    if end and len(text) == len("2026-12-31"):
        made += timedelta(days=1)
    return int(made.timestamp() * 1000)


def _say_effect(made: "Effect", wanted: "list[Exclusion]", *, as_json: bool) -> None:
    from labrys.report.levels import SEVERITY

    rules = made.hidden.group_by(["rule_uid", "title", "severity_id"]).aggregate(
        [([], "count_all")]
    )
    rows = sorted(rules.to_pylist(), key=lambda row: (-row["severity_id"], -row["count_all"]))
    if as_json:
        _say_json(
            {
                "exceptions": [_as_dict(each) for each in wanted],
                "hides": made.hidden.num_rows,
                "of": made.total,
                "rules": rows,
                "incidents_before": made.incidents_before,
                "incidents_after": made.incidents_after,
                "incidents": [_fields(change) for change in made.changes],
            }
        )
        return
    lines = [f"{each.id}  {_said(each)}" for each in wanted]
    lines.append(f"hides {made.hidden.num_rows:,} of {made.total:,} findings")
    lines += [
        f"  {row['count_all']:>8,}  {SEVERITY[row['severity_id']].lower():13}  {row['title']}"
        for row in rows[:20]
    ]
    lines += [f"  and {len(rows) - 20} more rules"] if len(rows) > 20 else []
    lines.append(f"incidents: {made.incidents_before} before, {made.incidents_after} after")
    for change in made.changes[:20]:
        what = f"keeps {change.after:,} of {change.before:,}" if change.after else "is gone"
        lines.append(
            f"  #{change.rank} {SEVERITY[change.severity].lower()}: {change.title}: {what}"
        )
    say(shown("\n".join(lines) + "\n"))


def _said(each: "Exclusion") -> str:
    parts = [f"rule {each.rule}"] if each.rule else []
    parts += [f"{name}={pattern}" for name, pattern in (*each.entities, *each.values)]
    parts += [f"since {day(each.since)}"] if each.since is not None else []
    parts += [f"until {day(each.until - 1)}"] if each.until is not None else []
    return ", ".join(parts)


def day(moment: int) -> str:
    """A moment (epoch milliseconds UTC) as its date."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment)).date().isoformat()


def _as_dict(each: "Exclusion") -> dict[str, Any]:
    return {"id": each.id, **_fields(each)}


def _fields(made: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(made)


def _say_json(content: Any) -> None:
    import orjson

    say(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode() + "\n")

"""`labrys judge`: what people make of incidents, remembered by every later look at the case."""

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labrys.cli import shown
from labrys.cli.exceptions import Entities, Rule, Values, day
from labrys.cli.options import AsJson, Lake
from labrys.cli.stream import say

if TYPE_CHECKING:
    import pyarrow as pa

    from labrys.decisions import Decisions

app = typer.Typer(
    help="Say what an incident is, or what belongs to it. It is remembered.",
    no_args_is_help=True,
)
Incident = Annotated[str, typer.Argument(metavar="INCIDENT", help="By rank or id.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for whoever comes after you.")]
Who = Annotated[str, typer.Option("--who", help="Who judges; by default you.")]


@app.callback()
def group() -> None:
    """Say what an incident is, or what belongs to it. It is remembered."""


@app.command("attack")
def attack(incident: Incident, why: Why, lake: Lake = None, who: Who = "") -> None:
    """It is an attack. Its rules are never learnt as normal on its hosts."""
    _judge("true", incident, why, lake, who)


@app.command("normal")
def normal(incident: Incident, why: Why, lake: Lake = None, who: Who = "") -> None:
    """It is normal here. Its rules weigh little on its hosts from now on; nothing is hidden."""
    _judge("false", incident, why, lake, who)


@app.command("merge")
def merge(
    incidents: Annotated[list[str], typer.Argument(metavar="INCIDENT", help="By rank or id.")],
    why: Why,
    lake: Lake = None,
    who: Who = "",
) -> None:
    """These are one incident."""
    if len(incidents) < 2:
        raise typer.BadParameter("name at least two incidents")
    look = _look(lake)
    rows = [look.incident(each) for each in incidents]
    # One finding of each is enough: what belongs to it comes along.
    _regroup(look, "together", tuple(row["findings"][0] for row in rows), why, who)


@app.command("split")
def split(
    incident: Incident,
    why: Why,
    lake: Lake = None,
    rule: Rule = "",
    entity: Entities = None,
    value: Values = None,
    who: Who = "",
) -> None:
    """What fits (all that is named must hold) is an incident of its own."""
    import numpy as np
    import pyarrow as pa

    from labrys.decisions import Exclusion, hidden
    from labrys.decisions.exclusion import pairs
    from labrys.errors import LabrysError

    wanted = Exclusion(
        rule, pairs(entity or (), "--entity"), pairs(value or (), "--value"), why=why
    )
    wanted.check()
    look = _look(lake)
    mine = look.findings_of(look.incident(incident))
    (mask,) = hidden(mine, [wanted])
    if not mask.any() or mask.all():
        some = "all" if mask.all() else "none"
        raise LabrysError(f"that fits {some} of the {len(mask)} findings of the incident")
    apart = mine.filter(pa.array(np.asarray(mask)))
    _regroup(look, "apart", tuple(apart["uid"].to_pylist()), why, who)


@app.command("list")
def list_all(lake: Lake = None, as_json: AsJson = False) -> None:
    """Show all that was decided. Also which verdicts teach nothing, and why."""
    from dataclasses import asdict

    import orjson

    from labrys.decisions import Regrouping, Verdict, lessons

    decisions = _look(lake).decisions
    doubts = {verdict.id: reason for verdict, reason in lessons(decisions).doubted}
    if as_json:
        every: list[Verdict | Regrouping] = [*decisions.verdicts, *decisions.regroupings]
        rows = [{"id": each.id, **asdict(each), "doubt": doubts.get(each.id, "")} for each in every]
        say(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    lines = []
    for verdict in decisions.verdicts:
        said = "an attack" if verdict.verdict == "true" else "normal here"
        lines.append(f"{verdict.id}  incident {verdict.incident} is {said}")
        lines.append(_reason(verdict))
        if verdict.id in doubts:
            lines.append(f"          in quarantine, teaches nothing: {doubts[verdict.id]}")
    for wish in decisions.regroupings:
        lines.append(f"{wish.id}  {len(wish.findings)} findings {wish.kind}")
        lines.append(_reason(wish))
    say(shown("\n".join(lines or ["no verdicts"]) + "\n"))


@app.command("undo")
def undo(
    decision: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    lake: Lake = None,
) -> None:
    """Take a verdict or a regrouping back."""
    from labrys.decisions import opened

    look = _look(lake)
    with opened(look.folder, look.url) as store:
        gone = store.remove(decision)
    say(shown(f"removed {gone.id}: {gone.why}\n"))


@dataclass(frozen=True)
class _Look:
    """A case as it is now: its incidents and findings, and what was decided."""

    folder: Path
    url: str
    incidents: "pa.Table"
    findings: "pa.Table"
    decisions: "Decisions"

    def incident(self, wanted: str) -> dict[str, Any]:
        """The incident of this rank or id."""
        from labrys.triage.named import incident

        return incident(self.incidents, wanted)

    def findings_of(self, incident: dict[str, Any]) -> "pa.Table":
        """Its findings."""
        import pyarrow as pa
        import pyarrow.compute as pc

        mine = pc.is_in(self.findings["uid"], value_set=pa.array(incident["findings"]))
        return self.findings.filter(mine)


def _look(lake: Path | None) -> _Look:
    from labrys.cli.case import existing
    from labrys.decisions import kept
    from labrys.lake.case import Case
    from labrys.scan.run import reopened
    from labrys.settings import load

    settings = load()
    folder, url = existing(lake), settings.decisions
    with Case.open(folder, create=False, write=False) as case:
        scan = reopened(case, url, settings.assets)
    return _Look(folder, url, scan.triage.incidents, scan.findings, kept(folder, url))


def _judge(said: str, incident: str, why: str, lake: Path | None, who: str) -> None:
    import pyarrow.compute as pc

    from labrys.decisions import Verdict, lessons, opened
    from labrys.decisions.places import pairs
    from labrys.ocsf.schema import Severity

    look = _look(lake)
    row = look.incident(incident)
    mine = look.findings_of(row)
    if said == "false":  # critical rules are never learnt as normal
        mine = mine.filter(pc.less(mine["severity_id"], int(Severity.CRITICAL)))
    verdict = Verdict(
        incident=row["uid"],
        verdict=said,
        pairs=tuple(sorted(set(pairs(mine)))),
        phases=len(row["tactics"]),
        who=who or getpass.getuser(),
        why=why,
        severity=row["severity_id"],
        tactics=tuple(row["tactics"]),
    )
    with opened(look.folder, look.url) as store:
        verdict = store.judge(verdict)
        doubts = {each.id: reason for each, reason in lessons(store.all()).doubted}
    what = "an attack" if said == "true" else "normal here"
    lines = [f"{verdict.id}  #{row['rank']} {row['title']}: {what}"]
    if verdict.id in doubts:
        lines.append(f"          in quarantine, teaches nothing yet: {doubts[verdict.id]}")
    say(shown("\n".join(lines) + "\n"))


def _regroup(look: _Look, kind: str, findings: tuple[str, ...], why: str, who: str) -> None:
    from labrys.decisions import Regrouping, opened

    with opened(look.folder, look.url) as store:
        made = store.regroup(Regrouping(kind, findings, who or getpass.getuser(), why))
    say(shown(f"{made.id}  {len(findings)} findings {kind}\n"))


def _reason(made: Any) -> str:
    return f"          {made.who or 'somebody'}, {day(made.made)}: {made.why}"

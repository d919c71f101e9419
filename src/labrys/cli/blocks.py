"""How `labrys respond` shows blocks, and where it writes lists of them."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from labrys.cli import shown
from labrys.cli.stream import named, opened, say

if TYPE_CHECKING:
    from labrys.respond.block import Plan, Policy
    from labrys.respond.guards import Names
    from labrys.respond.ledger import Block


class ListForm(StrEnum):
    """The forms of block lists; each is a module of `labrys.respond.lists`."""

    NFTABLES = "nftables"
    RPZ = "rpz"
    SURICATA = "suricata"
    HOSTS = "hosts"
    TEXT = "text"
    STIX = "stix"


def finish(
    made: "Plan",
    new: int,
    blocks: list["Block"],
    policy: "Policy",
    forms: Sequence[ListForm],
    out: Path | None,
    *,
    as_json: bool,
    dry: bool,
) -> None:
    """Say what was blocked and what not, and write the lists."""
    from labrys.respond.ledger import now

    at = now()
    to_screen = bool(forms) and out is None
    if as_json and not to_screen:
        rows = {
            "dry_run": dry,
            "new": new,
            "blocked": [block_row(each, at) for each in made.blocks],
            "refused": [
                {"kind": r.kind, "value": r.value, "reason": r.reason, "forcible": r.forcible}
                for r in made.refused
            ],
        }
        say(as_text(rows))
    else:
        text = shown("\n".join(_plan_lines(made, new, at, dry=dry)) + "\n")
        if to_screen:
            typer.echo(text, err=True, nl=False)
        else:
            say(text)
    if forms and not (dry and out):
        write_lists(blocks, forms, policy.allow, out)


def _plan_lines(made: "Plan", new: int, at: int, *, dry: bool) -> list[str]:
    lines = [
        f"{each.id}  {each.kind:<6}  {each.value}  until {_when(each.until)}: {each.why}"
        for each in made.blocks
    ]
    if made.refused:
        lines.append("not blocked:")
    for no in made.refused:
        forced = " (--force blocks it)" if no.forcible else ""
        lines.append(f"          {no.kind:<6}  {no.value}: {no.reason}{forced}")
    what = "would be blocked" if dry else "blocked"
    lines.append(f"{len(made.blocks)} {what}, {new} of them new; {len(made.refused)} not")
    return lines


def write_lists(
    blocks: list["Block"], forms: Sequence[ListForm], allow: "Names", out: Path | None
) -> None:
    """Write the lists to a folder, or the first file of each to standard output."""
    from labrys.respond.ledger import now
    from labrys.respond.lists import files

    at = now()
    for form in dict.fromkeys(forms):
        made = files(form.value, blocks, allow, at)
        if out is None:
            say(next(iter(made.values())))
            continue
        with named(str(out)):
            out.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            with opened(out / name) as stream:
                stream.write(text)


def say_ended(ended: Sequence["Block"], what: str, *, as_json: bool) -> None:
    """Say which blocks have ended."""
    from labrys.respond.ledger import now

    at = now()
    if as_json:
        say(as_text([block_row(each, at) for each in ended]))
        return
    lines = [f"{each.id}  {each.kind:<6}  {each.value}  {what}" for each in ended]
    say(shown("\n".join([*lines, f"{len(ended)} {what}"]) + "\n"))


def block_lines(each: "Block", at: int) -> list[str]:
    """A block for people."""
    state = each.state(at)
    held = f"until {_when(each.until)}" if state == "active" else f"{state} {_when(each.ended)}"
    return [
        f"{each.id}  {each.kind:<6}  {each.value}  {held}",
        f"          {each.who}, {_when(each.since)}: {each.why}",
    ]


def block_row(each: "Block", at: int) -> dict[str, Any]:
    """A block for programs."""
    from dataclasses import asdict

    return {"id": each.id, **asdict(each), "state": each.state(at)}


def _when(time: int) -> str:
    from labrys.report.visible import iso

    return iso(time)[:16].replace("T", " ") + " UTC"


def as_text(value: Any) -> str:
    """JSON, safe for a terminal."""
    import orjson

    from labrys.cli.output import spelled

    return spelled(orjson.dumps(value, option=orjson.OPT_INDENT_2)).decode() + "\n"

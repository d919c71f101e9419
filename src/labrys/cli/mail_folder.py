"""Where the commands of the gate find its folder, and how they make its judge."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from labrys.gate.judge import Judge

Folder = Annotated[
    Path,
    typer.Option(
        "--folder", metavar="DIR", help="The gate's folder: its ledger, and reported messages."
    ),
]
HERE = Path("gate.labrys")


def judging(rules: tuple[Path, ...]) -> "Judge":
    """The judge of a scan, with these rules as well."""
    from labrys.evidence.mail_auth.zone import given
    from labrys.gate.judge import Judge
    from labrys.scan.rules import builtin_rules
    from labrys.scan.run import Options, equip

    given()  # DNS records that cannot be read are told of before any mail is
    return Judge(equip(Options(paths=(), rules=(builtin_rules(), *rules))).rows)


def there(folder: Path) -> Path:
    """The folder, if it is one of the gate; LabrysError where it is none."""
    from labrys.errors import LabrysError
    from labrys.gate.store import FILE

    if not (folder / FILE).is_file():
        raise LabrysError(f"{folder} is no folder of the gate; give --folder DIR")
    return folder


def when(time: int) -> str:
    """Epoch milliseconds as people read them, UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M")

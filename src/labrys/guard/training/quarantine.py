"""The file of what was set aside: what a person looks at, and how he says what becomes of it.

A CSV file with a line for each; in the column `decision` he writes `keep` (it is right, use it),
`drop` (do not use it) or `turn` (it belongs to the other side). What he has decided stays.
"""

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from labrys.errors import LabrysError

Decision = Literal["", "keep", "drop", "turn"]
FILE: Final = "review.csv"
_LONGEST: Final = 200
_MOST: Final = 64 << 20


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """One of what was set aside. `id` names it wherever it lies; the rest is for the reader."""

    decision: Decision = ""
    label: str
    why: str
    what: str = ""
    where: str = ""
    id: str


def write(path: Path, found: Iterable[Suspect]) -> None:
    """Write the file anew; `LabrysError` where that cannot be done."""
    draft = path.with_suffix(".draft")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(Suspect.__struct_fields__)
            writer.writerows(
                [_plain(value) for value in msgspec.structs.astuple(each)] for each in found
            )
        draft.replace(path)
    except OSError as error:
        raise LabrysError(f"{path}: cannot be written ({error.strerror})") from error


def read(path: Path) -> dict[str, Suspect]:
    """What was set aside before, by id; nothing where there is no file. `LabrysError` says which
    line is none."""
    if not path.is_file():
        return {}
    made: dict[str, Suspect] = {}
    try:
        if path.stat().st_size > _MOST:
            raise LabrysError(f"{path}: larger than any review")
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream), 2):
                said = {
                    name: str(row.get(name) or "").strip() for name in Suspect.__struct_fields__
                }
                said["decision"] = said["decision"].lower()
                if said["decision"] not in get_args(Decision) or not said["id"]:
                    raise LabrysError(
                        f"{path}, line {number}: a decision is keep, drop or turn, or nothing yet"
                    )
                made[said["id"]] = msgspec.convert(said, Suspect)
    except (OSError, ValueError, csv.Error) as error:
        raise LabrysError(f"{path}: cannot be read ({error})") from error
    return made


def _plain(text: str) -> str:
    """What a message says, in one line, and no formula for whoever opens it in a spreadsheet."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    shown = shown.encode("utf-8", "replace").decode()[:_LONGEST].strip()
    return f"'{shown}" if shown[:1] in ("=", "+", "-", "@") else shown

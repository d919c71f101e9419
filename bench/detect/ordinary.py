"""A made-up office's ordinary days: everything that is found there is a false alarm."""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from bench.benign import make
from bench.benign.make import hosts, write
from bench.detect.figures import Figure
from bench.detect.found import HIGH, LEVELS, MEDIUM, Found
from bench.detect.labelled import Labelled

_DAYS: Final = 7
_SEED: Final = 1
_PARTS: Final = ("windows", "linux", "aws", "entra", "m365")


def _prepare(folder: Path) -> None:
    write(folder, days=_DAYS, seed=_SEED)


def version() -> str:
    """Changes with the generator, so that its evidence is made and read again."""
    files = sorted(Path(make.__file__).parent.glob("*.py")) + sorted(
        Path(make.__file__).parent.glob("*.toml")
    )
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _measure(found: Found, _: Path) -> Iterator[Figure]:
    days = hosts() * _DAYS
    unit = f"{hosts()} made-up hosts × {_DAYS} days, one cloud account, one tenant"
    for level in (5, 4, 3, 2, 1):
        mine = [each for each in found.findings if each.severity == level]
        yield Figure(
            f"{LEVELS[level]} findings",
            len(mine),
            unit=unit,
            target="0" if level >= HIGH else "",
            against=_named(found, level) if level >= MEDIUM else (),
        )
        yield Figure(f"  {LEVELS[level]} per host-day", len(mine) / days, unit=unit)
    for part in _PARTS:
        serious = [
            each
            for each in found.findings
            if each.severity >= MEDIUM and any(file.startswith(part) for file in each.files)
        ]
        yield Figure(f"medium+ in {part}", len(serious), unit=unit)
    shown = tuple(f"{each.rank}: {each.title} ({len(each.findings)})" for each in found.incidents)
    weeks = days / 7
    yield Figure("incidents", len(found.incidents), unit=unit, against=shown)
    yield Figure("incidents per host-week", len(found.incidents) / weeks, unit=unit, target="≤ 1")
    yield Figure("folded lines", len(found.folded), unit=unit, against=tuple(found.folded))


def _named(found: Found, level: int) -> tuple[str, ...]:
    counts = Counter(
        (each.title, each.rule, " ".join(file.partition("/")[2] for file in each.files[:3]))
        for each in found.findings
        if each.severity == level
    )
    return tuple(
        f"{count} × {title} ({rule}) in {file}"
        for (title, rule, file), count in counts.most_common()
    )


ORDINARY: Final = Labelled(
    "ordinary",
    "everything found is a false alarm: days of ordinary administration, with what looks like an "
    "attack (encoded provisioning, backup tools, discovery by administrators, scanners at the web)",
    "made up by us from vendors' documentation: it shows which ordinary things our rules mistake, "
    "it is no measurement of any real network's false alarms",
    _prepare,
    _measure,
    version=version(),
    folds=True,
)

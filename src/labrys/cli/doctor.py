"""`labrys doctor`: what is installed, loaded and how old, and what is unavailable and why."""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from labrys.cli import shown
from labrys.cli.options import AsJson
from labrys.cli.stream import say

_EXTRAS = {
    "ml": ("lightgbm", "sklearn", "onnxruntime"),
    "ui": ("nicegui",),
    "spark": ("packaging", "pyarrow_hotfix", "pyspark"),
    "sail": ("packaging", "pyarrow_hotfix", "pyspark", "pysail"),
}
_CORE = (
    "duckdb",
    "evtx",
    "google-re2",
    "hyperscan",
    "ibis-framework",
    "msgspec",
    "numpy",
    "orjson",
    "py7zr",
    "pyarrow",
    "pysigma",
    "rich",
    "typer",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at: `ok`, `missing` (optional, and not there) or `bad`."""

    part: str
    name: str
    state: str
    detail: str


def command(
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="PATH", help="Rule folders to look at as well."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is installed and loaded, and what is missing.

    Exit code 1 when something that labrys needs is bad.
    """
    lines = [*_packages(), *_extras(), *_formats(), *_rules(rules or []), *_detectors(), *_data()]
    if as_json:
        import orjson

        say(orjson.dumps([asdict(line) for line in lines]).decode() + "\n")
    else:
        marks = {"ok": "+", "missing": "-", "bad": "!"}
        drawn = (f"{marks[one.state]} {one.part:9} {one.name:24} {one.detail}\n" for one in lines)
        say(shown("".join(drawn)))
    if any(line.state == "bad" for line in lines):
        raise typer.Exit(1)


def _packages() -> Iterator[Line]:
    from importlib.metadata import PackageNotFoundError, version

    import labrys

    yield Line("labrys", "version", "ok", labrys.__version__)
    yield Line("labrys", "python", "ok", sys.version.split()[0])
    for name in _CORE:
        try:
            yield Line("package", name, "ok", version(name))
        except PackageNotFoundError:
            if name == "hyperscan":
                said = "not for this machine; Aho-Corasick is used instead, more slowly"
                yield Line("package", name, "missing", said)
            else:
                yield Line("package", name, "bad", "not installed; install labrys again")


def _extras() -> Iterator[Line]:
    from importlib.util import find_spec

    for extra, modules in _EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            said = f"needs {', '.join(missing)}: pip install 'labrys[{extra}]'"
            yield Line("extra", extra, "missing", said)
        else:
            yield Line("extra", extra, "ok", "installed")


def _formats() -> Iterator[Line]:
    from importlib import import_module

    from labrys.evidence.registry import formats

    for made in formats():
        try:
            import_module(made.module)
            yield Line("format", made.id, "ok", made.title)
        except ImportError as error:
            yield Line("format", made.id, "bad", f"cannot be imported: {error}")


def _rules(folders: list[Path]) -> Iterator[Line]:
    from labrys.detect.sigma import cache
    from labrys.errors import RuleError
    from labrys.scan.rules import builtin_rules

    for folder in (builtin_rules(), *folders):
        try:
            rules = cache.load([folder])
        except RuleError as error:
            yield Line("rules", str(folder), "bad", str(error))
            continue
        waiting = sum(one.waiting for one in rules.rejected)
        rejected = len(rules.rejected) - waiting
        said = (
            f"{len(rules.rules)} rules and {len(rules.correlations)} correlations loaded, "
            f"{waiting} waiting for a list, {rejected} rejected"
        )
        yield Line("rules", str(folder), "ok", said)


def _detectors() -> Iterator[Line]:
    from labrys.detect.registry import detectors

    yield Line("detector", "sigma", "ok", "Sigma rules and correlations (row detector)")
    for made in detectors():
        yield Line("detector", made.id, "ok", f"{made.title} ({made.kind} detector)")
    for made in detectors():
        yield from _model(made.id, made.module)


def _model(detector: str, module: str) -> Iterator[Line]:
    """The model of a detector, if it has one: whether its files are those of its card."""
    from importlib.resources import files

    from labrys.errors import ModelError
    from labrys.model.card import load

    folder = files(module) / "model"
    if not folder.is_dir():
        return
    try:
        version = load(folder).card.get("version", "?")
        told = f"version {version}, as its card says: labrys guard card {detector}"
        yield Line("model", detector, "ok", told)
    except ModelError as error:
        yield Line("model", detector, "bad", str(error))


def _data() -> Iterator[Line]:
    from labrys.ocsf.attack import version
    from labrys.ocsf.schema import OCSF_VERSION

    said = f"version {version()}; what is newer is shown by its id or its own words"
    yield Line("data", "MITRE ATT&CK", "ok", said)
    yield Line("data", "OCSF", "ok", f"version {OCSF_VERSION} (classes and attributes)")

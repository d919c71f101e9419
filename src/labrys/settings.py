"""Everything a user can set, in one typed object: flags, then `LABRYS_…`, then `labrys.toml`."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from labrys.errors import LabrysError

FILE: Final = "labrys.toml"
PREFIX: Final = "LABRYS_"
FILE_ONLY: Final = ("assets", "network")
"""Settings that are a table, which no variable holds."""
_UNITS: Final = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}

Size = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}(B|KB|MB|GB|TB)$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class Asset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a host or an account is to its owner."""

    role: str = ""
    importance: Literal["low", "normal", "high", "critical"] = "high"


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of networks."""

    places: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings, with defaults that work; sizes read `512MB`, times are seconds."""

    lake: str = ""
    """The case folder; empty: named after what is scanned, or the one scanned last."""
    engine: str = "duckdb"
    """`duckdb`, or a Spark Connect endpoint `sc://host:port`."""
    rules: tuple[str, ...] = ()
    """Rule directories beside labrys' own."""
    jobs: Count = 0
    """Worker processes; 0: one for each processor."""
    engine_memory: Size = "2GB"
    """What DuckDB may hold before it spills to the case folder."""
    worker_memory: Size = "1GB"
    """What one worker that reads hostile evidence may hold."""
    worker_seconds: Positive = 900
    """How long a worker may take for one source of evidence without a result."""
    decisions: str = ""
    """Where exceptions and verdicts are kept: an SQLAlchemy address; empty: in the case itself."""
    assets: dict[str, Asset] = {}
    """Hosts and accounts that matter more or less: a pattern (`dc*`), its `role`, `importance`."""
    mail_records: str = ""
    """DNS records (a file, or a folder of files) that DKIM, ARC, SPF and DMARC are checked with."""
    network: Network = msgspec.field(default_factory=Network)
    """`places`: MaxMind DB files, from this file's folder: countries and networks of addresses."""
    unpack_depth: Count = 4
    """Archives inside archives: so deep, no deeper."""
    unpack_bytes: Size = "64GB"
    """What all archives of a scan may unpack to."""
    unpack_files: Positive = 200_000
    """How many files all archives of a scan may unpack to."""

    @property
    def workers(self) -> int:
        """How many worker processes to start."""
        return self.jobs or os.cpu_count() or 1


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The settings from flags (those not None), the environment and a TOML file, in that order.

    The file is `file`, or the one `LABRYS_CONFIG` names, or `labrys/labrys.toml` in the user's
    configuration folder (XDG). Never one from the folder the user happens to stand in: that may
    be evidence, and whoever wrote that must not choose our engine.
    Raises `LabrysError` naming where a value that cannot be used was found.
    """
    environment = os.environ if environment is None else environment
    named = file or (Path(given) if (given := environment.get(f"{PREFIX}CONFIG")) else None)
    home = Path(environment.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
    chosen = named or home / "labrys" / FILE
    layers = {
        str(chosen): _from_file(chosen, required=named is not None),
        "the environment": _from_environment(environment),
        "the command line": {k: v for k, v in (flags or {}).items() if v is not None},
    }
    values: dict[str, Any] = {}
    for where, layer in layers.items():
        try:
            made = msgspec.convert(layer, Settings, strict=False)
        except msgspec.ValidationError as reason:
            raise LabrysError(f"settings from {where}: {reason}") from reason
        values.update({name: getattr(made, name) for name in layer})
    return Settings(**values)


def size(text: Size) -> int:
    """`512MB` in bytes (units are powers of 1024)."""
    number = text.rstrip("KMGTB")
    return int(number) * _UNITS[text[len(number) :]]


def _from_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        return _placed(tomllib.loads(path.read_text("utf-8")), path.parent)
    except FileNotFoundError as reason:
        if required:
            raise LabrysError(f"{path}: no such settings file") from reason
        return {}
    except (OSError, ValueError) as reason:
        raise LabrysError(f"{path}: cannot be read as TOML ({reason})") from reason


def _placed(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    """With files that are named from the settings' own folder by their whole path."""
    network = found.get("network")
    places = network.get("places") if isinstance(network, dict) else None
    if network and isinstance(places, list) and all(isinstance(name, str) for name in places):
        named = [str(folder.resolve() / Path(name).expanduser()) for name in places]
        found["network"] = {**network, "places": named}
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in Settings.__struct_fields__:
        if name in FILE_ONLY:
            continue
        text = environment.get(PREFIX + name.upper())
        if text is not None:
            found[name] = text.split(os.pathsep) if name == "rules" else text
    return found

"""Files of models: what is flagged of those made to harm, and of ordinary ones; beside it the cost."""

import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson

from bench.data import ENDPOINT, Skipped, workspace
from bench.measure import Cost, command
from bench.scanning import environment, program
from bench.table import LABRYS, Row

_SETS: Final = {"malicious, inert": "model_malicious_inert.zip", "ordinary": "model_zoo_benign.zip"}
_FILES: Final = ENDPOINT.parent / "files"
_FLAGGED: Final = 3
_LEAST: Final = 100
"""Files a second that are asked for."""


def run(*, quick: bool) -> list[Row]:
    """A row for each set, and what other scanners said of it (measured earlier)."""
    if not all((_FILES / name).is_file() for name in _SETS.values()):
        raise Skipped(f"{_FILES} holds no models")
    with workspace() as folder:
        return [row for work, name in _SETS.items() for row in _rows(folder, work, name)]


def _rows(folder: Path, work: str, name: str) -> Iterator[Row]:
    place = folder / name
    with zipfile.ZipFile(_FILES / name) as archive:
        archive.extractall(place)
    files = [path for path in place.rglob("*") if path.is_file()]
    nothing = folder / "nothing"
    nothing.mkdir(exist_ok=True)
    # Start-up includes the rules for such files, which are made ready at the first of them.
    (nothing / "a.pkl").write_bytes(pickle.dumps({"a": list(range(9))}))
    (nothing / "a.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    environ = environment(folder)
    _scan(folder, nothing, environ, "warm")
    idle, _ = _scan(folder, nothing, environ, f"{name}-idle")
    cost, found = _scan(folder, place, environ, name)
    spent = max(cost.cpu - idle.cpu, 0.001)
    flagged = _flagged(found, files)
    errors = cost.code
    wanted = len(files) if work.startswith("malicious") else 0
    yield Row(
        work,
        LABRYS,
        cpu=spent,
        events=len(files),
        peak=cost.peak,
        equal="yes" if len(flagged) == wanted else "no",
        note=f"{len(flagged)} of {len(files)} files flagged (medium or worse), exit code {errors}; "
        f"files a CPU second beyond a scan of two tiny models, target {_LEAST}; missed or flagged in vain: "
        f"{', '.join(sorted(_other(flagged, files, wanted))) or 'none'}",
    )


def _scan(folder: Path, place: Path, environ: dict[str, str], name: str) -> tuple[Cost, Path]:
    out = folder / f"{name}.ndjson"
    cost = command(
        [
            program(), "scan", place, "--lake", folder / f"{name}.labrys", "--quiet", "--format",
            "ndjson", "--out", out, "--only", "sigma", "--only", "model_code",
        ],
        env=environ,
        codes=(0, 1),
    )  # fmt: skip
    return cost, out


def _flagged(found: Path, files: list[Path]) -> set[str]:
    names: set[str] = set()
    for line in found.read_bytes().splitlines():
        row = orjson.loads(line)
        if row["class_uid"] == 2004 and row["severity_id"] >= _FLAGGED:
            names |= {each["data"]["_source"].partition("!/")[0] for each in row["evidences"]}
    return names & {str(path) for path in files}


def _other(flagged: set[str], files: list[Path], wanted: int) -> set[str]:
    every = {str(path) for path in files}
    return {Path(path).name for path in (every - flagged if wanted else flagged)}

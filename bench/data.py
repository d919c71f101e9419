"""Where the evidence and the peers are; both lie outside the repository."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.measure import REPO

ENDPOINT: Final = REPO.parent / "shared" / "data" / "endpoint"


class Skipped(Exception):
    """What is needed for a measurement is not here; the text says what."""


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for one benchmark (under `LABRYS_BENCH_TMP` or the system's), removed afterwards."""
    with TemporaryDirectory(prefix="labrys-bench-", dir=os.environ.get("LABRYS_BENCH_TMP")) as made:
        yield Path(made)


def unpacked(name: str, into: Path) -> Path:
    """The folder with what the archive `<name>.tar.xz` holds, unpacked once."""
    archive = ENDPOINT / f"{name}.tar.xz"
    folder = into / name
    if folder.is_dir():
        return folder
    if not archive.is_file():
        raise Skipped(f"{archive.name} is not in ../shared/data/endpoint beside the checkout")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder


def sigma_rules(into: Path) -> Path:
    """The SigmaHQ rules."""
    return unpacked("sigma_rules", into)


def windows_rules(into: Path) -> Path:
    """The SigmaHQ rules that speak of Windows, in a folder of their own."""
    return _chosen(into, "windows_rules", ("product: windows",))


def process_rules(into: Path) -> Path:
    """The SigmaHQ rules for process creation on Windows."""
    return _chosen(into, "process_rules", ("product: windows", "category: process_creation"))


def _chosen(into: Path, name: str, lines: tuple[str, ...]) -> Path:
    folder = into / name
    if not folder.is_dir():
        rules = sigma_rules(into)
        for path in sorted(rules.rglob("*.yml")):
            if set(lines) <= set(_logsource(path.read_text("utf-8"))):
                kept = folder / path.relative_to(rules)
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, kept)
    return folder


def _logsource(text: str) -> Iterator[str]:
    """The lines of a rule's log source, without what surrounds them."""
    inside = False
    for line in text.splitlines():
        if not line.startswith((" ", "#")) and line.strip():
            inside = line.startswith("logsource:")
        elif inside:
            yield line.split("#")[0].strip()


def peer(variable: str, *names: str) -> Path:
    """A peer's program: named by the environment, or on the PATH."""
    said = os.environ.get(variable)
    if said:
        if not Path(said).exists():
            raise Skipped(f"not installed ({variable} names {said}, which is not there)")
        return Path(said)
    for name in names:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise Skipped(f"not installed (set {variable})")

"""Process events to disguise, and ordinary ones: from our rules' tests and the shared data."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from bench.benign.make import write
from bench.data import ENDPOINT, Skipped, sigma_rules, unpacked
from bench.measure import REPO
from labrys.detect.evasion.seen import PLACES
from labrys.evidence.records import Source
from labrys.evidence.registry import SNIFF_BYTES, choose
from labrys.scan.rules import builtin_rules

_COLLECTIONS: Final = ("evtx_attack_samples", "evtx_to_mitre", "sigma_regression")
_HOSTS: Final = ("host_Win10_RathbunVM", "host_Win10_BelkasoftCTF_InsiderThreat")
_SIMULATOR: Final = ("host_Win10_APTSimulatorVM", 1_646_942_242_300)
"""A host, and when its owner started the simulated attack."""


def read(path: Path) -> Iterator[tuple[str, pa.Table]]:
    """A file's process events, by shape."""
    content = path.read_bytes()
    found = choose(content[:SNIFF_BYTES], path.name)
    if found is None:
        return
    for shape, batch in found.read(
        Source(path, path.name, sha256(content).hexdigest(), len(content))
    ):
        if shape in PLACES:
            yield shape, pa.Table.from_batches([batch])


def under(folder: Path) -> Iterator[tuple[str, pa.Table]]:
    """The process events of all files in a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield from read(path)


def samples(kind: str) -> Iterator[tuple[str, pa.Table]]:
    """The process events in the hits, or the misses, of our own rules' tests."""
    with TemporaryDirectory() as made:
        for number, path in enumerate(sorted((REPO / "tests" / "rules").rglob("*.yml"))):
            for at, sample in enumerate(yaml.safe_load(path.read_text("utf-8"))):
                if kind in sample:
                    file = Path(made, f"{number}-{at}-{sample.get('name', 'sample')}")
                    records = sample["records"]
                    file.write_bytes(records if isinstance(records, bytes) else records.encode())
                    yield from read(file)


def joined(tables: Iterable[tuple[str, pa.Table]]) -> dict[str, pa.Table]:
    """Tables of the same shape as one, each record under a number."""
    by_shape: dict[str, list[pa.Table]] = {}
    for shape, table in tables:
        by_shape.setdefault(shape, []).append(table)
    return {
        shape: renumbered(pa.concat_tables(several, promote_options="default"))
        for shape, several in by_shape.items()
    }


def renumbered(table: pa.Table) -> pa.Table:
    """The rows under their numbers."""
    ids = pa.array([str(number) for number in range(table.num_rows)], pa.string())
    return table.set_column(table.schema.get_field_index("_id"), "_id", ids)


def bases(
    folder: Path, quick: bool
) -> Iterator[tuple[str, Sequence[Path], dict[str, pa.Table], int]]:
    own = builtin_rules()
    yield "our rules' samples, our rules", [own], joined(samples("hit")), 200
    try:
        real = joined(pair for name in _COLLECTIONS for pair in under(unpacked(name, folder)))
    except Skipped as reason:
        print(f"skipped: {reason}", file=sys.stderr)
        return
    most = 60 if quick else 100_000
    yield "attack collections, our rules", [own], real, most
    yield "attack collections, SigmaHQ and ours", [own, sigma_rules(folder)], real, most


def ordinary(folder: Path) -> Iterator[tuple[str, Callable[[], Mapping[str, pa.Table]]]]:
    yield "near misses of our rules", lambda: joined(samples("miss"))
    write(folder / "office", days=7, seed=1)
    yield "made-up office, 7 days", lambda: joined(under(folder / "office"))
    if not ENDPOINT.is_dir():
        print("skipped: no ../shared/data/endpoint beside the checkout", file=sys.stderr)
        return
    scraps = ENDPOINT / "benign_scraps"
    yield "real scraps, Windows", lambda: joined(_scraps(scraps / "windows", folder))
    yield "real scraps, Linux", lambda: joined(_scraps(scraps / "linux", folder))
    for name in _HOSTS:
        yield name, partial(lambda name: joined(under(unpacked(name, folder))), name)
    name, until = _SIMULATOR
    yield f"{name} before the attack", lambda: _before(joined(under(unpacked(name, folder))), until)


def _scraps(scraps: Path, folder: Path) -> Iterator[tuple[str, pa.Table]]:
    import lzma

    for path in sorted(scraps.glob("*.xz")):
        # Alerts are chosen by rules: they are no sample of ordinary events.
        if "alerts" not in path.name:
            plain = folder / path.stem
            plain.write_bytes(lzma.decompress(path.read_bytes()))
            yield from read(plain)


def _before(tables: Mapping[str, pa.Table], until: int) -> dict[str, pa.Table]:
    return {
        shape: renumbered(table.filter(pc.fill_null(pc.less(table["_time"], until), False)))
        for shape, table in tables.items()
    }

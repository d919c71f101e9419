"""SigmaHQ's own regression events: each rule finds in its event log what its authors say it finds."""

import csv
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest

import sigma_reference
from labrys.detect.sigma.detector import SigmaDetector
from labrys.detect.sigma.ir import RuleSet
from labrys.detect.sigma.logsource import bind, negated
from labrys.detect.sigma.parse import parse
from labrys.evidence.evtx.read import read
from labrys.evidence.records import Source

DATA = Path(__file__).parents[2] / "shared" / "data" / "endpoint"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"real data sets are not at {DATA}"),
]

COUNTED = {
    "8fbf3271": 3,
    "0b9ad457": 3,
    "45e112d0": 3,
    "c7dcacd0": 2,
    "5bac7a56": 2,
    "7124aebe": 2,
}
"""Where upstream says 1 (the first four) or nothing: reading the events against the rules."""

Count = Callable[[RuleSet, int, str, pa.Table], int]


def by_reference(rules: RuleSet, number: int, shape: str, table: pa.Table) -> int:
    rule = rules.rules[number]
    fields = bind(rule.logsource, shape, negated(rule.when, rules.atoms))
    return 0 if fields is None else len(sigma_reference.matches(rules, number, table, fields))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sigma")
    for name in ("sigma_rules", "sigma_regression"):
        with tarfile.open(DATA / f"{name}.tar.xz") as archive:
            archive.extractall(folder / name, filter="data")
    return folder


def cases() -> list[dict[str, str]]:
    with (DATA / "sigma_regression.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def tables(path: Path) -> Iterator[tuple[str, pa.Table]]:
    source = Source(path, path.name, sha256(path.name.encode()).hexdigest(), path.stat().st_size)
    for shape, batch in read(source):
        yield shape, pa.Table.from_batches([batch])


def differences(rules: RuleSet, folder: Path, count: Count) -> list[str]:
    """Every case whose rule does not fire as often as it should."""
    numbers = {rule.uid: number for number, rule in enumerate(rules.rules)}
    wrong = []
    for case in cases():
        (path,) = folder.rglob(Path(case["file"]).name) if case["file"] else ()
        events = list(tables(path))
        for uid in case["rule_ids"].replace(";", " ").replace(",", " ").split():
            found = sum(count(rules, numbers[uid], shape, table) for shape, table in events)
            expected = COUNTED.get(uid[:8], int(case["match_count"] or 1))
            if found != expected:
                wrong.append(f"{uid} ({case['title']}): {found} matches, not {expected}")
    return wrong


def test_every_rule_fires_as_often_as_it_should(unpacked: Path) -> None:
    rules = parse([unpacked / "sigma_rules"])
    assert len(cases()) == 163
    assert differences(rules, unpacked / "sigma_regression", by_reference) == []


def test_the_detector_fires_as_often(unpacked: Path) -> None:
    rules = parse([unpacked / "sigma_rules"])
    detector = SigmaDetector(rules)
    found: dict[tuple[str, int], Counter[str]] = {}

    def by_detector(_: RuleSet, number: int, shape: str, table: pa.Table) -> int:
        key = (shape, id(table))
        if key not in found:
            kept.append(table)
            found[key] = Counter(detector.detect(shape, table)["rule_uid"].to_pylist())
        return found[key][rules.rules[number].uid]

    kept: list[pa.Table] = []
    assert differences(rules, unpacked / "sigma_regression", by_detector) == []


def test_every_rule_of_the_archive_is_loaded_or_waits_for_a_list(unpacked: Path) -> None:
    rules = parse([unpacked / "sigma_rules"])
    assert [one.reason for one in rules.rejected if not one.waiting] == []
    names = {name for one in rules.rejected for name in one.reason.split("%")[1::2]}
    rules = parse([unpacked / "sigma_rules"], {name: ["some*", "other"] for name in names})
    assert (len(rules.rules), len(rules.rejected), len(rules.warned)) == (3780, 0, 0)

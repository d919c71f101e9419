"""The same scan on DuckDB and on a Spark Connect endpoint (Sail) finds the same."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from labrys.cli.progress import Silent
from labrys.demo.make import make
from labrys.lake.case import Case
from labrys.scan.rules import builtin_rules
from labrys.scan.run import Options, Scan, scan

pytestmark = [
    pytest.mark.sail,
    pytest.mark.filterwarnings("default"),  # of third parties
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    given = os.environ.get("LABRYS_TEST_SPARK")
    if given:
        yield given
        return
    sail = pytest.importorskip("pysail.spark", reason="needs the [sail] extra: labrys[sail]")
    pytest.importorskip("pyspark", reason="needs the [sail] extra: labrys[sail]")
    os.environ.setdefault("RUST_LOG", "off")
    server = sail.SparkConnectServer(port=0)
    server.start(background=True)
    yield f"sc://localhost:{server.listening_address[1]}"
    server.stop()


def scanned(folder: Path, evidence: Path, engine: str) -> Scan:
    options = Options(paths=(evidence,), rules=(builtin_rules(),), engine=engine)
    with Case.open(folder) as case, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return scan(case, options, Silent())


def test_same_findings_and_incidents(address: str, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    make(evidence)
    here = scanned(tmp_path / "duckdb", evidence, "duckdb")
    there = scanned(tmp_path / "sail", evidence, address)
    detectors = set(here.findings["detector"].to_pylist())
    assert {"sigma", "sigma.correlation", "guessing"} <= detectors
    order = [("uid", "ascending")]
    assert there.findings.sort_by(order).equals(here.findings.sort_by(order))
    assert there.triage.incidents.equals(here.triage.incidents)


def test_a_case_scanned_here_is_not_searched_twice_there(address: str, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    make(evidence)
    here = scanned(tmp_path / "case", evidence, "duckdb")
    there = scanned(tmp_path / "case", evidence, address)
    assert sorted(there.findings["uid"].to_pylist()) == sorted(here.findings["uid"].to_pylist())

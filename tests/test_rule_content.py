"""Our own rules: each finds its attack in a sample of it, leaves a near miss alone, and says why.

`rules/<area>/<name>.yml` has its samples in `tests/rules/<area>/<name>.yml`, a list of

    - hit: what happened            # or `miss: what looks like it and is not`
      rules: [uid, …]               # which fire, of a miss which do not (absent: all of the file
                                    # that report)
      name: secure                  # what the evidence file is called, where that matters
      records: |                    # the evidence as its product writes it (or !!binary)
        …

A miss is a near miss: none of the file's reporting rules, or of those it names, may fire on it. Samples are read by the
readers, matched by the engine and correlated, as a scan does.
"""

from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from labrys.detect.sigma.correlate import correlate, from_findings
from labrys.detect.sigma.detector import SigmaDetector
from labrys.detect.sigma.findings import MATCH
from labrys.detect.sigma.ir import Correlation, Rule, RuleSet
from labrys.evidence.mail_auth.zone import given
from labrys.evidence.records import Source
from labrys.evidence.registry import choose
from labrys.scan.rules import builtin_rules, load

SAMPLES = Path(__file__).parent / "rules"
LISTS = {"own_domains": ["corpnorth.example"], "internal_names": ["Jane Doe"]}
"""What users would put in for the rules that wait for a list."""
RECORDS = """
_dmarc.disowned.example TXT "v=DMARC1; p=reject"
disowned.example TXT "v=spf1 ip4:198.51.100.7 -all"
"""
"""What DNS says of the domains of samples."""
LEVELS = ("informational", "low", "medium", "high", "critical")


@pytest.fixture(autouse=True, scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    file = tmp_path_factory.mktemp("dns") / "dns.txt"
    file.write_text(RECORDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABRYS_MAIL_RECORDS", str(file))
        given.cache_clear()
        yield
    given.cache_clear()


@cache
def loaded() -> tuple[RuleSet, SigmaDetector]:
    return load([builtin_rules()], LISTS)


def reporting() -> dict[str, list[Rule | Correlation]]:
    """The rules that alert by themselves, by their file (`area/name.yml`)."""
    rules = loaded()[0]
    alone = [rule for rule, says in zip(rules.rules, rules.alone, strict=True) if says]
    found: dict[str, list[Rule | Correlation]] = {}
    for rule in (*alone, *(each for each in rules.correlations if each.alone)):
        path = Path(rule.path)
        found.setdefault(f"{path.parent.name}/{path.name}", []).append(rule)
    return found


def fired(evidence: str | bytes, folder: Path, name: str) -> set[str]:
    """The uids of all rules that a scan of one file would report."""
    rules, detector = loaded()
    path = folder / name
    content = evidence if isinstance(evidence, bytes) else evidence.encode()
    path.write_bytes(content)
    found = choose(content[:65536], name)
    assert found is not None, "no reader knows this sample"
    source = Source(path, name, sha256(content).hexdigest(), len(content))
    batches: dict[str, list[pa.RecordBatch]] = {}
    for shape, batch in found.read(source):
        batches.setdefault(shape, []).append(batch)
    assert "unparsed" not in batches, batches["unparsed"][0].to_pylist()
    findings = pa.concat_tables(
        detector.detect(shape, pa.Table.from_batches([batch]))
        for shape, several in batches.items()
        for batch in several
    )
    matches = findings.filter(pa.compute.equal(findings["detector"], MATCH))
    alone = findings.filter(pa.compute.not_equal(findings["detector"], MATCH))
    correlated = correlate(rules, from_findings(matches)).findings
    return {*alone["rule_uid"].to_pylist(), *correlated["rule_uid"].to_pylist()}


def samples() -> list[Any]:
    return [
        pytest.param(path, sample, id=f"{path.parent.name}/{path.stem}-{number}")
        for path in sorted(SAMPLES.rglob("*.yml"))
        for number, sample in enumerate(yaml.safe_load(path.read_text("utf-8")), start=1)
    ]


@pytest.mark.parametrize(("path", "sample"), samples())
def test_a_sample_is_judged_as_it_says(path: Path, sample: dict[str, Any], tmp_path: Path) -> None:
    own = {rule.uid for rule in reporting()[f"{path.parent.name}/{path.name}"]}
    found = fired(sample["records"], tmp_path, sample.get("name", "sample"))
    if "hit" in sample:
        assert set(sample.get("rules", own)) - found == set(), "these rules should have fired"
    else:
        spared = set(sample.get("rules", own))
        assert spared <= own, "a near miss of rules that do not report, or of another file"
        assert spared & found == set(), f"a near miss fired: {sample['miss']}"


def test_every_rule_has_a_hit_and_a_near_miss() -> None:
    missing = []
    for file, rules in reporting().items():
        path = SAMPLES / file
        entries = yaml.safe_load(path.read_text("utf-8")) if path.is_file() else []
        hit = {
            uid
            for entry in entries
            if "hit" in entry
            for uid in entry.get("rules", [rule.uid for rule in rules])
        }
        missing += [f"{file}: no hit for {rule.title}" for rule in rules if rule.uid not in hit]
        if not any("miss" in entry for entry in entries):
            missing.append(f"{file}: no near miss")
    assert missing == []


def test_every_rule_explains_itself() -> None:
    lacking = []
    for file, rules in reporting().items():
        for rule in rules:
            for name in ("title", "description", "author", "advice", "falsepositives"):
                if not getattr(rule, name):
                    lacking.append(f"{file}: {rule.title} has no {name}")
            if not any(tag.startswith("attack.t") for tag in rule.tags):
                lacking.append(f"{file}: {rule.title} names no technique")
            if rule.level not in LEVELS:
                lacking.append(f"{file}: {rule.title} has the level {rule.level!r}")
    assert lacking == []


def test_all_rules_load() -> None:
    rules = loaded()[0]
    assert rules.rejected == ()
    assert [each.reason for each in rules.warned] == []


def test_every_rule_has_its_own_uid_and_title() -> None:
    rules = loaded()[0]
    every = (*rules.rules, *rules.correlations)
    assert len({rule.uid for rule in every}) == len(every)
    assert len({rule.title for rule in every}) == len(every)

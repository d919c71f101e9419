"""Finds command lines that are disguised from rules, and says which rule each was to escape.

1. The canonical form of a line (`canon.py`) is matched by the same rules: one that matches it and
   not the line was escaped.
2. What the model or its disguises make suspicious is matched by the rules read loosely (`loose.py`).
3. A line that is very much like those of attacks, or disguised beyond doubt, is found without rules.

All is decided once for records that say the same; most lines are only looked at by one expression
and one sum over their letters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.contract import RowDetector
from labrys.detect.evasion import explain
from labrys.detect.evasion.loose import COLUMN, WITHOUT_IMAGE, Keep, LooseRules, loosened
from labrys.detect.evasion.readings import readings
from labrys.detect.evasion.score import Model, word_scores
from labrys.detect.evasion.seen import DISGUISED, HIDING, NEARLY, PLACES, Seen
from labrys.detect.sigma.findings import SIGMA
from labrys.detect.sigma.ir import RuleSet
from labrys.ocsf.entities import entities
from labrys.ocsf.schema import FINDING, Severity

Ints = npt.NDArray[np.int64]

_BEYOND_DOUBT: Final = 1.0
_MOST_RULES: Final = 8
_OF_RULE: Final = (
    "rule_uid", "title", "author", "severity_id", "confidence", "techniques", "tactics", "advice",
)  # fmt: skip
_MOST_WORDS: Final = 5


@dataclass(slots=True)
class _Found:
    """The findings of rules on one command: as written, as it runs, and read loosely."""

    written: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    loose: list[dict[str, Any]] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Whether a rule of some weight matches what is written or what runs."""
        both = (*self.written.values(), *self.run.values())
        return any(rule["severity_id"] >= Severity.MEDIUM for rule in both)


class Evasion:
    """The row detector (`labrys.detect.contract.RowDetector`); without rules it names none."""

    id = explain.ID
    emits = (explain.ID,)

    def __init__(
        self,
        digest: str,
        model: Model,
        rules: RuleSet | None = None,
        sigma: RowDetector | None = None,
        keep: Keep | None = None,
    ) -> None:
        self._model = model
        self._rules = rules
        self._sigma = sigma
        self._keep: Keep = keep or (lambda _, make: make())
        self.digest = f"{digest}:{sigma.digest if sigma is not None else ''}"

    @cached_property
    def _loose(self) -> LooseRules | None:
        if self._rules is None or self._sigma is None:
            return None
        return LooseRules(self._rules, self._sigma, self._keep)

    def for_shape(self, shape: str) -> "Evasion | None":
        """None where no commands are: engines need not send the rules there."""
        return self if shape in PLACES else None

    def detect(self, shape: str, batch: pa.Table) -> pa.Table:
        """The findings in a table of one shape."""
        place = PLACES.get(shape)
        if place is None or not batch.num_rows or place.column not in batch.column_names:
            return FINDING.empty_table()
        seen = Seen(place, batch, self._model)
        chosen = seen.chosen()
        if not len(chosen):
            return FINDING.empty_table()
        findings = list(self._findings(shape, seen, chosen))
        return _built(shape, batch, findings)

    def _findings(
        self, shape: str, seen: Seen, chosen: Ints
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """The findings in rows that may have some: row, and what is said of it."""
        found = self._reread(shape, seen, chosen)
        for first in chosen.tolist():
            made = list(self._of_line(seen.line(first), found[first]))
            for row in seen.alike(first):
                yield from ((row, one) for one in made)

    def _of_line(self, line: explain.Line, found: _Found) -> Iterator[dict[str, Any]]:
        """What is said of a command, given the rules that match it."""
        hiding = line.canon.strength >= HIDING or bool(line.program and not line.guessed)
        escaped = [
            rule
            for uid, rule in found.run.items()
            if uid not in found.written and (hiding or rule["severity_id"] >= Severity.MEDIUM)
        ]
        if escaped:
            yield from (explain.escaped(line, rule) for rule in _worst_first(escaped)[:_MOST_RULES])
            return
        if any(rule["severity_id"] >= Severity.MEDIUM for rule in found.written.values()):
            return
        near = [
            rule
            for rule in found.loose
            if rule["rule_uid"] not in found.written and self._convincing(line, rule)
        ]
        if near:
            first, *rest = _worst_first(near)
            others = dict.fromkeys(
                rule["title"] for rule in rest if rule["title"] != first["title"]
            )
            yield explain.loosely(line, first, list(others)[:4], self._words(line))
        elif line.canon.strength >= _BEYOND_DOUBT:
            yield explain.obfuscated(line)
        elif line.score >= self._model.attack and line.canon.strength > 0:
            yield explain.like_attack(line, self._words(line))

    def _words(self, line: explain.Line) -> list[tuple[str, float]]:
        """The words of a line that make it like attacks, strongest first."""
        counted = word_scores(line.canon.text, self._model.weights)[:_MOST_WORDS]
        return [(word, weight) for word, weight in counted if weight > 0]

    def _convincing(self, line: explain.Line, rule: Mapping[str, Any]) -> bool:
        """Whether a rule that matched loosely is borne out by the line's words or disguises."""
        if rule["severity_id"] < Severity.MEDIUM:
            return False
        if line.score >= self._model.unlike:
            return True
        if rule["without_image"]:
            return False
        return line.score >= NEARLY * self._model.unlike or line.canon.strength >= DISGUISED

    def _reread(self, shape: str, seen: Seen, chosen: Ints) -> dict[int, _Found]:
        """The rules that match the commands in their several readings: row → rules."""
        found = {row: _Found() for row in chosen.tolist()}
        if self._sigma is None or self._loose is None:
            return found
        spelt = list(_readings(seen, chosen))
        table = seen.respelt([(row, text) for row, text in spelt])
        for at, finding in _by_number(self._sigma.detect(shape, table)):
            row, text = spelt[at]
            side = found[row].written if text is None else found[row].run
            side[finding["rule_uid"]] = finding
        # What a rule has found, or was to find, needs no second guess.
        doubtful = [
            row
            for row in chosen.tolist()
            if seen.doubtful(row) and not found[row].settled and not seen.place.script
        ]
        if doubtful:
            self._respelt(shape, seen, doubtful, found)
            self._loosely(shape, seen, doubtful, found)
        return found

    def _respelt(
        self, shape: str, seen: Seen, rows: Sequence[int], found: Mapping[int, _Found]
    ) -> None:
        """Add the rules that match other spellings of the commands."""
        if self._loose is None or self._sigma is None:
            return
        spelt = [
            (row, way, text)
            for row in rows
            for way, text in readings(seen.line(row).canon.text, seen.place.shell).items()
        ]
        table = seen.respelt([(row, text) for row, _, text in spelt])
        for at, finding in _by_number(self._sigma.detect(shape, table)):
            row, way, _ = spelt[at]
            if finding["rule_uid"] not in self._loose.ordinary.get(way, ()):
                found[row].loose.append({**finding, "without_image": False})

    def _loosely(
        self, shape: str, seen: Seen, rows: Sequence[int], found: Mapping[int, _Found]
    ) -> None:
        """Add the rules that match the commands when both are read loosely."""
        if self._loose is None:
            return
        lines = [seen.line(row).canon.text for row in rows]
        table = seen.respelt(list(zip(rows, lines, strict=True)))
        words = pa.array([loosened(line) for line in lines], pa.string())
        table = table.append_column(COLUMN, words)
        for at, finding in _by_number(self._loose.detector.detect(shape, table)):
            uid = finding["rule_uid"]
            finding["without_image"] = uid.endswith(WITHOUT_IMAGE)
            finding["rule_uid"] = uid.removesuffix(WITHOUT_IMAGE)
            found[rows[at]].loose.append(finding)


def _readings(seen: Seen, chosen: Ints) -> Iterator[tuple[int, str | None]]:
    """The texts that rules are to read at first: row, and the command (None as it is written)."""
    for row in chosen.tolist():
        line = seen.line(row)
        yield row, None
        if line.canon.text != line.raw or line.program:
            yield row, line.canon.text
        if line.canon.undecoded:
            yield row, line.canon.undecoded


def _by_number(findings: pa.Table) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each finding of a rule itself, with the number of its row."""
    mine = findings.filter(pc.equal(findings["detector"], SIGMA)).select([*_OF_RULE, "evidence"])
    for finding in mine.to_pylist():
        yield int(finding.pop("evidence")[0]["_id"]), finding


def _built(shape: str, batch: pa.Table, findings: Sequence[tuple[int, dict[str, Any]]]) -> pa.Table:
    """Findings as rows, with what their records name."""
    if not findings:
        return FINDING.empty_table()
    taken = batch.take(pa.array([row for row, _ in findings]))
    named = entities(shape, taken).to_pylist()
    records = taken.select(["_id", "_source", "_offset", "_time"]).to_pylist()
    rows = [
        {
            **said,
            "uid": f"{explain.ID}:{said['rule_uid']}:{record['_id']}",
            "detector": explain.ID,
            "version": explain.VERSION,
            "time_start": record["_time"],
            "time_end": record["_time"],
            "entities": cast,
            "evidence": [{name: record[name] for name in ("_id", "_source", "_offset")}],
            "shape": shape,
        }
        for (_, said), record, cast in zip(findings, records, named, strict=True)
    ]
    return pa.Table.from_pylist(rows, FINDING)


def _worst_first(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rules, key=lambda rule: (-rule["severity_id"], rule["rule_uid"]))

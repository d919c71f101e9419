"""Finds command lines that are disguised from rules, and says which rule each was to escape.

1. The canonical form of a line (`canon.py`) is matched by the same rules: one that matches it and
   not the line was escaped.
2. What the model or its disguises make suspicious is matched by the rules read loosely (`loose.py`).
3. A line that is very much like those of attacks, or disguised beyond doubt, is found without rules.

All is decided once for records that say the same; most lines are only looked at by one expression
and one sum over their letters.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.contract import RowDetector
from labrys.detect.evasion import explain
from labrys.detect.evasion.canon import Canon, Shell, canonical, suspicious
from labrys.detect.evasion.known import PROGRAMS
from labrys.detect.evasion.loose import COLUMN, WITHOUT_IMAGE, LooseRules, loosened
from labrys.detect.evasion.score import Model, scores, word_scores
from labrys.detect.sigma.findings import SIGMA
from labrys.detect.sigma.ir import RuleSet
from labrys.ocsf.entities import entities
from labrys.ocsf.schema import FINDING, Severity

Keep = Callable[[str, Callable[[], bytes]], bytes]
"""Gives the bytes kept under a name, from what makes them where there are none."""

Ints = npt.NDArray[np.int64]

_DISGUISED: Final = 0.2
"""From this strength on, disguises are reason enough to read rules loosely."""
_HIDING: Final = 0.5
"""From this strength on, a rule of any level counts as escaped."""
_BEYOND_DOUBT: Final = 1.0
_HALF_LIKE: Final = 0.5
"""Of the model's `unlike`: enough to read loosely those rules that name the program."""
_LONGEST_SCRIPT: Final = 8192
_MOST_RULES: Final = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shape has its commands: the column, how they are read, whether they start programs."""

    column: str
    shell: Shell
    image: str = ""
    script: bool = False


PLACES: Final[Mapping[str, Place]] = {
    "windows.sysmon.1": Place("CommandLine", "windows", "Image"),
    "windows.security.4688": Place("CommandLine", "windows"),
    "windows.powershell.4104": Place("ScriptBlockText", "windows", script=True),
    "linux.sysmon.1": Place("CommandLine", "posix"),
    "linux.auditd": Place("CommandLine", "posix"),
}


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
    def _loose(self) -> RowDetector | None:
        if self._rules is None:
            return None
        return LooseRules(self._rules, self._keep).detector()

    def detect(self, shape: str, batch: pa.Table) -> pa.Table:
        """The findings in a table of one shape."""
        place = PLACES.get(shape)
        if place is None or not batch.num_rows or place.column not in batch.column_names:
            return FINDING.empty_table()
        seen = _Seen(place, batch, self._model)
        chosen = seen.chosen()
        if not len(chosen):
            return FINDING.empty_table()
        findings = list(self._findings(shape, seen, chosen))
        return _built(shape, batch, findings)

    def _findings(
        self, shape: str, seen: "_Seen", chosen: Ints
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """The findings in rows that may have some: row, and what is said of it."""
        raw, canon = self._exact(shape, seen, chosen)
        loose = self._loosely(shape, seen, chosen)
        for at, first in enumerate(chosen.tolist()):
            line = seen.line(first)
            known = raw.get(at, {})
            made = list(self._of_line(line, known, canon.get(at, {}), loose.get(at, [])))
            for row in seen.alike(first):
                yield from ((row, one) for one in made)

    def _of_line(
        self,
        line: explain.Line,
        known: Mapping[str, Any],
        canon: Mapping[str, Any],
        loose: Sequence[Mapping[str, Any]],
    ) -> Iterator[dict[str, Any]]:
        """What is said of a line whose rules are known, with what matched in its other readings."""
        hiding = line.canon.strength >= _HIDING or bool(line.program)
        fresh = [
            rule
            for uid, rule in canon.items()
            if uid not in known and (hiding or rule["severity_id"] >= Severity.MEDIUM)
        ]
        fresh.sort(key=lambda rule: (-rule["severity_id"], rule["rule_uid"]))
        if fresh:
            yield from (explain.escaped(line, rule) for rule in fresh[:_MOST_RULES])
            return
        if known:
            return
        words = [
            (word, weight)
            for word, weight in word_scores(line.canon.text, self._model.weights)[:5]
            if weight > 0
        ]
        near = [rule for rule in loose if self._convincing(line, rule)]
        near.sort(key=lambda rule: (-rule["severity_id"], rule["rule_uid"]))
        if near:
            others = list(
                dict.fromkeys(
                    rule["title"] for rule in near[1:] if rule["title"] != near[0]["title"]
                )
            )
            yield explain.loosely(line, near[0], others[:4], words)
        elif line.canon.strength >= _BEYOND_DOUBT:
            yield explain.obfuscated(line)
        elif line.score >= self._model.attack:
            yield explain.like_attack(line, words)

    def _convincing(self, line: explain.Line, rule: Mapping[str, Any]) -> bool:
        """Whether a rule that matched loosely is borne out by the line's words or disguises."""
        if rule["severity_id"] < Severity.MEDIUM:
            return False
        if line.score >= self._model.unlike:
            return True
        if rule["without_image"]:
            return False
        return line.score >= _HALF_LIKE * self._model.unlike or line.canon.strength >= _DISGUISED

    def _exact(
        self, shape: str, seen: "_Seen", chosen: Ints
    ) -> tuple[dict[int, dict[str, Any]], dict[int, dict[str, Any]]]:
        """The rules that match the lines as written, and as canonical: number → uid → finding."""
        if self._sigma is None:
            return {}, {}
        count = len(chosen)
        both = pa.concat_tables(
            [seen.raw(chosen), seen.canonical(chosen)], promote_options="default"
        )
        raw: dict[int, dict[str, Any]] = {}
        canon: dict[int, dict[str, Any]] = {}
        for at, finding in _by_number(self._sigma.detect(shape, _numbered(both))):
            side, number = (raw, at) if at < count else (canon, at - count)
            side.setdefault(number, {})[finding["rule_uid"]] = finding
        return raw, canon

    def _loosely(self, shape: str, seen: "_Seen", chosen: Ints) -> dict[int, list[dict[str, Any]]]:
        """The rules that match the lines read loosely: number → findings."""
        if seen.place.script or self._loose is None:
            return {}
        wanted = [at for at, row in enumerate(chosen.tolist()) if seen.doubtful(row)]
        if not wanted:
            return {}
        table = _numbered(seen.canonical(chosen[wanted]))
        words = [loosened(text) for text in table.column(seen.place.column).to_pylist()]
        found: dict[int, list[dict[str, Any]]] = {}
        table = table.append_column(COLUMN, pa.array(words, pa.string()))
        for at, finding in _by_number(self._loose.detect(shape, table)):
            uid = finding["rule_uid"]
            finding["without_image"] = uid.endswith(WITHOUT_IMAGE)
            finding["rule_uid"] = uid.removesuffix(WITHOUT_IMAGE)
            found.setdefault(wanted[at], []).append(finding)
        return found


class _Seen:
    """A batch by its distinct commands: their canonical forms, scores, and who says the same."""

    def __init__(self, place: Place, batch: pa.Table, model: Model) -> None:
        self.place = place
        self._batch = batch
        self._model = model
        encoded = _plain(batch.column(place.column).cast(pa.string())).dictionary_encode()
        self._codes: Ints = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
        if (
            "type" in batch.column_names
            and place.column == "CommandLine"
            and place.shell == "posix"
        ):
            self._only_started(batch)
        self._lines = encoded.dictionary
        self._canon = self._canonical_forms()
        self._scores = self._scored()
        self._programs = _programs(batch, place)
        self._groups: dict[int, list[int]] = {}

    def _only_started(self, batch: pa.Table) -> None:
        """Of an audit log, only the events that start a program."""
        kinds = _plain(batch.column("type").cast(pa.string()))
        started = pc.fill_null(pc.match_substring(kinds, "EXECVE"), False)
        self._codes[~started.to_numpy(zero_copy_only=False)] = -1

    def _canonical_forms(self) -> dict[int, Canon]:
        shell = self.place.shell
        doubtful = pc.indices_nonzero(suspicious(self._lines, shell)).to_pylist()
        made: dict[int, Canon] = {}
        for code in doubtful:
            text = self._lines[code].as_py()
            if self.place.script and len(text) > _LONGEST_SCRIPT:
                continue
            canon = canonical(text, shell)
            if canon.text != text or canon.strength:
                made[code] = canon
        return made

    def _scored(self) -> npt.NDArray[np.float64]:
        if self.place.script:
            return np.zeros(len(self._lines))
        texts = self._lines
        if self._canon:
            at = np.arange(len(texts))
            changed = pa.array([canon.text for canon in self._canon.values()], pa.string())
            at[list(self._canon)] = len(texts) + np.arange(len(changed))
            texts = pa.concat_arrays([texts, changed]).take(pa.array(at))
        return scores(texts, self._model.weights)

    def chosen(self) -> Ints:
        """One row for each distinct command worth a look."""
        worth = self._scores >= _HALF_LIKE * self._model.unlike
        for code, canon in self._canon.items():
            worth[code] |= not self.place.script or canon.strength >= _HIDING
        rows = np.flatnonzero(np.append(worth, False)[self._codes])
        if self._programs:
            rows = np.union1d(
                rows, np.array([row for row in self._programs if self._codes[row] >= 0], np.int64)
            )
        return self._distinct(rows.astype(np.int64))

    def _distinct(self, rows: Ints) -> Ints:
        """The first of the rows that say the same in all that rules read of a process."""
        names = [name for name in _SAME if name in self._batch.column_names]
        part = self._batch.select(names).take(pa.array(rows))
        part = part.append_column("row", pa.array(rows))
        grouped = part.group_by(names).aggregate([("row", "list")])
        for alike in grouped.column("row_list").to_pylist():
            alike.sort()
            self._groups[alike[0]] = alike
        return np.array(sorted(self._groups), np.int64)

    def alike(self, first: int) -> list[int]:
        """The rows that say the same as one of `chosen`."""
        return self._groups[first]

    def line(self, row: int) -> explain.Line:
        """A row's command."""
        code = int(self._codes[row])
        raw = self._lines[code].as_py()
        canon = self._canon.get(code, Canon(raw))
        return explain.Line(raw, canon, float(self._scores[code]), self._programs.get(row, ""))

    def doubtful(self, row: int) -> bool:
        """Whether rules are to be read loosely for a row."""
        line = self.line(row)
        return line.score >= _HALF_LIKE * self._model.unlike or line.canon.strength >= _DISGUISED

    def raw(self, rows: Ints) -> pa.Table:
        """Rows as they are."""
        return self._batch.take(pa.array(rows))

    def canonical(self, rows: Ints) -> pa.Table:
        """Rows with the canonical command, and the program by its authors' name."""
        lines = [self.line(row) for row in rows.tolist()]
        table = self._put(self.raw(rows), self.place.column, [line.canon.text for line in lines])
        if self._programs and self.place.image:
            paths = table.column(self.place.image).to_pylist()
            made = [
                f"{path.rpartition(chr(92))[0]}\\{line.program}" if line.program else path
                for path, line in zip(paths, lines, strict=True)
            ]
            table = self._put(table, self.place.image, made)
        return table

    def _put(self, table: pa.Table, name: str, values: Sequence[str | None]) -> pa.Table:
        at = table.schema.get_field_index(name)
        return table.set_column(at, name, pa.array(values, pa.string()))


_SAME: Final = (
    "CommandLine", "ScriptBlockText", "Image", "NewProcessName", "exe", "OriginalFileName", "ParentImage",
    "ParentProcessName", "ParentCommandLine", "User", "IntegrityLevel", "Company", "Description",
)  # fmt: skip


def _programs(batch: pa.Table, place: Place) -> dict[int, str]:
    """Rows whose program file is called otherwise than its authors call it, and what they call it."""
    if not place.image or not {"OriginalFileName", place.image} <= set(batch.column_names):
        return {}
    original = _stem(_plain(batch.column("OriginalFileName").cast(pa.string())))
    known = pc.is_in(original, value_set=pa.array(sorted(PROGRAMS)))
    image = _plain(batch.column(place.image).cast(pa.string()))
    file = _stem(pc.replace_substring_regex(image, r"(?s)^.*[\\/]", ""))
    # `procdump64` for `procdump`: a build of the same program, not a disguise.
    same = pc.equal(
        pc.replace_substring_regex(file, r"(?:64|a)$", ""),
        pc.replace_substring_regex(original, r"(?:64|a)$", ""),
    )
    other = pc.fill_null(pc.and_(known, pc.invert(same)), False)
    return {row: f"{original[row].as_py()}.exe" for row in pc.indices_nonzero(other).to_pylist()}


def _stem(names: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(pc.utf8_lower(names), r"\.(?:exe|com|dll|mui)(?:\.mui)?$", "")


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _numbered(table: pa.Table) -> pa.Table:
    """The rows under their numbers instead of their ids."""
    ids = pa.array([str(number) for number in range(table.num_rows)], pa.string())
    return table.set_column(table.schema.get_field_index("_id"), "_id", ids)


def _by_number(findings: pa.Table) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each finding of a rule itself, with the number of its row."""
    for finding in findings.filter(pc.equal(findings["detector"], SIGMA)).to_pylist():
        yield int(finding["evidence"][0]["_id"]), finding


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

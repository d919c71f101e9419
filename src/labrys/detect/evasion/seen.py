"""A batch's commands, each once: their canonical forms, their scores, and who says the same."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.evasion.canon import Canon, Shell, canonical, suspicious
from labrys.detect.evasion.explain import Line
from labrys.detect.evasion.known import GRAMMAR, PROGRAMS
from labrys.detect.evasion.score import Model, scores

Ints = npt.NDArray[np.int64]

DISGUISED: Final = 0.2
"""From this strength on, disguises are reason enough to read rules loosely."""
HIDING: Final = 0.5
"""From this strength on, a rule of any level counts as escaped."""
NEARLY: Final = 0.75
"""Of the model's `unlike`: enough to read loosely those rules that name the program."""
_LONGEST_SCRIPT: Final = 8192
_SYSTEM: Final = r"C:\Windows\System32"
_INSTALLED: Final = (
    r"(?i)^[a-z]:\\(?:program files|programdata\\microsoft\\|"
    r"windows\\(?:system32|syswow64|winsxs|microsoft\.net|servicing|ccm|[^\\]+$))"
)
"""Where programs are installed: those that are called otherwise elsewhere may be copies."""
_ARGUMENTS: Final = r'(?s)^\s*(?:"[^"]*"|\S+)\s*'
_LONGEST_GUESSED: Final = 4096
_CALLED: Final = re.compile(r'\A\s*("?)((?:[^"\s]{0,512}[\\/])?)[^"\\/\s]{1,128}\1(?=\s|\Z)')
"""What a line calls its program: a quote, the folder, the name."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shape has its commands: the column, how they are read, whether they start programs."""

    column: str
    shell: Shell
    image: str = ""
    script: bool = False


PLACES: Final[Mapping[str, Place]] = {
    "windows.sysmon.1": Place("CommandLine", "windows", "Image"),
    "windows.security.4688": Place("CommandLine", "windows", "NewProcessName"),
    "windows.powershell.4104": Place("ScriptBlockText", "windows", script=True),
    "linux.sysmon.1": Place("CommandLine", "posix"),
    "linux.auditd": Place("CommandLine", "posix"),
    "linux.shell_history": Place("CommandLine", "posix"),
    "windows.powershell_history": Place("CommandLine", "windows"),
}


class Seen:
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
        self._guessed = _guessed(batch, place, self._programs)
        self._programs |= self._guessed
        self._groups: dict[int, list[int]] = {}
        self._known: dict[int, Line] = {}

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
        worth = self._scores >= NEARLY * self._model.unlike
        for code, canon in self._canon.items():
            worth[code] |= not self.place.script or canon.strength >= HIDING
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

    def line(self, row: int) -> Line:
        """A row's command."""
        known = self._known.get(row)
        if known is None:
            known = self._known[row] = self._line(row)
        return known

    def _line(self, row: int) -> Line:
        code = int(self._codes[row])
        raw = self._lines[code].as_py()
        canon = self._canon.get(code, Canon(raw))
        program = self._programs.get(row, "")
        if program:
            canon = replace(
                canon, text=_CALLED.sub(rf"\g<1>\g<2>{program}\g<1>", canon.text, count=1)
            )
        return Line(raw, canon, float(self._scores[code]), program, row in self._guessed)

    def doubtful(self, row: int) -> bool:
        """Whether rules are to be read loosely for a row."""
        line = self.line(row)
        return line.score >= NEARLY * self._model.unlike or line.canon.strength >= DISGUISED

    def respelt(self, spelt: Sequence[tuple[int, str | None]]) -> pa.Table:
        """Rows with another text for their command and the program by its authors' name.

        `spelt` gives row and text, None for a row as it is. Rows are called by their number in it.
        """
        table = self._batch.take(pa.array([row for row, _ in spelt], pa.int64()))
        lines = [self.line(row) for row, _ in spelt]
        texts = [
            line.raw if text is None else text for line, (_, text) in zip(lines, spelt, strict=True)
        ]
        table = _put(table, self.place.column, texts)
        table = _put(table, "_id", [str(number) for number in range(len(spelt))])
        if not self._programs:
            return table
        paths = table.column(self.place.image).to_pylist()
        made = [
            f"{_SYSTEM if line.guessed else path.rpartition(chr(92))[0]}\\{line.program}"
            if line.program and text is not None
            else path
            for path, line, (_, text) in zip(paths, lines, spelt, strict=True)
        ]
        return _put(table, self.place.image, made)


def _put(table: pa.Table, name: str, values: Sequence[str | None]) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))


_SAME: Final = (
    "CommandLine", "ScriptBlockText", "Image", "NewProcessName", "exe", "OriginalFileName", "ParentImage",
    "ParentProcessName",
)  # fmt: skip
"""What records must share to be judged as one; rules hardly ever ask for more of a process."""


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


def _guessed(batch: pa.Table, place: Place, known: Mapping[int, str]) -> dict[int, str]:
    """Rows of programs that nobody knows, whose arguments are those of one that is known."""
    if not place.image or place.image not in batch.column_names:
        return {}
    image = _plain(batch.column(place.image).cast(pa.string()))
    file = _stem(pc.replace_substring_regex(image, r"(?s)^.*[\\/]", ""))
    named = pc.is_in(file, value_set=pa.array(sorted(PROGRAMS)))
    strange = pc.invert(pc.or_(named, pc.match_substring_regex(image, _INSTALLED)))
    if "OriginalFileName" in batch.column_names:
        said = pc.fill_null(_plain(batch.column("OriginalFileName").cast(pa.string())), "")
        strange = pc.and_(strange, pc.is_in(said, value_set=pa.array(["", "-", "?"])))
    rows = np.array(pc.indices_nonzero(pc.fill_null(strange, False)), np.int64)
    rows = rows[[int(row) not in known for row in rows]] if known else rows
    lines = _plain(batch.column(place.column).cast(pa.string())).take(pa.array(rows))
    lines = pc.utf8_lower(pc.utf8_slice_codeunits(lines, 0, _LONGEST_GUESSED))
    arguments = pc.replace_substring_regex(lines, _ARGUMENTS, "", max_replacements=1)
    made: dict[int, str] = {}
    for program, grammar in GRAMMAR.items():
        for at in pc.indices_nonzero(
            pc.fill_null(pc.match_substring_regex(arguments, grammar), False)
        ).to_pylist():
            made.setdefault(int(rows[at]), f"{program}.exe")
    return made


def _stem(names: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(pc.utf8_lower(names), r"\.(?:exe|com|dll|mui)(?:\.mui)?$", "")


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

"""What the columns of a table say to an assistant: the best reading of each text, for each head."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.prompt_injection.canon import bounded, readings
from labrys.detect.prompt_injection.places import Place
from labrys.detect.prompt_injection.score import HEADS, Floats, Ints, Model, scores
from labrys.model.regex import matched

PLAIN: Final = ""
_MORE: Final = 1.3
"""A reading that says so much more than the text as it stands is told instead of it."""
_PART: Final = 0.2
"""A line of an order that is cut over several says at least so much of it."""
_LONGEST_LINE: Final = 500
_WORDY: Final = (
    r"\S[\s+_%.-]+[^\s+_%.-]{2,}[\s+_%.-]+\S{2}|[^\x00-\x7f]{6}|[A-Za-z0-9+/=_&#;%-]{40}"
    r"|(?:\w[ ._*-]{1,4}){6}"
)
"""Some words, or what may hold some: names, numbers and identifiers are not scored."""


@dataclass(frozen=True, slots=True)
class Said:
    """One text of one column that says something, in its telling reading."""

    column: str
    place: str
    text: str
    reading: str
    how: str
    score: tuple[float, ...]
    disguised: int

    def above(self, held: Model, level: str, *, tasks: bool) -> tuple[str, float]:
        """The head that stands out most above a level's limit, and by what factor; "" if none."""
        found = [
            (head, value / held.limits[level][head])
            for head, value in zip(HEADS, self.score, strict=True)
            if (tasks or head != "task") and value > held.limits[level][head]
        ]
        return max(found, key=lambda pair: pair[1], default=("", 0.0))


@dataclass(frozen=True, slots=True)
class _Column:
    """The different texts of a column that have some words (`texts`, the numbers `chosen` of all
    `different` ones), and the number of each row's."""

    name: str
    what: str
    texts: pa.Array
    chosen: Ints
    different: int
    index: Ints


def seen(batch: pa.Table, place: Place, held: Model) -> dict[int, list[Said]]:
    """For each row of which something is to be said, the texts that say it."""
    columns = [_column(batch[name], name, what) for name, what in place.of(batch)]
    columns = [one for one in columns if len(one.texts)]
    if not columns:
        return {}
    # All at once: of a few mails each column holds too little to be worth a pass of its own.
    texts = pa.concat_arrays([one.texts for one in columns])
    found, factor = _judged(texts, held, tasks=place.tasks)
    made: dict[int, list[Said]] = {}
    first = 0
    for one in columns:
        behind = first + len(one.chosen)
        mine = {at - first: each for at, each in found.items() if first <= at < behind}
        told = _of_rows(one, mine)
        if place.lines > 1:
            lines = np.zeros(one.different)
            lines[one.chosen] = factor[first:behind]
            known = {row for row, _ in told}
            told += _over_lines(batch, one.name, lines[one.index], known, place, held)
        for row, said in told:
            made.setdefault(row, []).append(said)
        first = behind
    return made


def _column(column: pa.ChunkedArray, name: str, what: str) -> _Column:
    coded = pc.fill_null(column.cast(pa.string()), "").combine_chunks().dictionary_encode()
    texts = bounded(coded.dictionary)
    wordy = matched(texts, _WORDY)
    chosen = np.flatnonzero(np.asarray(wordy.to_numpy(zero_copy_only=False), bool))
    index = np.asarray(coded.indices.to_numpy(zero_copy_only=False), np.int64)
    return _Column(name, what, texts.take(pa.array(chosen)), chosen, len(texts), index)


def _of_rows(one: _Column, found: "dict[int, _Judged]") -> list[tuple[int, Said]]:
    """The rows of a column that say something, by what was found in its texts."""
    said = {int(one.chosen[at]): Said(one.name, one.what, *each) for at, each in found.items()}
    rows = np.flatnonzero(np.isin(one.index, list(said)))
    return [(int(row), said[int(one.index[row])]) for row in rows]


def _over_lines(
    batch: pa.Table, name: str, factor: Floats, told: set[int], place: Place, held: Model
) -> list[tuple[int, Said]]:
    """Orders that are cut over some lines in a row, at the first of them; of lines that overlap once."""
    text = pc.utf8_slice_codeunits(
        pc.fill_null(batch[name].cast(pa.string()), ""), 0, _LONGEST_LINE
    )
    source = batch["_source"].cast(pa.string()).combine_chunks().dictionary_encode().indices
    of, rows = np.asarray(source.to_numpy(zero_copy_only=False)), batch.num_rows
    near = [at for at in np.flatnonzero(factor > _PART).tolist() if at not in told]
    begins = sorted({max(0, at - back) for at in near for back in range(place.lines)})
    begins = [at for at in begins if of[at] == of[min(at + place.lines, rows) - 1]]
    lines = text.to_pylist() if begins else []
    joined = [" ".join(lines[at : at + place.lines]) for at in begins]
    found, _ = _judged(bounded(pa.array(joined, pa.string())), held, tasks=place.tasks)
    made: list[tuple[int, Said]] = []
    behind = 0
    for number, each in found.items():
        at = begins[number]
        if at >= behind and not told & set(range(at, at + place.lines)):
            made.append((at, Said(name, f"{place.lines} lines of text from here on", *each)))
        behind = at + place.lines
    return made


_Judged = tuple[str, str, str, tuple[float, ...], int]


def _judged(texts: pa.Array, held: Model, *, tasks: bool) -> tuple[dict[int, _Judged], Floats]:
    """The texts above the lowest limit: text, telling reading, what was undone, scores, disguised;
    and how often each has the limit as it stands."""
    plain, disguised = scores(texts, held)
    factor = factors(plain, held, tasks=tasks)
    telling = {at: (texts[at].as_py(), PLAIN) for at in np.flatnonzero(factor > 1).tolist()}
    others = list(readings(texts))
    other, _ = scores(pa.array([each.text for each in others], pa.string()), held)
    best = np.maximum(factor, 1 / _MORE)
    for each, score, more in zip(others, other, factors(other, held, tasks=tasks), strict=True):
        plain[each.row] = np.maximum(plain[each.row], score)
        if more > max(1.0, best[each.row] * _MORE) or (more > 1 and each.row not in telling):
            best[each.row] = more / _MORE
            telling[each.row] = (each.text, each.how)
    found = {
        at: (texts[at].as_py(), reading, how, tuple(plain[at].tolist()), int(disguised[at]))
        for at, (reading, how) in sorted(telling.items())
    }
    return found, factor


def factors(score: Floats, held: Model, *, tasks: bool) -> Floats:
    """How often each text (n × heads) has the lowest limit of the head that stands out most."""
    limit = np.array([held.limits["unsure"][head] for head in HEADS])
    limit[-1] = limit[-1] if tasks else np.inf
    made: Floats = (score / limit).max(axis=1)
    return made


def said_most(texts: Sequence[str], held: Model) -> Floats:
    """By how much mails with these texts stand out, in whatever reading: above 1 they are told."""
    held_texts = bounded(pa.array(texts, pa.string()))
    made = factors(scores(held_texts, held)[0], held, tasks=True)
    others = list(readings(held_texts))
    other, _ = scores(pa.array([each.text for each in others], pa.string()), held)
    np.maximum.at(made, [each.row for each in others], factors(other, held, tasks=True))
    return made

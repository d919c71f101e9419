"""Labelled messages as the rows that the detector judges: read by the real reader, near-copies out."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from labrys.detect.mail.train_corpora import Sample
from labrys.evidence.mail.mime import parse
from labrys.evidence.mail.rows import add
from labrys.evidence.records import Records, Source

SHAPE: Final = "mail.message"
META: Final = ("source", "fold", "kind", "bad", "text_only", "cluster")
_AT_ONCE: Final = 2_000
_LETTERS: Final = re.compile(r"[^\W\d_]+")


def rows(found: Iterable[Sample]) -> pa.Table:
    """The row of each message (not of those inside it), with the columns of `META` in front.

    Of messages that begin with the same 400 letters only the first of a source and label is kept,
    but of made-up ones all.
    """
    parts: list[pa.Table] = []
    seen: set[tuple[str, bool, str]] = set()
    for some in _batches(found):
        table = read_messages([one.raw for one in some])
        clusters = cluster(table)
        kept = []
        for at, (one, group) in enumerate(zip(some, clusters, strict=True)):
            key = (one.source, one.bad, group)
            if key not in seen or one.fold.startswith("made"):
                seen.add(key)
                kept.append(at)
        meta = {name: [getattr(one, name) for one in some] for name in META[:-1]}
        head = pa.table({**meta, "cluster": clusters})
        for name in table.column_names:
            head = head.append_column(name, table[name])
        parts.append(head.take(kept))
    return pa.concat_tables(parts, promote_options="permissive").combine_chunks()


def read_messages(raws: list[bytes]) -> pa.Table:
    """The rows of these messages as `labrys scan` would read them, one for each."""
    source = Source(Path("none"), "none", hashlib.sha256(b"".join(raws)).hexdigest(), 0)
    records = Records(source)
    for number, raw in enumerate(raws):
        add(records, parse(raw, 0, len(raw)), number)
    made = [pa.Table.from_batches([batch]) for shape, batch in records.drain() if shape == SHAPE]
    table = pa.concat_tables(made, promote_options="permissive").combine_chunks()
    table = table.filter(pc.equal(table["depth"].cast(pa.string()), "0"))
    if table["_offset"].to_pylist() != list(range(len(raws))):
        raise ValueError("a message without a row of its own")
    return table


def cluster(table: pa.Table) -> list[str]:
    """For each row a key that near-copies share: the first 400 letters of what it says."""
    return [_cluster(*pair) for pair in _said(table)]


def _batches(found: Iterable[Sample]) -> Iterator[list[Sample]]:
    stream = iter(found)
    while some := list(islice(stream, _AT_ONCE)):
        yield some


def _said(table: pa.Table) -> Iterator[tuple[str, str]]:
    columns = [
        table[name].cast(pa.string()).to_pylist()
        if name in table.column_names
        else [None] * table.num_rows
        for name in ("subject", "text_visible")
    ]
    for subject, text in zip(*columns, strict=True):
        yield subject or "", text or ""


def _cluster(subject: str, text: str) -> str:
    letters = "".join(_LETTERS.findall(text[:4000].lower()))[:400]
    if len(letters) < 60:
        letters += "".join(_LETTERS.findall(subject.lower()))
    return hashlib.sha256(letters.encode()).hexdigest()[:16]

"""Reads samples with a reader and holds them to their golden output, for the tests of readers.

With `LABRYS_WRITE_GOLDEN` set, goldens are written instead: then read what changed.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from labrys.evidence.records import LEADING, Source

Row = dict[str, Any]
Read = Callable[[Source], Iterable[tuple[str, pa.RecordBatch]]]


def source(path: Path, modified: int | None = None, name: str = "") -> Source:
    """A file as a reader is given it."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Source(path, name or path.name, digest, len(data), modified)


def rows(read: Read, path: Path, modified: int | None = None) -> list[Row]:
    """The rows of a file in the order they were met, each with its shape, without empty cells."""
    made = []
    for shape, batch in read(source(path, modified)):
        batch.validate(full=True)
        assert batch.schema.names[: len(LEADING)] == LEADING.names
        for row in batch.to_pylist():
            made.append({"shape": shape, **{k: v for k, v in row.items() if v is not None}})
    return sorted(made, key=lambda row: int(row["_id"].rpartition("-")[2]))


def check_golden(found: Iterable[Mapping[str, Any]], golden: Path) -> None:
    """What was read is what stands in the file, a row a line."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
    if os.environ.get("LABRYS_WRITE_GOLDEN"):
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")

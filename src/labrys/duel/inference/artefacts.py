"""Searches the files of a model for what a person could read: text that may come from training data.

Numbers say nothing by themselves; text does: lines of text files, strings in JSON and in arrays, and
runs of printable letters in whatever else there is. What is found is judged by the caller: addresses
and secrets by `personal`, training data by looking for it.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np

_RUN: Final = re.compile(rb"[\x20-\x7e]{6,}")
_PERSONAL: Final = (
    ("e-mail address", re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}\.[A-Za-z]{2,24}\b")),
    ("telephone number", re.compile(r"(?<![\d.])\+\d{1,3}[ -]?\d{2,4}[ -]\d{3,4}[ -]?\d{2,6}")),
    ("private key", re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY")),
    (
        "password",
        re.compile(
            r"(?i)\b(?:password|passwd|pwd|secret|token)\b\s{0,3}[=:]\s{0,3}[^\s\"'<{]{4,64}"
        ),
    ),
)
_MADE_UP: Final = re.compile(r"(?i)@(?:[a-z0-9-]{1,63}\.)*(?:example|test|invalid)\b|@example\.")


def texts(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Whatever can be read in the files of a model: (file, text)."""
    for name, content in files.items():
        if name.endswith(".npz"):
            yield from ((name, text) for text in _of_arrays(content))
        elif name.endswith(".json"):
            yield from ((name, text) for text in _of_json(json.loads(content)))
        else:
            try:
                yield from ((name, line) for line in content.decode("utf-8").splitlines())
            except UnicodeDecodeError:
                yield from ((name, run.decode("ascii")) for run in _RUN.findall(content))


def personal(text: str) -> str:
    """What in a text looks like a person's or a secret, empty where nothing does.

    Addresses under names that are kept for examples (RFC 2606) are nobody's.
    """
    for what, pattern in _PERSONAL:
        found = pattern.search(text)
        if found and not _MADE_UP.search(found[0]):
            return f"{what}: {found[0]}"
    return ""


def _of_arrays(content: bytes) -> Iterator[str]:
    """Names and texts of the arrays, and printable runs of those of single bytes."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            for name in kept.files:
                yield name
                held = kept[name]
                if held.dtype.kind in "US":
                    yield from map(str, held.ravel().tolist())
                elif held.dtype.itemsize == 1:
                    # Tables of counts and weights hold letters only by chance: long runs of them.
                    for run in _RUN.findall(held.tobytes()):
                        if len(run) >= 2 * len(set(run)):
                            continue
                        yield run.decode("ascii")
    except (OSError, ValueError, BadZipFile):
        yield from (run.decode("ascii") for run in _RUN.findall(content))


def _of_json(held: Any) -> Iterator[str]:
    match held:
        case dict():
            for name, value in held.items():
                yield str(name)
                yield from _of_json(value)
        case list():
            for value in held:
                yield from _of_json(value)
        case str():
            yield held

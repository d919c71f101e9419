"""Reads a model's folder: its card, and its files, which must be those that the card describes.

`card.json` says what the model is for, what it was trained on (name, licence, digest), what it
reached on data it had not seen, its thresholds, and size and SHA-256 of each file. Files are data
only (LightGBM text, NumPy arrays without objects, JSON): nothing is ever unpickled.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from labrys.errors import ModelError

CARD: Final = "card.json"
_LARGEST: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class Artefact:
    """A model as it was read: the card, and the content of each file it names."""

    place: str
    card: Mapping[str, Any]
    files: Mapping[str, bytes]

    def number(self, *path: str) -> float:
        """A number in the card, e.g. `number("thresholds", "low")`; ModelError if there is none."""
        value: Any = self.card
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ModelError(f"{self.place}/{CARD}: {'.'.join(path)} is no number")
        return float(value)

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays of an `.npz`; ModelError where it holds anything else."""
        try:
            with np.load(io.BytesIO(self.files[name]), allow_pickle=False) as kept:
                return {key: kept[key] for key in kept.files}
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise ModelError(f"{self.place}/{name} holds no arrays ({error!r})") from error


def load(folder: Traversable) -> Artefact:
    """The model in a folder; ModelError where it is missing or not what its card says."""
    try:
        card: Any = json.loads((folder / CARD).read_text("utf-8"))
        wanted = {str(name): dict(said) for name, said in card["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder}/{CARD}: not a model's card ({error!r})") from error
    files = {name: _checked(folder, name, said) for name, said in wanted.items()}
    return Artefact(str(folder), card, files)


def save(folder: Path, card: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write a model's folder; the same card and files always make the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    described = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(files.items())
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    text = json.dumps({**card, "files": described}, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", "utf-8")


def packed(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Arrays as the bytes of an `.npz`, compressed, the same for the same arrays."""
    held = io.BytesIO()
    # NumPy stamps every member with 1980-01-01, so the bytes do not depend on the day.
    np.savez_compressed(held, allow_pickle=False, **dict(arrays))
    return held.getvalue()


def _checked(folder: Traversable, name: str, said: Mapping[str, Any]) -> bytes:
    if "/" in name or "\\" in name or name.startswith("."):
        raise ModelError(f"{folder}/{CARD} names {name!r}: files of a model lie beside its card")
    size = said.get("bytes")
    if not isinstance(size, int) or not 0 <= size <= _LARGEST:
        raise ModelError(f"{folder}/{CARD} says no size for {name}, or one that is too large")
    try:
        with (folder / name).open("rb") as stream:
            content = stream.read(size + 1)
    except OSError as error:
        raise ModelError(
            f"{folder}/{name} cannot be read ({error}); install labrys again"
        ) from error
    if len(content) != size or hashlib.sha256(content).hexdigest() != said.get("sha256"):
        raise ModelError(
            f"{folder}/{name} is not the file that {CARD} describes; install labrys again, or "
            "train the model anew"
        )
    return content

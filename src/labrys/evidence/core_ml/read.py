"""Reads from a Core ML model what kind it is, and which code of the app's own it would call.

Only the kind of model, layers of classes of their own and models in models are looked at. Source:
Apple coremltools `Model.proto`, `NeuralNetwork.proto`, `CustomModel.proto` (field numbers).
"""

import mmap
from collections.abc import Iterator
from typing import Any, Final

from labrys.evidence.protobuf import Fields, Malformed, fields
from labrys.evidence.records import Records, Shaped, Source

_KINDS: Final = {
    200: "pipeline classifier", 201: "pipeline regressor", 202: "pipeline",
    300: "glm regressor", 301: "support vector regressor", 302: "tree ensemble regressor",
    303: "neural network regressor", 304: "bayesian probit regressor",
    400: "glm classifier", 401: "support vector classifier", 402: "tree ensemble classifier",
    403: "neural network classifier", 404: "nearest neighbours classifier", 500: "neural network",
    501: "item similarity recommender", 502: "program", 555: "custom model", 556: "linked model",
    2000: "text classifier", 2001: "word tagger", 2002: "vision feature print",
    2003: "sound analysis preprocessing", 2004: "gazetteer", 2005: "word embedding",
    2006: "audio feature print", 3000: "serialized model",
}  # fmt: skip
_NETWORKS: Final = (303, 403, 500)
_PIPELINES: Final = (200, 201)
_LAYER, _CUSTOM, _CLASS = 1, 500, 10
_DEEPEST: Final = 8
_MOST: Final = 2_000_000
_LONGEST: Final = 300


def sniff(head: bytes, name: str) -> float:
    """A version, a description, and then one of the kinds of model there are."""
    seen: list[int] = []
    try:
        for number, _, value in fields(head, 0, len(head), cut=True):
            if not seen and not (number == 1 and isinstance(value, int) and 1 <= value <= 40):
                return 0.0
            seen.append(number)
            if number in _KINDS:
                return 0.95 if seen[1:2] == [2] else 0.0
            if number > 20 or len(seen) > 12:
                return 0.0
    except Malformed:
        pass
    return 0.0


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.file`."""
    records = Records(source)
    with source.open() as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        made = _Model(data)
        try:
            made.model(0, len(data), 0)
        except Malformed as why:
            records.unparsed(0, f"it cannot be read as a whole: {why}")
        row = {"format": "core_ml", "classes": list(made.kinds), "custom_code": list(made.custom)}
        records.add("model.file", row, time=None, offset=0)
    yield from records.drain()


class _Model:
    """Gathers kinds of models, and classes that the app must bring."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self._left = _MOST
        self.kinds: dict[str, None] = {}
        self.custom: dict[str, None] = {}

    def model(self, start: int, end: int, depth: int) -> None:
        """A Model, and those in it."""
        if depth > _DEEPEST:
            raise Malformed("models in models without end")
        for number, _, value in self._of(start, end):
            if number not in _KINDS or not isinstance(value, tuple):
                continue
            self.kinds[_KINDS[number]] = None
            if number in _NETWORKS:
                self._network(*value)
            elif number in _PIPELINES:
                for inner in self._inner(value[0], value[1], 1):
                    self._pipeline(*inner, depth)
            elif number == 202:
                self._pipeline(value[0], value[1], depth)
            elif number == 555:
                self._named(*value)

    def _pipeline(self, start: int, end: int, depth: int) -> None:
        for inner in self._inner(start, end, 1):
            self.model(*inner, depth + 1)

    def _network(self, start: int, end: int) -> None:
        for layer in self._inner(start, end, _LAYER):
            for custom in self._inner(*layer, _CUSTOM):
                self._named(*custom)

    def _named(self, start: int, end: int) -> None:
        for first, last in self._inner(start, end, _CLASS):
            name = bytes(self._data[first : min(last, first + _LONGEST)])
            self.custom[name.decode("utf-8", "replace")] = None

    def _inner(self, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
        for number, _, value in self._of(start, end):
            if number == wanted and isinstance(value, tuple):
                yield value

    def _of(self, start: int, end: int) -> Fields:
        for found in fields(self._data, start, end):
            self._left -= 1
            if self._left < 0:
                raise Malformed("more fields than are read")
            yield found

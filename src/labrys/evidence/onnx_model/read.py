"""Reads from the graph of a model which operators it runs and which files beside it it would open.

Only lengths and short texts of the protobuf are looked at, to a bounded depth; tensors are passed
over. Sources: `onnx.proto3` (ModelProto), TensorFlow `saved_model.proto`, `meta_graph.proto`,
`graph.proto` (field numbers); Protocol Buffers, "Encoding".
"""

import mmap
from collections.abc import Iterator
from typing import Any, Final

from labrys.evidence.protobuf import Fields, Malformed, fields
from labrys.evidence.records import Records, Shaped, Source

_MOST: Final = 5_000_000
_LONGEST: Final = 4_096
_LARGEST_HEAD: Final = 1 << 16


def sniff(head: bytes, name: str) -> float:
    """The first fields of a ModelProto or a SavedModel, with what must be in them."""
    return 0.9 if _form(head) else 0.0


def _form(head: bytes) -> str:
    try:
        seen = []
        for number, _kind, value in fields(head, 0, len(head), cut=True):
            seen.append((number, value))
            if len(seen) >= 4:
                break
    except Malformed:
        return ""
    if not seen:
        return ""
    number, value = seen[0]
    numbers = [each for each, _ in seen]
    if number == 1 and isinstance(value, int) and 1 <= value <= 40 and len(numbers) > 1:
        if numbers[1] == 2 and _is_meta_graph(head, seen[1][1]):
            return "saved_model"
        if set(numbers) <= {1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25} and numbers[1] in (2, 3, 7, 8):
            return "onnx" if _plausible(head, seen[1:]) else ""
    return ""


def _is_meta_graph(head: bytes, span: Any) -> bool:
    """A MetaGraphDef begins with its MetaInfoDef (1) or its GraphDef (2); a producer's name does not."""
    if not isinstance(span, tuple):
        return False
    start, end = span
    try:
        first = next(fields(head, start, min(end, len(head)), cut=True), None)
    except Malformed:
        return False
    return (
        end - start > 64
        and first is not None
        and first[0] in (1, 2)
        and isinstance(first[2], tuple)
    )


def _plausible(head: bytes, seen: list[tuple[int, Any]]) -> bool:
    """The text fields that come first hold text, the graph begins with fields of a graph."""
    for number, span in seen:
        if not isinstance(span, tuple):
            if number not in (5, 1):
                return False
            continue
        text = head[span[0] : min(span[1], span[0] + 200)]
        if number in (2, 3, 4, 6) and not (text.isascii() and text.decode("ascii").isprintable()):
            return False
        if number == 7:
            return text[:1] in (b"\x0a", b"\x12", b"\x2a", b"\x5a", b"\x62", b"\x6a")
    return True


def read(source: Source) -> Iterator[Shaped]:
    """A row of `model.file`."""
    records = Records(source)
    with source.open() as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        form = _form(bytes(data[:_LARGEST_HEAD])) or "onnx"
        made = _Graph(data)
        try:
            if form == "onnx":
                made.model(0, len(data))
            else:
                made.saved_model(0, len(data))
        except Malformed as why:
            records.unparsed(0, f"its graph cannot be read: {why}")
        records.add("model.file", {"format": form, **made.row()}, time=None, offset=0)
    yield from records.drain()


class _Graph:
    """Gathers what a graph runs and opens."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self._left = _MOST
        self._operators: dict[str, None] = {}
        self._domains: dict[str, None] = {}
        self._external: dict[str, None] = {}

    def row(self) -> dict[str, Any]:
        """What was gathered."""
        return {
            "classes": list(self._operators)[:5000],
            "domains": list(self._domains)[:200],
            "external_data": list(self._external)[:5000],
        }

    def model(self, start: int, end: int) -> None:
        """A ModelProto: its graph (7), its functions (25)."""
        for number, _, value in self._of(start, end):
            if number == 7 and isinstance(value, tuple):
                self._graph(value[0], value[1], 0)
            elif number == 25 and isinstance(value, tuple):
                self._nodes(value[0], value[1], 7, 0)

    def _graph(self, start: int, end: int, depth: int) -> None:
        if depth > 20:
            raise Malformed("graphs in graphs without end")
        self._nodes(start, end, 1, depth)
        for number, _, value in self._of(start, end):
            if number == 5 and isinstance(value, tuple):
                self._tensor(*value)

    def _nodes(self, start: int, end: int, field: int, depth: int) -> None:
        for number, _, value in self._of(start, end):
            if number != field or not isinstance(value, tuple):
                continue
            name = domain = ""
            for inner, _, part in self._of(*value):
                if inner == 4:
                    name = self._text(part)
                elif inner == 7:
                    domain = self._text(part)
                elif inner == 5 and isinstance(part, tuple):
                    self._attribute(part[0], part[1], depth)
            self._operators[f"{domain}.{name}" if domain else name] = None
            if domain:
                self._domains[domain] = None

    def _attribute(self, start: int, end: int, depth: int) -> None:
        for number, _, value in self._of(start, end):
            if number == 5 and isinstance(value, tuple):
                self._tensor(*value)
            elif number in (6, 11) and isinstance(value, tuple):
                self._graph(value[0], value[1], depth + 1)

    def _tensor(self, start: int, end: int) -> None:
        for number, _, value in self._of(start, end):
            if number != 13 or not isinstance(value, tuple):
                continue
            pair = {inner: self._text(part) for inner, _, part in self._of(*value)}
            if pair.get(1) == "location":
                self._external[pair.get(2, "")] = None

    def saved_model(self, start: int, end: int) -> None:
        """A SavedModel: meta graphs (2), their graph (2), its nodes (1) and functions (2.1.3)."""
        for meta in self._inner(start, end, 2):
            for graph in self._inner(*meta, 2):
                for node in self._inner(*graph, 1):
                    self._operator(*node)
                for library in self._inner(*graph, 2):
                    for function in self._inner(*library, 1):
                        for node in self._inner(*function, 3):
                            self._operator(*node)

    def _operator(self, start: int, end: int) -> None:
        for number, _, value in self._of(start, end):
            if number == 2:
                self._operators[self._text(value)] = None
                return

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

    def _text(self, span: Any) -> str:
        if not isinstance(span, tuple):
            return ""
        return bytes(self._data[span[0] : min(span[1], span[0] + _LONGEST)]).decode(
            "utf-8", "replace"
        )
